package throttle_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/throttle"
)

// Two processes whose begins run side by side never share the last place, of a
// day's cap or of a limit an hour.
func TestCaps_TheLastPlaceIsOfOne(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := throttle.NewStore(db)
		lane := laneID(t, db, s, one)
		var day throttle.WarmupDay
		err := write(t, db, func(ctx context.Context, tx *database.Tx) (err error) {
			if day, err = s.OpenDay(ctx, tx, lane, throttle.Ramp{Steps: []int64{1}}, time.UTC); err != nil {
				return err
			}
			_, err = s.SetLimit(ctx, tx, throttle.AllScope, throttle.Limit{PerHour: 1})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		byDay := func(ctx context.Context, tx *database.Tx) (room int64, err error) {
			q, err := s.Claim(ctx, tx, lane, day.Date)
			if room = q.Room(); err == nil && room > 0 {
				err = s.Use(ctx, tx, lane, day.Date, 1, 0, 0)
			}
			return room, err
		}
		byHour := func(ctx context.Context, tx *database.Tx) (room int64, err error) {
			gate := throttle.Gate{Scope: throttle.AllScope, Limit: throttle.Limit{PerHour: 1}}
			rooms, err := s.Rooms(ctx, tx, map[string]throttle.Gate{gate.Scope: gate})
			if room = rooms[throttle.AllScope].All; err == nil && room > 0 {
				err = s.CountBegins(ctx, tx, map[throttle.Begun]int64{{Lane: lane}: 1})
			}
			return room, err
		}
		for name, take := range map[string]func(context.Context, *database.Tx) (int64, error){"day": byDay, "hour": byHour} {
			var mine, theirs int64
			first, second := databasetest.Overlap(t, db, func(ctx context.Context, tx *database.Tx) (err error) {
				mine, err = take(ctx, tx)
				return err
			}, func() error {
				return write(t, db, func(ctx context.Context, tx *database.Tx) (err error) {
					theirs, err = take(ctx, tx)
					return err
				})
			})
			if err := errors.Join(first, second); err != nil || mine != 1 || theirs != 0 {
				t.Errorf("%s: room for %d, and for %d after it; %v", name, mine, theirs, err)
			}
		}
	})
}

// A day's cap lets nothing through before the day begins and after it has
// ended, whatever is left of it.
func TestClaim_OnlyWhileItsDayLasts(t *testing.T) {
	eachAt(t, func(t *testing.T, db *database.DB, now *time.Time) {
		w := newWarm(t, db, "google")
		day := w.open()
		for _, c := range []struct {
			at   int64
			room int64
		}{{day.From - 1, 0}, {day.From, day.Cap}, {day.Until - 1, day.Cap}, {day.Until, 0}} {
			*now = time.UnixMilli(c.at)
			err := write(t, db, func(ctx context.Context, tx *database.Tx) error {
				q, err := w.s.Claim(ctx, tx, w.lane, day.Date)
				if err == nil && q.Room() != c.room {
					t.Errorf("at %s: room for %d, want %d", now.UTC(), q.Room(), c.room)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}
