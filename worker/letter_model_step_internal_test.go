package worker

import (
	"errors"
	"time"

	"facteur/internal/database"
	"facteur/sending"
	"facteur/sending/smtp"

	"pgregory.net/rapid"
)

func (w *letterWorld) step() {
	steps := []func(){
		w.send, w.send, w.offer, w.offer, w.offer, w.begin, w.begin, w.begin, w.begin, w.answer, w.answer, w.answer, w.answer,
		w.sayNo, w.loseProcess, w.doubt, w.stopOrLift, w.restOrRecover, w.holdDoubts, w.warmUp, w.moveClock, w.moveClock, w.giveBack,
		w.rush, w.rush, w.rush, w.again, w.again, w.again,
	}
	w.clock.Add(1)
	steps[rapid.IntRange(0, len(steps)-1).Draw(w.T, "step")]()
}

// one draws one of a list; nil: it is empty.
func one[T any](w *letterWorld, list []*T, what string) *T {
	if len(list) == 0 {
		return nil
	}
	return list[rapid.IntRange(0, len(list)-1).Draw(w.T, what)]
}

// send writes a letter of some kind.
func (w *letterWorld) send() {
	p := one(w, w.people, "person")
	kind := rapid.SampledFrom([]string{
		sending.AccessLetter, sending.ConfirmationLetter, sending.AlreadyLetter, sending.AlarmLetter,
		sending.TestLetter, sending.SeedLetter, sending.ProbeLetter, sending.InvitationLetter,
	}).Draw(w.T, "kind")
	l := sending.Letter{ID: w.db.NewID(), Kind: kind, SenderID: w.sender, Email: p.address.String(), Message: "Subject: hello\r\n\r\nHello.\r\n"}
	switch kind {
	case sending.ConfirmationLetter, sending.AlreadyLetter, sending.InvitationLetter:
		l.ListID, l.SubscriberID = w.list, p.id
	case sending.AccessLetter:
		l.SubscriberID = p.id
	}
	if p.no == "erased" && l.SubscriberID != 0 {
		return // nobody is there to write to
	}
	w.write(func(tx *database.Tx) error {
		if kind == sending.ConfirmationLetter { // they have filled in a form, whatever they said before
			if _, err := tx.Exec(w.ctx, `UPDATE subscriptions SET status = 'pending' WHERE subscriber_id = ?`, p.id); err != nil {
				return err
			}
		}
		return w.senders.WriteLetter(w.ctx, tx, l)
	})
	l.CreatedAt = w.clock.Load()
	for _, earlier := range w.letters { // a form is the younger word
		earlier.before = earlier.before && (kind != sending.ConfirmationLetter || earlier.who != p || p.no != "left")
	}
	w.letters = append(w.letters, &written{Letter: l, who: p, tries: map[int]*carried{}})
}

// offer takes one of the letters that are due.
func (w *letterWorld) offer() {
	due := w.due()
	if len(due) == 0 {
		return
	}
	w.take(due[rapid.IntRange(0, len(due)-1).Draw(w.T, "letter")].ID)
}

// take takes a letter and lets it ask what may keep it for long.
func (w *letterWorld) take(id int64) *carried {
	m := &letterMail{worker: w.Worker, execution: w.db.NewID(), result: make(chan bool, 1), line: w.line}
	l, ok, err := w.senders.TakeLetter(w.ctx, id, w.process.Session(), m.execution)
	if w.must(err); !ok {
		w.Fatalf("letter %d is due and not to be taken", id)
	}
	m.letter = l
	c := &carried{letterMail: m, of: w.find(id)}
	w.must(m.address(w.ctx))
	again, err := m.admit(w.ctx)
	w.must(err)
	switch {
	case m.skipped:
	case again != 0:
		w.must(w.senders.GiveBackLetter(w.ctx, id, m.execution, again))
	default:
		w.carried = append(w.carried, c)
		return c
	}
	return nil
}

func (w *letterWorld) find(id int64) *written {
	for _, l := range w.letters {
		if l.ID == id {
			return l
		}
	}
	w.Fatalf("letter %d is offered, and nobody wrote it", id)
	return nil
}

// begin asks the recorder for the begin of a letter that is carried.
func (w *letterWorld) begin() {
	if c := one(w, w.carried, "carried"); c != nil && !c.begun {
		w.tryBegin(c)
	}
}

func (w *letterWorld) tryBegin(c *carried) {
	t := &turn{line: w.line, next: c.letterMail}
	w.must(w.recorder.commit(w.ctx, []*turn{t}))
	if t.ok {
		w.hasBegun(c)
	}
}

// rush takes all that is due, and only then lets it begin: caps and noes are
// asked when all have passed the first gate.
func (w *letterWorld) rush() {
	var all []*carried
	for _, l := range w.due() {
		if c := w.take(l.ID); c != nil {
			all = append(all, c)
		}
	}
	if rapid.Bool().Draw(w.T, "a no between") {
		w.sayNo()
	}
	for _, c := range all {
		w.tryBegin(c)
	}
}

// again loses what is under way, waits, and tries all once more.
func (w *letterWorld) again() {
	w.loseProcess()
	w.clock.Add((15 * time.Minute).Milliseconds())
	w.rush()
}

