// Package campaign is the life of a mailing: its content and audience, the
// plan, the batches, each delivery's state, and the counts that balance.
//
// The database decides: a row of deliveries is the only truth about whether a
// person was mailed, and the queue may be emptied at any moment. In order:
//
//  1. [Store.Launch] freezes a [Version] of the content.
//  2. The [Scheduler] (one leader, fenced) plans page by page: one delivery
//     for each campaign and person.
//  3. While it plans it releases: it cuts a [Batch] from the ready rows and
//     hands its id to the [Queue].
//  4. A worker takes the batch ([Store.Take]); only that execution may begin
//     its messages. [Store.Begin] is the only door to sending.
//  5. [Store.Settle] writes what became of an attempt. It is keyed by
//     campaign, person and attempt, and accepted from whoever knows.
//  6. What is left of a batch goes back ([Store.Finish]); what a dead process
//     left is picked up by the scheduler ([Store.Recover]).
//
// A delivery:
//
//	queued ─▶ sending ─▶ sent
//	   ▲         ├─────▶ failed
//	   │         ├─────▶ deferred ──time──▶ queued
//	   │         └─────▶ uncertain ──once──▶ queued
//	   └─(resend-failed)   queued, deferred ──▶ skipped (left, suppressed, cancelled)
package campaign
