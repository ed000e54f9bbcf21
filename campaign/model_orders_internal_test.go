package campaign

import (
	"context"
	"errors"

	"facteur/internal/database"
	"facteur/throttle"

	"pgregory.net/rapid"
)

// order is a change of the campaign's state, which that may not allow.
func (w *world) order(to func(context.Context, *database.Tx, int64, string) (Campaign, error), then func()) *act {
	done := false
	return &act{
		run: func() error {
			err := w.db.Write(w.ctx, func(tx *database.Tx) error { _, err := to(w.ctx, tx, w.campaign, "test"); return err })
			if errors.Is(err, ErrState) {
				return nil
			}
			done = err == nil
			return err
		},
		then: func() {
			if done {
				then()
			}
		},
	}
}

func (w *world) pauseOrResume() *act {
	if w.paused {
		return w.order(w.store.Resume, func() { w.paused = false })
	}
	if !w.rarely(6) {
		return nil
	}
	return w.order(w.store.Pause, func() { w.paused = true })
}

func (w *world) cancel() *act {
	if !w.rarely(6) {
		return nil
	}
	return w.order(w.store.Cancel, func() { w.cancelled, w.paused = true, false })
}

func (w *world) stopOrLift() *act {
	stop := !w.stopped
	if stop && !w.rarely(6) {
		return nil
	}
	return &act{
		run: func() error {
			return w.db.Write(w.ctx, func(tx *database.Tx) error {
				if !stop {
					return w.store.LiftStop(w.ctx, tx, "test")
				}
				_, err := w.store.StopAll(w.ctx, tx, "test")
				return err
			})
		},
		then: func() { w.stopped = stop },
	}
}

// brakeOrRelease lets a breaker hold the domain, or a person resume it.
func (w *world) brakeOrRelease() *act {
	brake := !w.braked
	if brake && !w.rarely(6) {
		return nil
	}
	return &act{
		run: func() error {
			return w.db.Write(w.ctx, func(tx *database.Tx) error {
				if err := tx.Gate(w.ctx, true); err != nil {
					return err
				}
				if !brake {
					return w.store.pace.Resume(w.ctx, tx, throttle.DomainScope(modelDomain), "test")
				}
				_, err := w.store.pace.Trip(w.ctx, tx, throttle.DomainScope(modelDomain), throttle.Bounces, "test")
				return err
			})
		},
		then: func() { w.braked = brake },
	}
}

// setLimit lets so many begin an hour, from now on.
func (w *world) setLimit() *act {
	n := int64(max(0, rapid.IntRange(-6, 3).Draw(w.T, "an hour")))
	return &act{
		run: func() error {
			return w.db.Write(w.ctx, func(tx *database.Tx) error {
				_, err := w.store.pace.SetLimit(w.ctx, tx, throttle.CampaignScope(w.campaign), throttle.Limit{PerHour: n})
				return err
			})
		},
		then: func() { w.limit, w.begins = n, nil },
	}
}

// resend sends again what failed or is held.
func (w *world) resend() *act {
	if !w.rarely(3) {
		return nil
	}
	return &act{run: func() error {
		_, err := w.store.ResendFailed(w.ctx, w.campaign)
		if errors.Is(err, ErrState) {
			return nil
		}
		return err
	}}
}

// holdDoubts finds that the relay swallows.
func (w *world) holdDoubts() *act {
	if !w.rarely(4) {
		return nil
	}
	return &act{run: func() error {
		return w.db.Write(w.ctx, func(tx *database.Tx) error { return w.store.HoldDoubts(w.ctx, tx, w.relay) })
	}}
}

// depose lets another scheduler lead; the one before does not know it.
func (w *world) depose() *act {
	return &act{run: func() error {
		w.deposed, w.scheduler = w.scheduler, w.leader()
		return nil
	}}
}

// deposedTicks lets a scheduler act whose lease another has taken: nothing of it holds.
func (w *world) deposedTicks() *act {
	if w.deposed == nil {
		return nil
	}
	return &act{run: func() error {
		before := w.everything()
		if _, err := w.deposed.Tick(w.ctx, true); err != nil && !errors.Is(err, database.ErrStale) {
			return err
		}
		if after := w.everything(); after != before {
			w.Fatalf("a scheduler without the lead changed %s\ninto %s", before, after)
		}
		return nil
	}}
}

// lift ends all that holds the campaign up.
func (w *world) lift() {
	w.write(func(tx *database.Tx) error {
		err := w.store.pace.Resume(w.ctx, tx, throttle.DomainScope(modelDomain), "test")
		if errors.Is(err, database.ErrNotFound) {
			return nil
		}
		return err
	})
}
