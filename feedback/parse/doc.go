// Package parse reads the mails that come back: delivery reports (RFC 3464),
// complaints (RFC 5965), automatic answers (RFC 3834), and the free texts by
// which many servers still say that they could not deliver.
//
//  1. The mail is taken apart (mail.go): headers, the text for people, the
//     report for machines, what is left of the original.
//  2. Its kind is told (kind.go). A report for machines is believed first.
//  3. Recipients and what was said about each are found (report.go, text.go).
//  4. What was said is classed by package sending/reply, as are the answers of
//     a dialogue.
//
// It is pure: it knows no database, and never fails on what it is given; what
// it cannot read is of the kind none.
package parse
