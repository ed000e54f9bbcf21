// Package web is the doors to the outside over HTTP: the operators' calls
// (child api), the recipients' pages (child recipient), and what is for whoever
// runs the process: /healthz, /readyz and /metrics.
//
// Here is what all of them share: each call gets an id (X-Request-Id) and one
// line in the log, without tokens and addresses; a panic is a 500 and not the
// end; nobody can hold a connection by being slow. The doors share no state,
// so the recipients' pages work whatever happens to the rest.
package web
