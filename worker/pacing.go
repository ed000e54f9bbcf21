package worker

import (
	"context"
	"maps"
	"time"

	"facteur/throttle"
)

// halts is what may not begin, as last read.
type halts struct {
	all       bool
	campaigns map[int64]bool
}

// halted tells whether a campaign's messages may not begin; letters are of campaign 0.
func (w *Worker) halted(campaignID int64) bool {
	h := w.halts.Load()
	return h.all || h.campaigns[campaignID]
}

// pacing is what holds for all lanes, as last read. It is replaced only by a
// reading that says something else.
type pacing struct {
	limits throttle.Limits
	brakes throttle.Brakes
	slowed map[int64]throttle.Slowdown
}

// pollEvery is how often a busy worker looks for what others have changed.
const pollEvery = 200 * time.Millisecond

// readPace reads what holds, unless that was done a moment ago.
func (w *Worker) readPace(ctx context.Context) error {
	w.reading.Lock()
	defer w.reading.Unlock()
	if time.Since(w.readAt) < pollEvery/2 {
		return nil
	}
	return w.readPaceNow(ctx)
}

// repace is what the recorder calls when it has slowed a lane, or refused what
// others have forbidden: that holds at once.
func (w *Worker) repace() {
	w.reading.Lock()
	defer w.reading.Unlock()
	if err := w.readPaceNow(w.closing); err != nil && w.closing.Err() == nil {
		w.log.Warn("read the pace", "error", err)
	}
}

// readPaceNow reads it; under reading.
func (w *Worker) readPaceNow(ctx context.Context) error {
	asked := time.Now()
	limits, err := w.pace.Limits(ctx)
	if err != nil {
		return err
	}
	brakes, err := w.pace.Brakes(ctx)
	if err != nil {
		return err
	}
	slowed, err := w.pace.Slowdowns(ctx)
	if err != nil {
		return err
	}
	halted, all, err := w.campaigns.Halted(ctx)
	if err != nil {
		return err
	}
	w.halts.Store(&halts{all: all, campaigns: halted})
	was := w.pacing.Load()
	if w.readAt = asked; !limits.Equal(was.limits) || !maps.Equal(brakes, was.brakes) || !maps.Equal(slowed, was.slowed) {
		w.pacing.Store(&pacing{limits: limits, brakes: brakes, slowed: slowed})
	}
	return nil
}

// limits are those of all scopes, at most a moment old where anything is sent.
func (w *Worker) limits() throttle.Limits { return w.pacing.Load().limits }

// held tells whether a breaker holds what a batch sends, or answers have
// suspended its lane, as last read.
func (b *batch) held() bool {
	p := b.worker.pacing.Load()
	return p.brakes.Held(b.lane) != "" || b.suspended()
}

// passage names the scopes whose limits a batch's messages pass.
func (b *batch) passage() throttle.Passage {
	return throttle.Passage{Lane: b.lane, CampaignID: b.CampaignID, RelayID: b.line.relay.ID}
}

// gates are the limits that they pass now.
func (b *batch) gates() []throttle.Gate {
	pace, p := b.worker.pacing.Load(), b.passage()
	p.Tenth, p.OwnTenth = pace.brakes.Slow(b.CampaignID, b.lane)
	p.Slow, _, _ = pace.slowed[b.Lane].At(b.worker.db.Now())
	return pace.limits.Gates(p)
}
