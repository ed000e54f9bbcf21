// Package sending is as whom and by which way mail leaves: domains, senders
// and relays, what a relay's answer means, and the one-off mails.
//
// [Judge] turns an answer of the dialogue (child smtp) into an [Outcome]: a
// value, not an error. What is about the person or the content fails the
// delivery; what is about us defers it and rests the relay, whose [Health]
// says for how long:
//
//	ok ──refused, silent──▶ resting ──time──▶ ok      ten refusals in a row ──▶ stopped (a person resumes it)
//
// Letters are mails to one person that are not part of a campaign's run: tests,
// questions for a yes, fresh links. They go through the same states and recorder.
package sending
