package worker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"facteur/campaign"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/panics"
	"facteur/sending"
	"facteur/throttle"

	"github.com/hibiken/asynq"
)

// How long a letter waits in place for a connection, and when one is tried
// again that met an error, or a day whose cap is spent: the ramp may be changed.
const (
	connectionPatience = 10 * time.Second
	letterPause        = 2 * time.Second
	errorPause         = time.Minute
	spentPause         = 15 * time.Minute
)

// runLetter takes one letter and lets it find its own way: a letter that waits,
// for a permit, a connection or an answer, holds no place among the handlers.
func (w *Worker) runLetter(ctx context.Context, t *asynq.Task) error {
	id, err := idOf(t)
	if err != nil || w.draining.Err() != nil || !w.process.Alive() {
		return nil
	}
	l, err := w.senders.LetterFacts(ctx, id)
	if err != nil {
		if errors.Is(err, database.ErrNotFound) {
			return nil
		}
		return err
	}
	at := place{l.SenderID, l.Urgent()}
	if !w.places.enter(at) {
		return nil // it is offered again
	}
	m := &letterMail{worker: w, execution: w.db.NewID(), result: make(chan bool, 1)}
	if l, ok, err := w.takeLetter(ctx, id, m.execution); err != nil || !ok {
		w.places.leave(at)
		return err
	} else {
		m.letter = l
	}
	w.mailing.Add(1)
	w.carrying.Go(func() {
		defer w.mailing.Add(-1)
		w.carry(m, at)
	})
	return nil
}

