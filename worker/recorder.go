package worker

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"facteur/campaign"
	"facteur/feedback"
	"facteur/internal/database"
	"facteur/internal/panics"
	"facteur/sending"
	"facteur/sending/smtp"
	"facteur/subscribers"
	"facteur/throttle"
)

// Recorder is the one writer of what is sent: it gathers the turns of all
// connections into commits that settle what was answered and begin what comes
// next. A connection has at most one turn waiting.
type Recorder struct {
	db        *database.DB
	process   *database.Process
	campaigns *campaign.Store
	people    *subscribers.Store
	senders   *sending.Store
	pace      *throttle.Store
	feedback  *feedback.Processor
	patience  campaign.Patience
	log       *slog.Logger
	metrics   *metrics
	mishaps   *panics.Log
	repace    func()
	slowed    bool // a lane, by the present commit
	turns     chan *turn
	spare     sync.Pool // of *turn: there is one for each message
	refusals  refusals
	failing   atomic.Int64    // since when the database takes nothing, Unix milliseconds; 0: it does
	limit     time.Duration   // of a commit
	known     *terms          // as last read; nil: not known
	aside     []*turn         // that could not be written, for a reason nobody knows
	lasting   context.Context // ends: the process must end, whatever is not written
	abandon   context.CancelFunc
	stop      chan struct{}
	stopped   chan struct{}

	// Kept from commit to commit.
	settled  []campaign.Settled
	answered []sending.SettledLetter
	sent     []*delivery // those of settled
	refused  []feedback.Answer
	events   []feedback.Event
	rates    throttle.RateTally
	waiting  []*turn
	letters  []*turn
	attempts []campaign.Attempt
	asks     []subscribers.Ask
}

// turn is one connection's waiting turn.
type turn struct {
	line     *line
	ended    []smtp.Ended
	next     smtp.Mail
	outcomes []sending.Outcome
	trouble  sending.Trouble
	rest     bool // the line must rest
	recover  bool // the line has recovered
	ok       bool // next has begun
	why      why  // or why not
	at       time.Time
	done     chan struct{}
}

// dropNext lets the connection take its open envelope back.
func (t *turn) dropNext() {
	switch m := t.next.(type) { // a skip that was not committed is none
	case *delivery:
		m.ended = false
		m.batch.refused.Store(true)
	case *letterMail:
		m.skipped = false
	}
	t.next, t.ok = nil, false
}

// unsure notes that what has ended is not written: its batches must look.
func (t *turn) unsure() {
	for _, e := range t.ended {
		switch m := e.Mail.(type) {
		case *delivery:
			m.batch.unsure.Store(true)
		case *letterMail:
			m.unsure = true
		}
	}
}

// turn is a connection's [smtp.Turn].
func (r *Recorder) turn(l *line, ended []smtp.Ended, next smtp.Mail) bool {
	t, _ := r.spare.Get().(*turn)
	if t == nil {
		t = &turn{done: make(chan struct{}, 1)}
	}
	t.line, t.ended, t.next, t.at = l, ended, next, time.Now()
	r.turns <- t
	<-t.done
	ok := t.ok
	*t = turn{done: t.done, outcomes: t.outcomes[:0]}
	r.spare.Put(t)
	for _, e := range ended {
		switch m := e.Mail.(type) {
		case *delivery:
			m.batch.end(m)
		case *letterMail:
			m.end()
		}
	}
	return ok
}

// gather lets every connection join that has an answer to bring: a commit
// costs the same for one and for all of them.
func (r *Recorder) gather(group []*turn) []*turn {
	for before := 0; before < len(group); {
		before = len(group)
		runtime.Gosched()
		for more := true; more; {
			select {
			case t := <-r.turns:
				group = append(group, t)
			default:
				more = false
			}
		}
	}
	return group
}

// judge reads the answers: once, as a line's streak has a memory. An answer
// at whose reading the program fails is one that was lost.
func (r *Recorder) judge(group []*turn) {
	for _, t := range group {
		for _, e := range t.ended {
			o := sending.Judge(smtp.Result{Stage: smtp.Body, Err: smtp.ErrLost})
			if !e.Begun {
				o.Verdict = sending.Deferred
			}
			r.mishaps.Note("answer", panics.Do(func() error { o = r.judged(t, e); return nil }))
			t.outcomes = append(t.outcomes, o)
		}
	}
}

