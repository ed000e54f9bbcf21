// Package subscribers holds the people who are mailed: who they are, which
// lists they said yes to, and who must never be mailed again.
//
// A [Subscription] joins a person and a list:
//
//	                     ┌───────── undo, within the hour ─────────┐
//	                     ▼                                         │
//	pending ──confirm──▶ confirmed ──leave──▶ unsubscribed ────────┤
//	   ▲                                                           │
//	   └──────────────────── signs up again ───────────────────────┘
//
// A sign-up that nobody confirms in 30 days is forgotten; who had left before
// is unsubscribed again.
//
// A form is written down ([Greeter.Accept]) and looked at a moment later
// ([Store.SignUp]); only a POST from the page that the mail leads to confirms
// ([Store.Confirm]). A [Leaving] is a no with what was said about it.
//
// Only confirmed people are mailed, and never one whose address key is
// suppressed. Every yes and no adds a row to the consent ledger (child
// consent) in the same transaction. A no is ordered against the begin of
// messages by [database.Tx.Gate]: once it has committed, nothing begins for
// that person; see [Store.Mailable].
//
// An address never changes: a new one is a new person who confirms anew.
package subscribers
