// Package inbound is how mail comes home: a listener for SMTP and LMTP, and a
// poller of IMAP mailboxes.
//
// A mail is answered for, or flagged, only once what it causes is durable: a
// process that dies in between gets it again, and the same mail twice counts
// once. The listener takes mail for addresses that we have signed and for no
// others, and passes nothing on. What anybody can send is bounded: connections,
// those of one network, the bytes held in memory, the time that a dialogue may
// last.
package inbound