// answer brings a relay's answer, or the news that there is none, or one of
// before once more. One that was lost may come later.
func (w *letterWorld) answer() {
	c := one(w, w.carried, "carried")
	if c == nil || !c.begun {
		return
	}
	r := c.reply
	if r.Code == 0 {
		r = rapid.SampledFrom([]smtp.Result{
			{Stage: smtp.Body, Code: 250, Text: "ok"},
			{Stage: smtp.Body, Code: 451, Enhanced: "4.7.1", Text: "later"},
			{Stage: smtp.Body, Code: 550, Enhanced: "5.1.1", Text: "no such user"},
			{Stage: smtp.Body, Err: smtp.ErrLost},
			{Stage: smtp.Body, Err: smtp.ErrLost},
		}).Draw(w.T, "reply")
	}
	w.tell(c, r)
}

func (w *letterWorld) tell(c *carried, r smtp.Result) {
	ended := smtp.Ended{Mail: c.letterMail, Begun: true, Result: r}
	t := &turn{line: w.line, ended: []smtp.Ended{ended}, outcomes: []sending.Outcome{sending.Judge(r)}}
	w.must(w.recorder.commit(w.ctx, []*turn{t}))
	w.hasAnswered(c, r)
}

// sayNo lets somebody say their no, of whatever kind.
func (w *letterWorld) sayNo() {
	p := one(w, w.people, "person")
	if p.no != "" {
		return
	}
	no := rapid.SampledFrom([]string{"complaint", "all_mail", "manual", "hard_bounce", "soft_bounce", "left", "erased"}).Draw(w.T, "no")
	w.write(func(tx *database.Tx) (err error) {
		switch no {
		case "left":
			_, err = w.post.people.Leave(w.ctx, tx, p.id, []int64{w.list}, "test")
		case "erased":
			err = w.campaigns.Erase(w.ctx, tx, p.id, "test")
		default:
			err = w.post.people.Suppress(w.ctx, tx, p.address, 0, no, "test")
		}
		return err
	})
	w.said(p, no)
}

// loseProcess writes off what this process has in hand. What it knows, it may
// still tell.
func (w *letterWorld) loseProcess() {
	again := w.clock.Load() + rapid.Int64Range(0, 600_000).Draw(w.T, "again")
	w.write(func(tx *database.Tx) error { return w.senders.AbandonLetters(w.ctx, tx, w.process.Session(), again) })
}

// doubt is for an answer that could not be written.
func (w *letterWorld) doubt() {
	if c := one(w, w.carried, "carried"); c != nil && c.begun {
		w.must(w.senders.DoubtLetter(w.ctx, c.of.ID, c.execution))
	}
}

// giveBack takes back a letter whose body never began.
func (w *letterWorld) giveBack() {
	if c := one(w, w.carried, "carried"); c != nil && !c.begun {
		w.must(w.senders.GiveBackLetter(w.ctx, c.of.ID, c.execution, w.clock.Load()+2000))
	}
}

func (w *letterWorld) stopOrLift() {
	w.write(func(tx *database.Tx) error {
		if w.stopped {
			return w.campaigns.LiftStop(w.ctx, tx, "test")
		}
		_, err := w.campaigns.StopAll(w.ctx, tx, "test")
		return err
	})
	w.stopped = !w.stopped
}

func (w *letterWorld) restOrRecover() {
	what := rapid.IntRange(0, 3).Draw(w.T, "relay")
	w.write(func(tx *database.Tx) error {
		if what > 1 {
			return w.senders.Recovered(w.ctx, tx, w.relay.ID)
		}
		_, err := w.senders.Rest(w.ctx, tx, w.relay.ID, sending.Trouble{Reason: "of the test", Refused: true, Doubts: what == 1})
		return err
	})
}

func (w *letterWorld) holdDoubts() {
	if rapid.IntRange(1, 3).Draw(w.T, "rarely") == 1 {
		w.write(func(tx *database.Tx) error { return w.senders.HoldLetterDoubts(w.ctx, tx, w.relay.ID) })
	}
}

// warmUp switches the domain's warm-up on or off.
func (w *letterWorld) warmUp() { w.setWarm(!w.warm) }

func (w *letterWorld) setWarm(on bool) {
	d := w.domain
	d.Warmup, d.Ramp = sending.NoWarmup, "[]"
	if on {
		d.Warmup, d.Ramp = sending.OwnWarmup, modelRamp()
	}
	w.write(func(tx *database.Tx) error {
		_, err := w.senders.SetWarmup(w.ctx, tx, d)
		return err
	})
	w.warm = on
}

// moveClock moves it on, and sometimes back.
func (w *letterWorld) moveClock() {
	minutes := rapid.IntRange(-30, 300).Draw(w.T, "minutes")
	w.latest()
	w.clock.Add((time.Duration(minutes) * time.Minute).Milliseconds())
	w.latest()
}

// calm lifts all that stands in the way.
func (w *letterWorld) calm() {
	if _, err := w.campaigns.Stopped(w.ctx); err == nil {
		w.write(func(tx *database.Tx) error { return w.campaigns.LiftStop(w.ctx, tx, "test") })
	} else if !errors.Is(err, database.ErrNotFound) {
		w.must(err)
	}
	w.stopped = false
	w.write(func(tx *database.Tx) error { return w.senders.Resume(w.ctx, tx, w.relay.ID) })
	w.write(func(tx *database.Tx) error { return w.senders.Recovered(w.ctx, tx, w.relay.ID) })
	w.setWarm(false)
}
