package campaign

import (
	"math/rand/v2"
	"time"

	"facteur/internal/database"
	"facteur/sending"
)

// Patience is how long refused mail is tried again.
type Patience struct {
	First  time.Duration // before the second attempt; doubles from there, jittered
	Most   time.Duration // between two attempts
	GiveUp time.Duration // after the first deferral; the clock stops while the relay rests
	// FinalDot is how long a relay may think about a body (RFC 5321 section
	// 4.5.3.2.6): as long, a silent process may still learn its answer.
	FinalDot time.Duration
	// Watch tells whether the clock may be trusted: while it may be wrong
	// nobody is given up. nil: it is.
	Watch *database.Watch
}

// DefaultPatience is as the manual says: 5 min to 4 h, 48 h in all.
func DefaultPatience() Patience {
	return Patience{First: 5 * time.Minute, Most: 4 * time.Hour, GiveUp: 48 * time.Hour, FinalDot: 10 * time.Minute}
}

// Settle turns an outcome into what the delivery does next. rested is the
// relay's time at rest so far (milliseconds): deferred_at is kept less that,
// so the difference of two readings is the time the relay was awake.
func (p Patience) Settle(d Delivery, o sending.Outcome, onUncertain string, now time.Time, rested int64) Next {
	ms := now.UnixMilli()
	switch o.Verdict {
	case sending.Sent:
		return Next{Status: Accepted, DeferredAt: d.DeferredAt}
	case sending.Failed:
		return Next{Status: Failed, DeferredAt: d.DeferredAt, Reason: string(o.Class)}
	case sending.Doubted:
		n := doubtOf(d, onUncertain, ms+doubtPause.Milliseconds()).Next
		n.Reason = string(o.Class)
		return n
	}
	if o.Fault && d.Attempts+1 >= panicsMost {
		return Next{Status: Failed, DeferredAt: d.DeferredAt, Reason: "fault"}
	}
	since := d.DeferredAt
	if since == 0 || since > ms-rested { // a clock that was ahead has deferred it first
		since = ms - rested
	}
	if ms-rested-since > p.GiveUp.Milliseconds() && p.Watch.Steady() == nil {
		return Next{Status: Failed, DeferredAt: since, Reason: "expired"}
	}
	return Next{Status: Deferred, wait: waitTime, NotBefore: ms + p.wait(d.Attempts).Milliseconds(), DeferredAt: since, Reason: string(o.Class)}
}

// doubtPause is the least wait before a doubt is sent again: long enough for
// its relay to be found doubtful, see [sending.Streak].
const doubtPause = sending.DoubtPause

// wait is the time before the next attempt, after some attempts: doubling, less up to a quarter by chance.
func (p Patience) wait(attempts int) time.Duration {
	d := p.Most
	if attempts < 16 {
		d = min(p.Most, p.First<<attempts)
	}
	return d - time.Duration(rand.Int64N(int64(d)/4+1))
}

// doubtOf is a delivery whose answer was lost. The first doubt is sent again
// once, from the given time on; a second waits for a person, whatever the
// campaign says.
func doubtOf(d Delivery, onUncertain string, at int64) Settled {
	n := Next{Status: Uncertain, wait: waitTime, NotBefore: at, DeferredAt: d.DeferredAt, Reason: "answer lost"}
	if onUncertain == "hold" || d.Doubts >= 1 {
		n.wait, n.NotBefore = waitPerson, 0
	}
	return Settled{
		CampaignID: d.CampaignID, SubscriberID: d.SubscriberID, BatchID: d.BatchID, Attempt: d.Attempts, Doubts: d.Doubts, RelayID: d.RelayID,
		Outcome: sending.Outcome{Verdict: sending.Doubted, Class: sending.RelayFault, Text: "the process ended before the answer came"}, Next: n,
	}
}

// unsentOf is a begun delivery of which not a byte left: it is tried again at once.
func unsentOf(d Delivery, now int64) Settled {
	return Settled{
		CampaignID: d.CampaignID, SubscriberID: d.SubscriberID, BatchID: d.BatchID, Attempt: d.Attempts, Doubts: d.Doubts, RelayID: d.RelayID,
		Outcome: sending.Outcome{Verdict: sending.Deferred, Class: sending.Temporary, Text: "nothing was sent"},
		Next:    Next{Status: Deferred, wait: waitTime, NotBefore: now, DeferredAt: d.DeferredAt, Reason: "nothing was sent"},
	}
}
