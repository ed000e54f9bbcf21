package worker

import (
	"context"
	"errors"
	"slices"
	"time"

	"facteur/campaign"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/panics"
	"facteur/sending"
	"facteur/sending/dkim"
	"facteur/sending/smtp"
	"facteur/throttle"
	"facteur/unsubscribe"

	"github.com/hibiken/asynq"
)

// letterMail is a letter on its way; a [smtp.Mail].
type letterMail struct {
	worker    *Worker
	letter    sending.Letter
	sender    sending.Sender
	line      *line
	signer    *dkim.Signer // nil: the relay signs
	execution int64
	to        address.Address
	lane      throttle.Lane
	laneID    int64
	date      int64     // the day of a warm-up's cap that it counts in; 0: none
	result    chan bool // true: it has an answer; false: its body never began
}

func (m *letterMail) Envelope() (from, to string, utf8 bool) {
	from = m.sender.FromEmail
	if m.line.relay.Envelope == sending.VERP {
		// Campaign 0 stands for letters.
		from = unsubscribe.Reference{SubscriberID: m.letter.ID}.ReturnAddress(m.worker.composer.keys, m.sender.ReturnPath)
	}
	return from, m.to.Wire(), !m.to.ASCII()
}

func (m *letterMail) Ready() bool {
	w := m.worker
	if !w.process.Alive() || w.draining.Err() != nil || w.recorder.failing.Load() != 0 || w.halted(0) {
		m.result <- false
		return false
	}
	return true
}

func (m *letterMail) Compose(dst []byte) ([]byte, error) {
	if m.signer == nil {
		return append(dst, m.letter.Message...), nil
	}
	return signed(dst, m.signer, []byte(m.letter.Message), m.worker.db.Now())
}

func (m *letterMail) Return(error) { m.result <- false }

func (m *letterMail) end() { m.result <- true }

// settled is what the answer makes of the letter: as of a delivery. Its time
// of trying runs from when it was written.
func (m *letterMail) settled(o sending.Outcome, p campaign.Patience, now time.Time) (sending.Outcome, int64) {
	next := p.Settle(campaign.Delivery{Attempts: m.letter.Attempts, DeferredAt: m.letter.CreatedAt}, o, "hold", now, 0)
	o.Verdict = sending.Verdict(next.Status)
	o.Text = sending.Anonymous(o.Text, m.letter.Email)
	return o, next.NotBefore
}

// runLetter sends one letter, ahead of all batches.
func (w *Worker) runLetter(ctx context.Context, t *asynq.Task) error {
	id, err := idOf(t)
	if err != nil || w.draining.Err() != nil || !w.process.Alive() {
		return nil
	}
	w.mailing.Add(1)
	defer w.mailing.Add(-1)
	execution := w.db.NewID()
	l, ok, err := w.senders.TakeLetter(ctx, id, w.process.Session(), execution)
	for errors.Is(err, database.ErrUnavailable) && w.closing.Err() == nil {
		time.Sleep(500 * time.Millisecond)
		l, ok, err = w.senders.TakeLetter(ctx, id, w.process.Session(), execution)
	}
	if err != nil || !ok {
		return err
	}
	answered, again, err := w.sendLetter(l, execution)
	if w.mishaps.Note("letter", err) {
		again = w.db.Now().Add(time.Minute).UnixMilli()
	}
	if err != nil {
		w.log.Error("letter", "letter", id, "error", err)
	}
	if answered {
		return nil
	}
	if again == 0 {
		again = w.db.Now().Add(2 * time.Second).UnixMilli()
	}
	for {
		err := w.senders.GiveBackLetter(w.closing, id, execution, again)
		if err == nil || w.closing.Err() != nil {
			return nil
		}
		w.log.Error("give back a letter", "letter", id, "error", err)
		time.Sleep(time.Second)
	}
}

