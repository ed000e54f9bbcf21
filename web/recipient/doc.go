// Package recipient is the door for those who get the mails: the way out at
// /u/{token} and the web version of a mail at /w/{token}.
//
// GET and HEAD never change anything: they show a page. A POST to /u/{token}
// is a no, whatever its body says, and has happened when it is answered
// (RFC 8058). There are no cookies, no login and no script; the pages are
// html/template in the reader's language (a file for each in words/). A token
// that is not ours is answered like a page that does not exist.
package recipient
