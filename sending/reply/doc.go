// Package reply says what a refusal is about, by its SMTP code, its enhanced
// code (RFC 3463) and its words. It is the one place that does: the answers of
// a dialogue and the reports that come back by mail are read alike.
//
// Words come first, since servers use codes loosely: 5.7.1 has been seen with
// dead addresses, full mailboxes and bad reputations. rules.txt has them, each
// with its source and a line that it must class; order is theirs.
package reply