// judged reads one answer.
func (r *Recorder) judged(t *turn, e smtp.Ended) sending.Outcome {
	o := sending.Judge(e.Result)
	if t.line.pool.Down() && o.Verdict != sending.Sent {
		return o // of the outage that it rests for
	}
	if trouble, rest := t.line.streak.See(o, t.line.pool.Probing()); rest {
		_, to, _ := e.Mail.Envelope()
		trouble.Reason = sending.Anonymous(trouble.Reason, to) // the relay may name the person
		t.trouble, t.rest = trouble, true
		t.line.suspect.Store(true)
		t.line.restless.Store(true)
		t.line.pool.Rest()
		r.log.Warn("relay rests", "relay", t.line.relay.ID, "reason", trouble.Reason)
	} else if o.Verdict == sending.Sent && t.line.suspect.CompareAndSwap(true, false) {
		t.recover = true
		r.log.Info("relay recovered", "relay", t.line.relay.ID)
	}
	return o
}

// settle writes all answers of the group, the rests they call for, and what
// follows from them.
func (r *Recorder) settle(ctx context.Context, tx *database.Tx, group []*turn, tally campaign.Tally) error {
	swallowing, err := r.rest(ctx, tx, group)
	if err != nil {
		return err
	}
	if err := r.answers(ctx, tx, group, tally); err != nil {
		return err
	}
	if err := r.returned(ctx, tx, r.db.Now()); err != nil {
		return err
	}
	if err := r.react(ctx, tx); err != nil {
		return err
	}
	for _, id := range swallowing {
		if err := r.campaigns.HoldDoubts(ctx, tx, id); err != nil {
			return err
		}
		if err := r.senders.HoldLetterDoubts(ctx, tx, id); err != nil {
			return err
		}
	}
	return nil
}

// rest writes which relays rest and which have recovered, and returns those
// that swallow.
func (r *Recorder) rest(ctx context.Context, tx *database.Tx, group []*turn) (swallowing []int64, err error) {
	for _, t := range group {
		if t.rest {
			if _, err := r.senders.Rest(ctx, tx, t.line.relay.ID, t.trouble); err != nil {
				return nil, err
			}
			if t.trouble.Hold {
				swallowing = append(swallowing, t.line.relay.ID)
			}
		}
		if t.recover {
			if err := r.senders.Recovered(ctx, tx, t.line.relay.ID); err != nil {
				return nil, err
			}
		}
	}
	return swallowing, nil
}

// answers writes what became of the group's messages.
func (r *Recorder) answers(ctx context.Context, tx *database.Tx, group []*turn, tally campaign.Tally) error {
	settled, answered := r.settled[:0], r.answered[:0]
	r.sent, r.refused = r.sent[:0], r.refused[:0]
	now := r.db.Now()
	for _, t := range group {
		rested, err := r.rested(ctx, tx, t, now)
		if err != nil {
			return err
		}
		for i, e := range t.ended {
			switch m := e.Mail.(type) {
			case *delivery:
				settled = append(settled, m.settled(e.Begun, t.outcomes[i], r.patience, now, rested))
				r.sent = append(r.sent, m)
			case *letterMail:
				answered = append(answered, m.settled(e.Begun, t.outcomes[i], r.patience, now, rested))
				answered[len(answered)-1].RelayID = t.line.relay.ID
			}
		}
	}
	r.settled, r.answered = settled, answered
	if err := r.settleLetters(ctx, tx); err != nil {
		return err
	}
	return r.campaigns.Settle(ctx, tx, settled, tally)
}

// returned writes what the settled answers say about the people: law 7.
func (r *Recorder) returned(ctx context.Context, tx *database.Tx, now time.Time) (err error) {
	r.rates = throttle.RateTally{}
	hour := throttle.Hour(now)
	for i := range r.settled {
		v, d := &r.settled[i], r.sent[i]
		switch c := v.Outcome.Class; {
		case !v.Written:
		case v.Status == campaign.Accepted:
			r.rates.Add(throttle.Rated{CampaignID: v.CampaignID, Lane: d.batch.Lane, Hour: hour}, throttle.Outcomes{Accepted: 1})
		case v.Status == campaign.Deferred && v.Outcome.Code != 0:
			r.rates.Add(throttle.Rated{CampaignID: v.CampaignID, Lane: d.batch.Lane, Hour: hour}, throttle.Outcomes{Deferred: 1})
		case v.Status == campaign.Failed && (c.Hard() || c == sending.MailboxFull || c == sending.Temporary):
			r.refused = append(r.refused, feedback.Answer{Delivery: d.row, SubscriberID: v.SubscriberID, RelayID: v.RelayID, Email: d.person.Email, Outcome: v.Outcome})
		}
	}
	r.events, err = r.feedback.Answered(ctx, tx, r.refused, r.rates)
	return err
}

