// Package unsubscribe is the way out: the headers that mailbox providers show
// as a button (RFC 2369, RFC 8058), the signed link in every mail, and what
// happens when somebody says no. The signed links of the other pages are made
// here as well.
//
// A no takes effect in the request that says it: one transaction, durable
// before the answer, never through a queue.
package unsubscribe
