package worker

import "time"

// Clocks of processes may differ by so much, see [database.Watch]: around
// midnight, or when a calendar opens or a wait ends, the scheduler's says that
// it is time, and ours that it is not. What has to wait for less goes back
// after a pause, or it would be cut and given back as fast as the machine can.
const (
	skew       = 2 * time.Minute
	earlyPause = time.Second
)

// today tells whether it still is the day of whose cap its members are reserved.
func (b *batch) today() bool {
	now := b.worker.db.Now().UnixMilli()
	return b.Date == 0 || b.From <= now && now < b.Until
}

// suspended tells whether a provider's answers have suspended its lane, by our clock.
func (b *batch) suspended() bool {
	_, suspended, _ := b.worker.pacing.Load().slowed[b.Lane].At(b.worker.db.Now())
	return !suspended.IsZero()
}

// pause waits for a while before something goes back that may be tried again
// at a time which another clock may show already.
func (b *batch) pause(until time.Time) {
	if wait := until.Sub(b.worker.db.Now()); wait < skew {
		b.sleep(b.worker.db.Since() + earlyPause)
	}
}