func (w *Worker) sendLetter(l sending.Letter, execution int64) (answered bool, again int64, err error) {
	defer panics.Catch(&err)
	ctx := context.WithoutCancel(w.draining)
	m := &letterMail{worker: w, letter: l, execution: execution, result: make(chan bool, 1)}
	if m.sender, err = w.senders.Sender(ctx, l.SenderID); err != nil {
		return false, 0, err
	}
	if m.to, err = address.Parse(l.Email); err != nil {
		return false, 0, err
	}
	if m.signer, err = w.signers.Of(ctx, m.sender.Domain); err != nil {
		return false, 0, err
	}
	if m.line, again, err = w.lines.pick(ctx, m.sender.RelayIDs, 1); err != nil || m.line == nil {
		return false, again, err
	}
	if again, err = m.count(ctx); err != nil || again != 0 {
		return false, again, err
	}
	if err := w.readPace(ctx); err != nil || w.halted(0) {
		return false, 0, err
	}
	gates := w.limits().Gates(m.passage())
	if again, err = w.counted(ctx, gates); err != nil || again != 0 {
		return false, again, err
	}
	if again, err = w.permit(gates); err != nil || again != 0 {
		return false, again, err
	}
	release, err := w.leases.Acquire(w.draining, gates)
	if err != nil {
		return false, 0, nil // no connection is free; it asks again
	}
	if release != nil {
		defer release()
	}
	if err := m.line.pool.Send(w.draining, m, true); err != nil {
		return false, 0, nil // the relay rests, or this process ends
	}
	return <-m.result, 0, nil
}

// passage names the scopes whose limits it passes.
func (m *letterMail) passage() throttle.Passage {
	return throttle.Passage{Lane: m.lane, RelayID: m.line.relay.ID}
}

// claim is the day of a warm-up's cap that it counts in.
func (m *letterMail) claim() claim { return claim{m.laneID, m.date} }

// count finds the lane that a letter counts in, and its day of warm-up. When
// that day's cap is spent, it says when to ask again (Unix milliseconds).
func (m *letterMail) count(ctx context.Context) (again int64, err error) {
	w := m.worker
	err = w.db.Write(ctx, func(tx *database.Tx) error {
		domain, err := w.senders.HoldDomain(ctx, tx, m.sender.Domain)
		if err != nil {
			return err
		}
		ramp, err := campaign.RampOf(domain)
		if err != nil {
			return err
		}
		known, err := w.pace.ProvidersOf(ctx, tx, []string{m.to.Domain()})
		if err != nil {
			return err
		}
		m.lane = throttle.Lane{Domain: domain.Name, Provider: known[m.to.Domain()]}
		if m.laneID, err = w.pace.LaneID(ctx, tx, m.lane); err != nil || ramp.None() {
			return err
		}
		day, err := w.pace.OpenDay(ctx, tx, m.laneID, ramp, domain.Zone())
		if m.date = day.Date; day.Used >= day.Cap {
			again = day.Until
		}
		return err
	})
	return again, err
}

// counted says when to ask again (Unix milliseconds) while a limit an hour or a
// day is spent: what is counted there is counted by the minute.
func (w *Worker) counted(ctx context.Context, gates []throttle.Gate) (again int64, err error) {
	if !slices.ContainsFunc(gates, throttle.Gate.Counted) {
		return 0, nil
	}
	used, err := w.pace.Usage(ctx)
	if err != nil {
		return 0, err
	}
	for _, g := range gates {
		if g.Counted() && used.Through(g).Room(g.Limit, 0) == 0 {
			return w.db.Now().Add(time.Minute).UnixMilli(), nil
		}
	}
	return 0, nil
}

// permit waits for the next permit, ahead of the batches; for a long wait it
// says when to ask again (Unix milliseconds).
func (w *Worker) permit(gates []throttle.Gate) (again int64, err error) {
	for w.draining.Err() == nil {
		p, err := w.limiter.TakeNext(w.draining, gates)
		if err != nil {
			return 0, err
		}
		wait := p.First - w.db.Since()
		if p.N == 0 && wait > throttle.Horizon {
			return w.db.Now().Add(wait).UnixMilli(), nil
		}
		select {
		case <-time.After(wait):
		case <-w.draining.Done():
		}
		if p.N == 1 {
			break
		}
	}
	return 0, w.draining.Err()
}

var (
	_ smtp.Mail = (*letterMail)(nil)
	_ smtp.Mail = (*delivery)(nil)
)
