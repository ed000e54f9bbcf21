// Package feedback takes in what the world answers about our mails, by
// whatever door it comes: the answers of the dialogue itself, delivery reports
// and complaints by mail (SMTP, LMTP, IMAP, the API), mails to the address of
// List-Unsubscribe, and the webhooks of providers.
//
//  1. Each becomes a [Sighting]: what is said, and the signs by which we may
//     know the mail again (package parse reads mails, package provider webhooks).
//  2. The mail is found by a sign that carries our signature, never by
//     guessing (find.go). What carries none is kept for a person to look at,
//     and counts nothing.
//  3. One transaction writes the [Event], once for each delivery and kind, and
//     what follows of it (policy.go): an address that is gone is suppressed at
//     once; a full mailbox when it has been so for weeks; a complaint ends all
//     mail; what is about us is never held against the person. The rates of
//     package throttle and the journal are written with it.
//
// A report about a finished campaign counts as any other: it is an event on the
// delivery, whose own status it does not change. A delivery in doubt that comes
// back was sent after all, and is not sent again.
package feedback
