// Package doctor examines a sending domain from outside, as the servers that
// get its mail do: SPF, DKIM, DMARC, exchangers, reverse names, block lists, the
// TLS of the relays. It asks DNS and connects to relays, and changes nothing.
//
// What is not learned in time is said to be unknown and never to be missing: a
// lame server must not look like a deleted record.
package doctor
