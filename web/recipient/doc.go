// Package recipient is the door for those who get the mails:
//
//	/subscribe/{list}  the sign-up form, which other sites may embed
//	/c/{token}         the yes of a double opt-in
//	/u/{token}         the way out
//	/p, /p/{token}     choices and data, by a fresh link sent by mail
//	/w/{token}         the web version of a mail
//
// GET and HEAD never change anything: they show a page. A POST to /u/{token}
// is a no, whatever its body says, unless one of the page's own buttons asks
// for something else, and has happened when it is answered (RFC 8058). There
// are no cookies, no login and no script; the pages are html/template in the
// reader's language (a file for each in words/). A token that is not ours is
// answered like a page that does not exist.
package recipient
