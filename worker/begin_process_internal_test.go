package worker

import (
	"sync/atomic"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending"
)

// A process that could not renew its lease in time begins nothing, neither a
// delivery nor a letter: others have taken over what it held.
func TestBegin_OfAProcessThatIsWrittenOffIsRefused(t *testing.T) {
	t.Parallel()
	for _, silent := range []time.Duration{0, database.ProcessTTL - database.ProcessMargin} {
		var passed atomic.Int64 // since the last renewal
		since := func() time.Duration { return database.SinceBoot() + time.Duration(passed.Load()) }
		databasetest.EachWith(t, database.Options{Since: since}, func(t *testing.T, db *database.DB) {
			passed.Store(0)
			d := newDoor(t, db)
			m := d.letterAt(sending.AccessLetter)
			d.must(d.process.Leave(d.ctx)) // it renews no more, and does not know that it has ended
			passed.Store(int64(silent))
			if ok := d.recorder.turn(d.delivery.batch.line, nil, d.delivery); ok != (silent == 0) {
				t.Errorf("a delivery, %s after the last renewal: begun is %v", silent, ok)
			}
			if ok := d.recorder.turn(m.line, nil, m); ok != (silent == 0) {
				t.Errorf("a letter, %s after the last renewal: begun is %v", silent, ok)
			}
		})
	}
}
