// Package smtp hands messages to one relay over a pool of connections.
//
// go-mail dials, secures and logs in; from there on the dialogue is ours, one
// recipient a transaction, pipelined to one round trip a message (RFC 2920):
// the envelope of the next message travels behind the body of the last one.
//
//	take ─▶ MAIL RCPT DATA ─▶ 250 250 354 ─▶ Turn: begin ─▶ body . [next MAIL RCPT DATA]
//	                                ▲                                │
//	                                └── Turn: settle, begin next ◀── 250 250 250 354
//
// The point of no return is the first byte of the body: a server must drop a
// transaction whose connection ends before the final dot (RFC 5321 section
// 4.1.1.10). So nothing of a body is written before [Turn] has made its begin
// durable, and at most one message a connection has begun and is not settled.
// When Turn refuses a message whose DATA was answered 354, the connection is
// closed raw: never a dot, a QUIT or a RSET.
package smtp
