// Package inspect looks at one composed message as a recipient would get it,
// and says what a filter, a provider's rules or the recipient would mind. It is
// pure: no clock, no files, no network.
//
// [Message] takes the bytes that go to DATA. What it knows beside them is in
// [Context]; the sender is read from the message itself. Each kind of finding
// has a code that never changes its meaning, at most one finding a message, and
// a section in docs/preflight.md. [Codes] lists them.
//
// The steps: the raw lines and headers are checked (wellformed.go), the parts
// are taken apart (mime.go), the HTML is parsed once and each piece of its text
// is known to be seen or not (page.go, css.go, look.go); then one file for each
// subject asks its questions. What honest mail does all the time is no finding:
// where a check must guess, it keeps quiet.
//
// [Spamd] asks a SpamAssassin daemon for its opinion, the only thing here that
// talks to anybody.
package inspect