// takeLetter asks again with the same execution when the database did not
// answer: the first asking may have been granted.
func (w *Worker) takeLetter(ctx context.Context, id, execution int64) (sending.Letter, bool, error) {
	for {
		l, ok, err := w.senders.TakeLetter(ctx, id, w.process.Session(), execution)
		if !errors.Is(err, database.ErrUnavailable) || w.closing.Err() != nil {
			return l, ok, err
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// carry brings a taken letter to its end, or back to the table.
func (w *Worker) carry(m *letterMail, at place) {
	again, handed, err := w.handOver(m)
	w.places.leave(at)
	if w.mishaps.Note("letter", err) {
		again = w.db.Now().Add(errorPause).UnixMilli()
	}
	if err != nil {
		w.log.Error("letter", "letter", m.letter.ID, "error", err)
	}
	if handed && <-m.result || m.skipped {
		if m.skipped {
			w.recorder.metrics.letters.WithLabelValues("skipped").Inc()
		}
		if m.unsure {
			w.persist("doubt a letter", m.letter.ID, func(ctx context.Context) error { return w.senders.DoubtLetter(ctx, m.letter.ID, m.execution) })
		}
		return
	}
	if again == 0 {
		again = w.db.Now().Add(letterPause).UnixMilli()
	}
	w.persist("give back a letter", m.letter.ID, func(ctx context.Context) error { return w.senders.GiveBackLetter(ctx, m.letter.ID, m.execution, again) })
}

// persist writes the end of a letter's execution; while the database is away
// it goes on trying. Given up, the letter is handed on once this process has
// said goodbye.
func (w *Worker) persist(what string, letter int64, write func(ctx context.Context) error) {
	for {
		err := write(w.closing)
		if err == nil || w.closing.Err() != nil {
			return
		}
		w.log.Error(what, "letter", letter, "error", err)
		time.Sleep(time.Second)
	}
}

// handOver passes all gates and hands the letter to a connection; else it says
// when to ask again (Unix milliseconds, 0: soon).
func (w *Worker) handOver(m *letterMail) (again int64, handed bool, err error) {
	defer panics.Catch(&err)
	ctx := w.closing
	trouble := w.db.Now().Add(errorPause).UnixMilli()
	if err := m.address(ctx); err != nil {
		return trouble, false, err
	}
	if m.line, again, err = w.lines.pick(ctx, m.sender.RelayIDs, 1); err != nil || m.line == nil {
		return again, false, err
	}
	if err := w.readPace(ctx); err != nil || w.halted(0) {
		return 0, false, err
	}
	if again, err = m.admit(ctx); err != nil {
		m.skipped = false // it was not committed
		return trouble, false, err
	}
	if again != 0 || m.skipped {
		return again, false, nil
	}
	if err := m.relink(ctx); err != nil {
		return trouble, false, err
	}
	gates := w.limits().Gates(m.passage())
	if again, err = w.counted(ctx, gates, m.letter.Urgent()); err != nil || again != 0 {
		return again, false, err
	}
	if again, err = w.permit(gates, m.letter.Urgent()); err != nil || again != 0 {
		return again, false, err
	}
	release, err := w.leases.Acquire(w.draining, gates)
	if err != nil {
		return 0, false, nil // no connection is free; it asks again
	}
	m.release = release
	wait, cancel := context.WithTimeout(w.draining, connectionPatience)
	defer cancel()
	if err := m.line.pool.Send(wait, m, m.letter.Urgent()); err != nil {
		m.free()
		return 0, false, nil // the relay is busy or rests, or this process ends
	}
	return 0, true, nil
}

// address finds from whom and to whom the letter goes.
func (m *letterMail) address(ctx context.Context) (err error) {
	w := m.worker
	if m.sender, err = w.senders.Sender(ctx, m.letter.SenderID); err != nil {
		return err
	}
	if m.to, err = address.Parse(m.letter.Email); err != nil {
		return err
	}
	m.signer, err = w.signers.Of(ctx, m.sender.Domain)
	return err
}

// admit asks what may keep a letter for long, before an envelope is opened for
// it: the addressee's noes, its lane's breaker and day. It finds the
// lane that the letter counts in, and says when to ask again (Unix
// milliseconds). The begin asks all of it once more.
func (m *letterMail) admit(ctx context.Context) (again int64, err error) {
	w := m.worker
	now := w.db.Now()
	err = w.db.Write(ctx, func(tx *database.Tx) error {
		again = 0
		if err := tx.Gate(ctx, false); err != nil {
			return err
		}
		if pass, err := w.recorder.letterGate(ctx, tx, []*letterMail{m}); err != nil || !pass[0] {
			return err
		}
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
		q := day.Quota(0)
		if m.date = day.Date; q.Room() == 0 || !m.letter.Urgent() && q.ForInvitations() == 0 {
			again = min(day.Until, now.Add(spentPause).UnixMilli())
		}
		return err
	})
	if again == 0 && !m.letter.Urgent() && w.pacing.Load().brakes.Held(m.lane) != "" {
		again = now.Add(errorPause).UnixMilli()
	}
	return again, err
}

// counted says when to ask again (Unix milliseconds) while a limit an hour or a
// day is spent, or an invitation's share of it: what is counted there is
// counted by the minute.
func (w *Worker) counted(ctx context.Context, gates []throttle.Gate, urgent bool) (again int64, err error) {
	if !slices.ContainsFunc(gates, throttle.Gate.Counted) {
		return 0, nil
	}
	used, err := w.pace.Usage(ctx)
	if err != nil {
		return 0, err
	}
	for _, g := range gates {
		if !g.Counted() {
			continue
		}
		if room := used.Places(g); room.All == 0 || !urgent && room.Invitations == 0 {
			return w.db.Now().Add(time.Minute).UnixMilli(), nil
		}
	}
	return 0, nil
}

// permit waits for the next permit; for a long wait it says when to ask again
// (Unix milliseconds). An urgent letter goes ahead of the batches.
func (w *Worker) permit(gates []throttle.Gate, urgent bool) (again int64, err error) {
	for w.draining.Err() == nil {
		var p throttle.Permits
		if urgent {
			p, err = w.limiter.TakeNext(w.draining, gates)
		} else {
			p, err = w.limiter.Take(w.draining, gates, 1)
		}
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

// places are how many letters of one sender may wait in this process for a
// permit, a connection or a relay. Those beyond stay in the table, in nobody's way.
type places struct {
	mu   sync.Mutex
	held map[place]int
}

type place struct {
	sender int64
	urgent bool
}

const (
	urgentPlaces     = 256
	invitationPlaces = 16
)

func (p *places) enter(at place) bool {
	most := invitationPlaces
	if at.urgent {
		most = urgentPlaces
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[at] >= most {
		return false
	}
	if p.held == nil {
		p.held = map[place]int{}
	}
	p.held[at]++
	return true
}

func (p *places) leave(at place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[at]--; p.held[at] == 0 {
		delete(p.held, at)
	}
}