// react lets lanes slow down that were told to.
func (r *Recorder) react(ctx context.Context, tx *database.Tx) error {
	var replies map[int64][]throttle.Reply
	for i := range r.settled {
		v := &r.settled[i]
		o := v.Outcome
		if !v.Written || !o.OfLane() {
			continue
		}
		if replies == nil {
			replies = map[int64][]throttle.Reply{}
		}
		lane := r.sent[i].batch.Lane
		replies[lane] = append(replies[lane], throttle.Reply{Class: string(o.Class), Code: o.Code, Enhanced: o.Enhanced, Text: o.Text})
	}
	for _, lane := range slices.Sorted(maps.Keys(replies)) { // one order for all
		changed, err := r.pace.React(ctx, tx, lane, replies[lane])
		if err != nil {
			return err
		}
		if changed {
			r.slowed = true
			r.log.Warn("a lane is slowed down", "lane", lane, "answer", replies[lane][0].String())
		}
	}
	return nil
}

// rested is how long the line's relay has rested so far, which the clock of
// the retries does not count; it is read only when something is deferred.
func (r *Recorder) rested(ctx context.Context, tx *database.Tx, t *turn, now time.Time) (int64, error) {
	for _, o := range t.outcomes {
		if o.Verdict == sending.Deferred {
			relay, err := r.senders.With(tx).Relay(ctx, t.line.relay.ID)
			if errors.Is(err, database.ErrNotFound) { // removed since: it rests no more
				return 0, nil
			}
			return relay.Rested(now.UnixMilli()), err
		}
	}
	return 0, nil
}

// begin asks every guard and begins those whom all let pass.
func (r *Recorder) begin(ctx context.Context, tx *database.Tx, group []*turn, tally campaign.Tally) error {
	waiting, letters := r.waiting[:0], r.letters[:0]
	for _, t := range group {
		t.ok, t.why = false, why{}
		switch m := t.next.(type) {
		case *delivery:
			m.ended = false
			waiting = append(waiting, t)
		case *letterMail:
			m.skipped = false
			letters = append(letters, t)
		}
	}
	r.waiting, r.letters = waiting, letters
	if len(waiting)+len(letters) == 0 || !r.process.Alive() {
		return nil
	}
	t, err := r.terms(ctx, tx)
	if err != nil {
		return err
	}
	if waiting, err = r.allowed(ctx, tx, waiting); err != nil {
		return err
	}
	waiting = unheld(waiting, t.brakes)
	if waiting, err = r.lastGate(ctx, tx, waiting, tally); err != nil {
		return err
	}
	if letters, err = r.lettersAllowed(ctx, tx, letters, t.brakes); err != nil || len(waiting)+len(letters) == 0 {
		return err
	}
	caps, err := r.claim(ctx, tx, letters, waiting, t)
	if err != nil {
		return err
	}
	if err := r.beginLetters(ctx, tx, letters, caps); err != nil {
		return err
	}
	kept := waiting[:0]
	for _, t := range waiting {
		if caps.pass(t, t.next.(*delivery)) {
			kept = append(kept, t)
		}
	}
	if err := r.beginDeliveries(ctx, tx, kept, tally, caps); err != nil {
		return err
	}
	return caps.count(ctx, tx, r.pace)
}

// beginDeliveries marks the attempts of those whom all guards let pass.
func (r *Recorder) beginDeliveries(ctx context.Context, tx *database.Tx, waiting []*turn, tally campaign.Tally, caps *claims) error {
	if len(waiting) == 0 {
		return nil
	}
	r.attempts = r.attempts[:0]
	for _, t := range waiting {
		r.attempts = append(r.attempts, t.next.(*delivery).attempt())
	}
	begun, err := r.campaigns.Begin(ctx, tx, r.attempts, tally)
	if err != nil {
		return err
	}
	for i, t := range waiting {
		if t.ok = begun[i]; t.ok {
			caps.begun(t.next.(*delivery))
		}
	}
	return nil
}

