// Package worker sends what is released: asynq carries the ids of batches and
// letters, the database decides.
//
//  1. [Queue] enqueues "campaign:batch" and "letter" tasks; Redis may lose
//     them or deliver them twice.
//  2. A batch is taken by one execution, its people are loaded and the
//     permits asked for (batch.go).
//  3. The relays' connections compose and speak (package sending/smtp); each
//     turn of a dialogue goes through the [Recorder].
//  4. The Recorder gathers the turns of all connections into commits:
//     settle what was answered, begin what comes next. Only what a commit
//     has begun is written to the wire.
//  5. What is left of the batch goes back.
package worker
