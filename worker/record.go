package worker

import (
	"context"
	"errors"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/panics"
)

// commitTime is the most that a commit of the recorder may take.
const commitTime = 10 * time.Second

// asideTime is how long turns wait that could not be written, for a reason nobody knows.
const asideTime = 5 * time.Second

// start lets the recorder write. A commit that hangs is cut and tried anew
// while the answers that it holds still count: once the process is written off,
// a relay's time to think about a body is all that is left until its doubts are
// sent again.
func (r *Recorder) start() {
	r.limit = min(commitTime, r.patience.FinalDot/3)
	r.turns, r.stop, r.stopped = make(chan *turn, 1024), make(chan struct{}), make(chan struct{})
	r.lasting, r.abandon = context.WithCancel(context.Background())
	go r.run()
}

// close waits until all turns are written or abandoned; nobody may take a turn after it.
func (r *Recorder) close() {
	close(r.stop)
	<-r.stopped
	r.abandon()
}

func (r *Recorder) run() {
	defer close(r.stopped)
	again := time.NewTicker(asideTime)
	defer again.Stop()
	var group []*turn
	for {
		group = group[:0]
		select {
		case t := <-r.turns:
			group = append(group, t)
		case <-again.C:
			r.retry()
			continue
		case <-r.stop:
			r.retry()
			return
		}
		group = r.gather(group)
		r.judge(group)
		r.record(group)
	}
}

// record writes the group: together; if that is not to be, one by one. While
// the database is away nothing begins and the outcomes wait.
func (r *Recorder) record(group []*turn) {
	err := r.persist(group, r.commit)
	switch {
	case err == nil:
		r.written(group)
	case waits(err):
		r.log.Error("gave up: the outcomes of these turns are lost, and their messages in doubt", "turns", len(group), "error", err)
		r.giveUp(group)
	case len(group) > 1:
		r.log.Error("a group of turns cannot be written; trying one by one", "turns", len(group), "error", err)
		for i := range group {
			r.record(group[i : i+1])
		}
	default:
		r.alone(group, err)
	}
}

// alone writes what is known of one turn's messages without what follows from
// it, which may be what cannot be written. Only what the database refuses for
// what it says is given up; a reason that nobody knows may pass.
func (r *Recorder) alone(group []*turn, err error) {
	r.log.Error("a turn cannot be written; trying its answers alone", "error", err)
	if r.mishaps.Note("recorder", err) {
		for _, e := range group[0].ended {
			r.blame(e.Mail)
		}
		r.blame(group[0].next)
	}
	group[0].dropNext()
	err = r.persist(group, r.commitAnswers)
	switch {
	case err == nil:
		r.written(group)
	case errors.Is(err, database.ErrRefused), errors.Is(err, database.ErrConflict), r.lasting.Err() != nil:
		r.log.Error("a turn cannot be written; it is in doubt once its batch ends", "error", err)
		r.giveUp(group)
	default:
		r.log.Error("a turn cannot be written; it is tried again", "after", asideTime, "error", err)
		r.aside = append(r.aside, group[0])
	}
}

// retry tries the turns anew that were put aside.
func (r *Recorder) retry() {
	aside := r.aside
	r.aside = nil
	for i := range aside {
		r.record(aside[i : i+1])
	}
}

// written answers the connections of a group.
func (r *Recorder) written(group []*turn) {
	for _, t := range group {
		if t.rest {
			t.line.resting()
		}
	}
	for _, t := range group {
		t.done <- struct{}{}
	}
}

// giveUp answers them without a word in the database.
func (r *Recorder) giveUp(group []*turn) {
	for _, t := range group {
		t.dropNext()
		t.unsure()
	}
	r.written(group)
}

// waits tells whether the database did not answer, as far as is known: then
// whatever was to be written waits.
func waits(err error) bool {
	return errors.Is(err, database.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// persist writes, again and again until the database has answered or the
// process must end. Each try has twice the time of the one before, for a
// database that is only slow.
func (r *Recorder) persist(group []*turn, write func(context.Context, []*turn) error) error {
	for limit := r.limit; ; limit = min(2*limit, 8*r.limit) {
		err := r.try(limit, group, write)
		if err == nil || !waits(err) {
			if r.failing.Swap(0) != 0 {
				r.log.Info("database takes outcomes again")
			}
			return err
		}
		if r.failing.CompareAndSwap(0, r.db.Now().UnixMilli()) {
			r.log.Error("database does not take outcomes; nothing begins until it does", "error", err)
		}
		for _, t := range group {
			t.dropNext() // an open envelope does not wait
		}
		select {
		case <-r.lasting.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// try writes once. The end of all patience cuts it short, and whoever comes
// later has a moment.
func (r *Recorder) try(limit time.Duration, group []*turn, write func(context.Context, []*turn) error) error {
	if r.lasting.Err() != nil {
		limit = min(limit, time.Second)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if r.lasting.Err() == nil {
		defer context.AfterFunc(r.lasting, cancel)()
	}
	return write(ctx, group)
}

// commit writes a group of turns in one transaction.
func (r *Recorder) commit(ctx context.Context, group []*turn) error {
	asked := time.Now()
	r.slowed = false
	err := r.db.Write(ctx, func(tx *database.Tx) error {
		if err := tx.Gate(ctx, false); err != nil {
			return err
		}
		tally := campaign.Tally{}
		if err := r.settle(ctx, tx, group, tally); err != nil {
			return err
		}
		if err := r.begin(ctx, tx, group, tally); err != nil {
			return err
		}
		if err := r.pace.CountRates(ctx, tx, r.rates); err != nil {
			return err
		}
		return r.campaigns.Count(ctx, tx, tally)
	})
	if err != nil {
		r.known = nil // what was read may be undone too
		return err
	}
	r.mishaps.Note("recorder", panics.Do(func() error { r.committed(asked, group); return nil })) // what is written stays so
	return nil
}

// committed tells those who go by what was written.
func (r *Recorder) committed(asked time.Time, group []*turn) {
	if r.learn(group) || r.slowed {
		r.repace()
	}
	r.faults(group)
	r.metrics.committed(asked, group)
	r.feedback.Told(r.events)
}

// commitAnswers writes what became of a group's messages, and nothing else.
func (r *Recorder) commitAnswers(ctx context.Context, group []*turn) error {
	return r.db.Write(ctx, func(tx *database.Tx) error {
		if err := tx.Gate(ctx, false); err != nil {
			return err
		}
		tally := campaign.Tally{}
		if err := r.answers(ctx, tx, group, tally); err != nil {
			return err
		}
		return r.campaigns.Count(ctx, tx, tally)
	})
}

// Failing says since when the database takes no outcomes; the zero time when it does.
func (r *Recorder) Failing() time.Time { return database.Time(r.failing.Load()) }