// allowed keeps the turns whose execution may begin messages.
func (r *Recorder) allowed(ctx context.Context, tx *database.Tx, waiting []*turn) ([]*turn, error) {
	if len(waiting) == 0 {
		return nil, nil
	}
	at := map[*batch]int{}
	var executions []campaign.Batch
	for _, t := range waiting {
		b := t.next.(*delivery).batch
		if _, ok := at[b]; !ok {
			at[b] = len(executions)
			executions = append(executions, b.Batch)
		}
	}
	permissions, err := r.campaigns.Allowed(ctx, tx, executions)
	if err != nil {
		return nil, err
	}
	kept := waiting[:0]
	for _, t := range waiting {
		switch permissions[at[t.next.(*delivery).batch]] {
		case campaign.Granted:
			kept = append(kept, t)
		case campaign.Withheld:
			t.why.reread = true
		case campaign.Lost:
			t.why.lost = true
		}
	}
	return kept, nil
}

// unheld keeps the turns whose lane and domain no breaker holds.
func unheld(waiting []*turn, brakes throttle.Brakes) []*turn {
	if len(brakes) == 0 {
		return waiting
	}
	kept := waiting[:0]
	for _, t := range waiting {
		if t.why.reread = brakes.Held(t.next.(*delivery).batch.lane) != ""; !t.why.reread {
			kept = append(kept, t)
		}
	}
	return kept
}

// lastGate keeps the turns whose person may be mailed, and skips the others for good.
func (r *Recorder) lastGate(ctx context.Context, tx *database.Tx, waiting []*turn, tally campaign.Tally) ([]*turn, error) {
	if len(waiting) == 0 {
		return nil, nil
	}
	r.asks = r.asks[:0]
	for _, t := range waiting {
		r.asks = append(r.asks, t.next.(*delivery).ask())
	}
	answers, err := r.people.Mailable(ctx, tx, r.asks)
	if err != nil {
		return nil, err
	}
	if err := r.campaigns.TooSoon(ctx, tx, func(i int) int64 { return waiting[i].next.(*delivery).row.CampaignID }, r.asks, answers); err != nil {
		return nil, err
	}
	kept := waiting[:0]
	var refused []campaign.Attempt
	var reasons []string
	for i, t := range waiting {
		d := t.next.(*delivery)
		if answers[i] == subscribers.Mailable {
			kept = append(kept, t)
			continue
		}
		d.ended, t.why.person = true, true
		refused = append(refused, d.attempt())
		reasons = append(reasons, answers[i])
	}
	return kept, r.campaigns.Skip(ctx, tx, refused, reasons, tally)
}

// left asks the gate about somebody who lately said some no, and skips the
// delivery when it was this one.
func (r *Recorder) left(d *delivery) bool { return len(r.willing([]*delivery{d})) == 0 }

// willing asks the gate about deliveries whose envelopes are not open yet,
// skips those whom it refuses, and returns the others: all of them after an
// error, as the begin asks again.
func (r *Recorder) willing(list []*delivery) []*delivery {
	ctx, asked := context.Background(), time.Now().UnixNano()
	var answers []string
	err := r.db.Write(ctx, func(tx *database.Tx) error {
		if err := tx.Gate(ctx, false); err != nil {
			return err
		}
		asks := make([]subscribers.Ask, len(list))
		for i, d := range list {
			asks[i] = d.ask()
		}
		var err error
		if answers, err = r.people.Mailable(ctx, tx, asks); err != nil {
			return err
		}
		if err := r.campaigns.TooSoon(ctx, tx, func(i int) int64 { return list[i].row.CampaignID }, asks, answers); err != nil {
			return err
		}
		var refused []campaign.Attempt
		var reasons []string
		for i, d := range list {
			if answers[i] != subscribers.Mailable {
				refused, reasons = append(refused, d.attempt()), append(reasons, answers[i])
			}
		}
		tally := campaign.Tally{}
		if err := r.campaigns.Skip(ctx, tx, refused, reasons, tally); err != nil {
			return err
		}
		return r.campaigns.Count(ctx, tx, tally)
	})
	if err != nil {
		return list
	}
	kept := list[:0:0]
	for i, d := range list {
		if answers[i] == subscribers.Mailable {
			d.asked = asked
			kept = append(kept, d)
		} else {
			r.metrics.skipped.WithLabelValues(d.batch.lane.Provider).Inc()
		}
	}
	return kept
}
