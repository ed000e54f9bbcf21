package campaign

import (
	"maps"
	"runtime"
	"slices"
	"time"

	"facteur/internal/database"

	"pgregory.net/rapid"
)

// act is something that happens: its transactions, and what the model learns of
// it once they have committed.
type act struct {
	run  func() error
	then func()
}

// chooser draws who and what; nil: there is nothing to do it to.
type chooser func() *act

func (w *world) step() {
	steps := map[string]chooser{
		"tick": w.tick, "take": w.take, "begin": w.begin, "answer": w.answer, "finish": w.finish, "lose a process": w.loseProcess, "time": w.advance, "beside": w.beside, "work": w.work,
		"leave": w.leave, "complain": w.complain, "erase": w.erase, "come back": w.comeBack, "relane": w.relane,
		"pause": w.pauseOrResume, "cancel": w.cancel, "stop": w.stopOrLift, "brake": w.brakeOrRelease, "limit": w.setLimit,
		"resend": w.resend, "hold doubts": w.holdDoubts, "depose": w.depose, "deposed": w.deposedTicks,
	}
	often := []string{"tick", "take", "begin", "beside", "beside", "beside", "beside", "beside", "answer", "answer", "time", "work", "work", "work"}
	w.do(steps[rapid.SampledFrom(append(slices.Sorted(maps.Keys(steps)), often...)).Draw(w.T, "step")]())
}

func (w *world) do(a *act) {
	if a == nil {
		return
	}
	w.must(a.run())
	if a.then != nil {
		a.then()
	}
}

// pick draws one of a list; its place is what a failure shows.
func pick[T any](w *world, list []T, what string) T {
	return list[rapid.IntRange(0, len(list)-1).Draw(w.T, what)]
}

// rarely lets through one time in n; always what is to happen beside a begin.
func (w *world) rarely(n int) bool {
	return w.focus != nil || rapid.IntRange(1, n).Draw(w.T, "rarely") == n
}

// beside lets something else happen while a message begins.
func (w *world) beside() *act {
	b := w.likely()
	if b == nil {
		return nil
	}
	others := w.others()
	return w.at(b, others[rapid.SampledFrom(slices.Sorted(maps.Keys(others))).Draw(w.T, "other")])
}

// others are what may happen to a message, or to who gets it, while it begins.
func (w *world) others() map[string]chooser {
	return map[string]chooser{
		"leave": w.leave, "complain": w.complain, "erase": w.erase, "pause": w.pauseOrResume, "cancel": w.cancel, "stop": w.stopOrLift, "brake": w.brakeOrRelease,
		"lose a process": w.loseProcess, "answer": w.answer, "come back": w.comeBack, "resend": w.resend, "begin": w.begin, "tick": w.tick,
	}
}

// at lets something else happen once all is asked of a message that begins and
// before it is marked. On PostgreSQL that is another transaction, which either
// waits for this one, or was not to be waited for; on SQLite, whose writer is
// alone, it comes afterwards.
func (w *world) at(b *beginning, choose chooser) *act {
	w.focus = b
	other := choose()
	w.focus = nil
	if other == nil {
		return &b.act
	}
	ended, asked, first := make(chan error, 1), false, false
	if w.db.Engine() == database.Postgres {
		b.between = func() {
			if asked {
				return
			}
			asked = true
			go func() { ended <- other.run() }()
			for !first && !w.someoneWaits() {
				select {
				case err := <-ended:
					first = true
					ended <- err
				default:
					runtime.Gosched()
				}
			}
		}
	}
	return &act{
		run: func() error {
			err := b.run()
			if !asked {
				return err
			}
			if err := <-ended; err != nil {
				return err
			}
			return err
		},
		then: func() {
			learn := func() {
				if other.then != nil {
					other.then()
				}
			}
			switch {
			case !asked:
				b.then()
				w.must(other.run())
				learn()
			case first:
				learn()
				b.then()
			default:
				b.then()
				learn()
			}
		},
	}
}

// someoneWaits tells whether a transaction waits for a lock of another.
func (w *world) someoneWaits() bool {
	waits := make(chan bool)
	go func() { // beside the transaction that asks
		var n int64
		err := w.db.Get(w.ctx, &n, `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
		waits <- err != nil || n > 0
	}()
	return <-waits
}

func (w *world) advance() *act {
	minutes := rapid.IntRange(1, 90).Draw(w.T, "minutes")
	return &act{run: func() error {
		w.now = w.now.Add(time.Duration(minutes) * time.Minute)
		return nil
	}}
}
