// Package subscribers holds the people who are mailed: who they are, which
// lists they said yes to, and who must never be mailed again.
//
// A [Subscription] joins a person and a list:
//
//	pending ──confirm──▶ confirmed ──leave──▶ unsubscribed
//
// Only confirmed people are mailed, and never one whose address key is
// suppressed. Every yes and no adds a row to the consent ledger (child
// consent) in the same transaction. A no is ordered against the begin of
// messages by [database.Tx.Gate]: once it has committed, nothing begins for
// that person; see [Store.Mailable].
//
// An address never changes: a new one is a new person who confirms anew.
package subscribers
