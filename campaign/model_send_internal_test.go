package campaign

import (
	"fmt"
	"io"
	"slices"
	"time"

	"facteur/internal/database"
	"facteur/sending"
	"facteur/sending/smtp"
	"facteur/subscribers"
	"facteur/throttle"

	"pgregory.net/rapid"
)

func (w *world) tick() *act {
	return &act{run: func() error {
		_, err := w.scheduler.Tick(w.ctx, true)
		return err
	}}
}

// take executes a batch that the queue offers; it may offer one many times.
func (w *world) take() *act {
	if len(w.queue.ids) == 0 {
		return nil
	}
	id := pick(w, w.queue.ids[max(0, len(w.queue.ids)-2):], "batch")
	return &act{run: func() error { _, err := w.taken(id); return err }}
}

func (w *world) taken(id int64) (*execution, error) {
	w.session++
	b, ok, err := w.store.Take(w.ctx, id, w.session, w.db.NewID())
	if err != nil || !ok {
		return nil, err
	}
	rows, err := w.store.Load(w.ctx, b)
	e := &execution{Batch: b, rows: rows, under: map[int64]*attempt{}}
	w.executions = append(w.executions, e)
	return e, err
}

// work is a round as it mostly goes: the scheduler's, and a batch of it begun and
// answered, but for what stays open.
func (w *world) work() *act {
	w.do(w.tick())
	w.do(w.take())
	if len(w.executions) == 0 {
		return nil
	}
	e := w.executions[len(w.executions)-1]
	for _, d := range e.rows {
		if e.under[d.SubscriberID] != nil {
			continue
		}
		w.do(&w.beginningOf(e, d).act)
		if a := e.under[d.SubscriberID]; a != nil && rapid.Bool().Draw(w.T, "at once") {
			w.do(w.settling(a, w.anAnswer()))
		}
	}
	return w.advance()
}

func (w *world) anAnswer() smtp.Result {
	return pick(w, []smtp.Result{
		{Stage: smtp.Body, Code: 250},
		{Stage: smtp.Body, Code: 451, Enhanced: "4.7.1"},
		{Stage: smtp.Body, Code: 550, Enhanced: "5.1.1"},
		{Stage: smtp.Body, Err: io.EOF},
	}, "answer")
}

func (w *world) some() *execution {
	if len(w.executions) == 0 {
		return nil
	}
	if w.focus != nil {
		return w.focus.by
	}
	return pick(w, w.executions, "execution")
}

func (w *world) person(id int64) *person {
	return w.people[slices.IndexFunc(w.people, func(p *person) bool { return p.ID == id })]
}

// beginning is what the recorder does for one message, by an execution that may
// not know that it was written off.
type beginning struct {
	act
	by      *execution
	who     *person
	between func() // after the questions, before the mark; nil: nothing
}

func (w *world) begin() *act {
	b := w.beginning()
	if b == nil {
		return nil
	}
	return &b.act
}

func (w *world) beginning() *beginning {
	e := w.some()
	if e == nil || len(e.rows) == 0 {
		return nil
	}
	return w.beginningOf(e, pick(w, e.rows, "row"))
}

// likely is one that nothing forbids, as far as the model knows.
func (w *world) likely() *beginning {
	var all []*beginning
	for _, e := range w.executions {
		for _, d := range e.rows {
			if p := w.person(d.SubscriberID); !e.written && e.under[d.SubscriberID] == nil && !p.no && !p.reached {
				all = append(all, w.beginningOf(e, d))
			}
		}
	}
	if len(all) == 0 || w.paused || w.cancelled || w.stopped || w.braked {
		return nil
	}
	return pick(w, all, "likely")
}

func (w *world) beginningOf(e *execution, d Delivery) *beginning {
	b, ok := &beginning{by: e, who: w.person(d.SubscriberID)}, false
	b.run = func() error {
		return w.db.Write(w.ctx, func(tx *database.Tx) (err error) {
			ok, err = w.beginIn(tx, e, d, b.between)
			return err
		})
	}
	b.then = func() {
		if ok {
			w.begun(e, d)
		}
	}
	return b
}

// beginIn asks every guard, as the recorder does, and marks the row.
func (w *world) beginIn(tx *database.Tx, e *execution, d Delivery, between func()) (bool, error) {
	p, tally := w.person(d.SubscriberID), Tally{}
	if err := tx.Gate(w.ctx, false); err != nil {
		return false, err
	}
	allowed, err := w.store.Allowed(w.ctx, tx, []Batch{e.Batch})
	if err != nil || allowed[0] != Granted {
		return false, err
	}
	pace := w.store.pace.With(tx)
	lane, err := pace.Lane(w.ctx, e.Lane)
	if err != nil {
		return false, err
	}
	brakes, err := pace.Brakes(w.ctx)
	if err != nil || brakes.Held(lane) != "" {
		return false, err
	}
	a := Attempt{
		CampaignID: w.campaign, SubscriberID: d.SubscriberID, BatchID: e.ID, Execution: e.Execution, Number: d.Attempts + 1, RelayID: w.relay, Provider: lane.Provider, FirstAt: 1,
	}
	answers, err := w.store.people.Mailable(w.ctx, tx, []subscribers.Ask{{SubscriberID: p.ID, Key: p.Key, Lists: Reached(d.Lists, w.lists[:])}})
	if err != nil {
		return false, err
	}
	if answers[0] != subscribers.Mailable {
		if err := w.store.Skip(w.ctx, tx, []Attempt{a}, answers, tally); err != nil {
			return false, err
		}
		return false, w.store.Count(w.ctx, tx, tally)
	}
	if room, err := w.room(tx, lane); err != nil || room == 0 {
		return false, err
	}
	if between != nil {
		between()
	}
	begun, err := w.store.Begin(w.ctx, tx, []Attempt{a}, tally)
	if err != nil || !begun[0] {
		return false, err
	}
	if err := w.store.pace.CountBegins(w.ctx, tx, map[throttle.Begun]int64{{Lane: e.Lane, CampaignID: w.campaign, RelayID: w.relay}: 1}); err != nil {
		return false, err
	}
	return true, w.store.Count(w.ctx, tx, tally)
}

