package worker

import (
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/throttle"
)

// What a begin goes by is kept from commit to commit; whoever changes it is
// heard at the next begin, in this process or another.
func TestBegin_HearsOfTermsThatHaveChanged(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(d *door){
		"nothing":   nil,
		"a breaker": func(d *door) { d.trip(d.delivery.batch.lane.Scope()) },
		"a limit": func(d *door) {
			d.write(func(tx *database.Tx) error {
				_, err := d.pace.SetLimit(d.ctx, tx, throttle.AllScope, throttle.Limit{PerHour: 1})
				d.must(err)
				return d.pace.CountBegins(d.ctx, tx, map[throttle.Begun]int64{{Lane: d.delivery.batch.Lane}: 1})
			})
		},
		"a warm-up": func(d *door) {
			d.delivery.batch.Date = 0 // released when there was none
			d.write(func(tx *database.Tx) error {
				v, err := d.senders.With(tx).DomainByName(d.ctx, "news.example.com")
				d.must(err)
				v.Warmup = "conservative"
				_, err = d.senders.SetWarmup(d.ctx, tx, v)
				return err
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			databasetest.Each(t, func(t *testing.T, db *database.DB) {
				d := newDoor(t, db)
				if name == "a warm-up" {
					d.exec(`UPDATE domains SET warmup = 'none'`)
				}
				d.write(func(tx *database.Tx) (err error) {
					terms, err := d.recorder.terms(d.ctx, tx)
					if err == nil {
						_, err = d.recorder.warm(d.ctx, tx, terms, "news.example.com")
					}
					return err
				})
				d.recorder.known.readAt = time.Now().Add(time.Minute) // only their mark tells
				if change != nil {
					change(d)
				}
				if ok := d.recorder.turn(d.delivery.batch.line, nil, d.delivery); ok != (change == nil) {
					t.Errorf("begun: %v", ok)
				}
			})
		})
	}
}
