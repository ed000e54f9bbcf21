// Package dkim signs ready messages (RFC 6376), with RSA-2048 and with Ed25519
// (RFC 8463) beside it: who cannot check the new one checks the old.
//
// A message is signed once it is joined, as the bytes that go to DATA: one pass
// over the body for its hash, one over the headers. Both are taken in their
// relaxed form, which survives relays that fold headers anew or trim lines. A
// [Signer] holds the keys of one domain; many goroutines may use it at once.
package dkim
