// Package sandbox is an SMTP server that plays mailbox providers: for the demo, tests, drills and benchmarks.
// It takes mail, counts it and throws it away; it never passes anything on.
//
// How it behaves is chosen by the recipient's address (Words: unknown@…, full@…, swallow17@…), by rules that
// pick a share of the recipients (Rule), or for all alike (Options: latency, round trip, limits, login, TLS).
// A word or rule is a row of one table, not code of its own: when it strikes, what it answers, whether the
// message counts, whether the connection ends.
//
// What it counts is the authority in a drill: a delivery is one (recipient, Message-ID) pair, with the number of
// times it came. A message counts at the moment its final dot has been read, before any wait and before the answer,
// because from there on a real server may have taken it. A connection that ends before the final dot leaves
// nothing behind (RFC 5321 section 4.1.1.10); it is counted as dropped.
//
// One connection is one goroutine:
//
//  1. read a line; a read that has to wait sends all gathered replies first, so a pipelined group is answered in
//     one write and pays the round trip once (RFC 2920 section 3.2)
//  2. MAIL opens a transaction, RCPT asks the words and rules, DATA answers 354
//  3. the body is taken in whole windows of the read buffer; only its header is looked at, unless messages are kept
//  4. count, wait, answer; back to 1
//
// Spoken: RFC 5321 with PIPELINING (2920), 8BITMIME (6152), SMTPUTF8 (6531), SIZE (1870), ENHANCEDSTATUSCODES (2034),
// STARTTLS (3207) and AUTH PLAIN and LOGIN (4954). It is strict where leniency would hide a sender's fault: lines
// end in CRLF, only CRLF . CRLF ends a message, addresses stand in brackets without a space before them.
package sandbox
