// Package database is the only place that knows two SQL engines exist.
//
// A [DB] is SQLite (one process) or PostgreSQL (any number). Both speak the
// portable subset described in docs/architecture.md: parameters are written
// as "?" and rebound, times are Unix milliseconds, and nothing is NULL.
//
// Who is authoritative: the database decides, always. A change is a function
// handed to [DB.Write], and has happened when Write returns nil. On SQLite a
// single writer gathers all waiting functions into one durable commit, each
// behind its own savepoint; on PostgreSQL each function is a transaction.
//
// A running process is a row of nodes, held by [Join]: it lends the process
// the node number inside its ids, for a span of time that each heartbeat
// extends, and its lease tells the others that it may still be sending. Whoever
// comes takes the number of a process that has ended; the old one's session
// stays until its work is handed on. [Lease] elects one leader and fences its transactions.
package database
