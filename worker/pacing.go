package worker

import (
	"context"
	"maps"
	"time"

	"facteur/throttle"
)

// pacing is what holds for all lanes, as last read. It is replaced only by a
// reading that says something else.
type pacing struct {
	limits throttle.Limits
	brakes throttle.Brakes
}

// pollEvery is how often a busy worker looks for what others have changed.
const pollEvery = 200 * time.Millisecond

// readPace reads the limits, unless that was done a moment ago.
func (w *Worker) readPace(ctx context.Context) error {
	w.reading.Lock()
	defer w.reading.Unlock()
	if time.Since(w.readAt) < pollEvery/2 {
		return nil
	}
	asked := time.Now()
	limits, err := w.pace.Limits(ctx)
	if err != nil {
		return err
	}
	brakes, err := w.pace.Brakes(ctx)
	if err != nil {
		return err
	}
	was := w.pacing.Load()
	if w.readAt = asked; !limits.Equal(was.limits) || !maps.Equal(brakes, was.brakes) {
		w.pacing.Store(&pacing{limits: limits, brakes: brakes})
	}
	return nil
}

// limits are those of all scopes, at most a moment old where anything is sent.
func (w *Worker) limits() throttle.Limits { return w.pacing.Load().limits }

// held tells whether a breaker holds what a batch sends, as last read.
func (w *Worker) held(campaignID int64, l throttle.Lane) bool {
	reason, _ := w.pacing.Load().brakes.Of(campaignID, l)
	return reason != ""
}
