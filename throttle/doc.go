// Package throttle sets the pace. A [Lane] is a sending domain and a mailbox
// provider; a [Limit] holds over all workers together.
//
// Seconds and minutes are kept in Redis by one atomic script ([Limiter]): it
// hands out permits by the handful, evenly spaced, each with a time before
// which and after which it is void. Hours and days are counted in the
// database, in the transaction that begins a message, and asked before a
// batch is released ([Store.Room]).
package throttle
