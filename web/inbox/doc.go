// Package inbox shows what the sandbox has taken as a mailbox in a browser: a
// list, each mail as its reader sees it, its text and its source. Two buttons
// do what a recipient's mail program and its provider do:
//
//	Leave        one POST to the List-Unsubscribe link (RFC 8058), without cookies or redirects
//	Report spam  a feedback report about the mail (RFC 5965), as a provider would send it
//
// It asks for no password: serve it on loopback only. What a mail holds can
// neither run nor fetch anything here.
package inbox
