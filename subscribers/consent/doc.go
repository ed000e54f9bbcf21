// Package consent is the ledger of what each person said about each list, and
// how we know.
//
// Rows are only ever added; the database refuses anything else. A row says who
// by a number and two salted commitments, never by an address:
//
//	person    SHA-256 of the person's salt and address key
//	evidence  SHA-256 of a salt and the details: network address, user agent, …
//
// When a person is erased, their salt and the details go; the row stays, says
// nothing about anybody any more, and the chain still verifies.
//
// A row joins the chain a moment after its transaction: [Record] leaves word of
// it in a table of its own, and the leader gathers such rows into a pack,
// builds a Merkle tree over them (RFC 6962), and adds a seal that names the
// seal before and is signed with Ed25519 ([Sealer]). So nobody waits for the
// chain's head. Changing a row breaks its hash, which the seal keeps the start
// of; a chain computed anew lacks the signature ([Check]). One person's rows
// can be shown, with their paths in the tree, to somebody who has no database
// ([Proof]).
package consent