// room is what the limits an hour let through, in the transaction that begins.
func (w *world) room(tx *database.Tx, lane throttle.Lane) (int64, error) {
	limits, err := w.store.pace.With(tx).Limits(w.ctx)
	if err != nil {
		return 0, err
	}
	counted := map[string]throttle.Gate{}
	for _, g := range limits.Gates(throttle.Passage{Lane: lane, CampaignID: w.campaign, RelayID: w.relay}) {
		if g.Counted() {
			counted[g.Scope] = g
		}
	}
	least := int64(throttle.Unlimited)
	rooms, err := w.store.pace.Rooms(w.ctx, tx, counted)
	for _, n := range rooms {
		least = min(least, n.All)
	}
	return least, err
}

// begun holds a message that has begun against what is known by then.
func (w *world) begun(e *execution, d Delivery) {
	p, number := w.person(d.SubscriberID), d.Attempts+1
	if e.under[p.ID] != nil {
		return // the same execution asked twice, as after a lost commit: one attempt
	}
	if p.attempts[number] != nil {
		w.Fatalf("attempt %d to %s began twice", number, p.Key)
	}
	if p.no || p.reached || e.written || w.paused || w.cancelled || w.stopped || w.braked {
		w.Fatalf("attempt %d to %s began: no %v, reached %v; written off %v, paused %v, cancelled %v, stopped %v, braked %v",
			number, p.Key, p.no, p.reached, e.written, w.paused, w.cancelled, w.stopped, w.braked)
	}
	p.attempts[number] = &attempt{batch: e, row: d}
	e.under[p.ID] = p.attempts[number]
	w.begins = append(w.begins, w.now)
	if n := len(w.begins) - int(w.limit); w.limit > 0 && n > 0 && w.now.Sub(w.begins[n-1]) < 58*time.Minute {
		w.Fatalf("%d began within an hour, limit %d", w.limit+1, w.limit)
	}
}

// answer settles a begun attempt, perhaps late, perhaps for the second time.
func (w *world) answer() *act {
	var open []*attempt
	for _, p := range w.people {
		for n := range 10 {
			if a := p.attempts[n]; a != nil {
				open = append(open, a)
			}
		}
	}
	if len(open) == 0 {
		return nil
	}
	a := pick(w, open, "attempt")
	res := a.answer
	if res.Code == 0 { // what a relay has said it does not take back
		res = w.anAnswer()
	}
	return w.settling(a, res)
}

func (w *world) settling(a *attempt, res smtp.Result) *act {
	o, d, e := sending.Judge(res), a.row, a.batch
	return &act{
		run: func() error {
			return w.db.Write(w.ctx, func(tx *database.Tx) error {
				lane, err := w.store.pace.With(tx).Lane(w.ctx, e.Lane)
				if err != nil {
					return err
				}
				tally := Tally{}
				err = w.store.Settle(w.ctx, tx, []Settled{{
					CampaignID: w.campaign, SubscriberID: d.SubscriberID, BatchID: e.ID, Attempt: d.Attempts + 1, RelayID: w.relay, Provider: lane.Provider,
					First: d.Attempts == 0, Doubts: d.Doubts, Outcome: o, Next: DefaultPatience().Settle(d, o, w.onUncertain(), w.now, 0),
				}}, tally)
				if err != nil {
					return err
				}
				return w.store.Count(w.ctx, tx, tally)
			})
		},
		then: func() {
			a.answer = res
			if res.Code == 250 {
				w.person(d.SubscriberID).reached = true
			}
		},
	}
}

func (w *world) onUncertain() string {
	if w.hold {
		return "hold"
	}
	return "resend"
}

// loseProcess writes off an execution's process, dead or only silent; it goes on trying.
func (w *world) loseProcess() *act {
	e := w.some()
	if e == nil {
		return nil
	}
	proven := rapid.Bool().Draw(w.T, "proven")
	return &act{
		run: func() error {
			return w.db.Write(w.ctx, func(tx *database.Tx) error {
				_, _, err := w.store.Recover(w.ctx, tx, e.Session, proven, DefaultPatience().FinalDot.Milliseconds())
				return err
			})
		},
		then: func() { e.written = true },
	}
}

// finish gives back what an execution has not begun.
func (w *world) finish() *act {
	e := w.some()
	if e == nil {
		return nil
	}
	var leftover []int64
	for _, d := range e.rows {
		a := e.under[d.SubscriberID]
		if a == nil {
			leftover = append(leftover, d.SubscriberID)
		} else if a.answer == (smtp.Result{}) && !e.written {
			return nil // a worker waits for its open dialogues
		}
	}
	return &act{
		run:  func() error { return w.store.Finish(w.ctx, e.Batch, leftover, 0) },
		then: func() { e.rows, e.written = nil, true },
	}
}

func (a *attempt) String() string { return fmt.Sprintf("attempt %d: %+v", a.row.Attempts+1, a.answer) }
