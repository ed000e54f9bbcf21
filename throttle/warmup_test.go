package throttle_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/journal"
	"facteur/throttle"
)

func TestDate_FollowsTheZone(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at    string
		date  string
		hours float64
	}{
		{"2026-03-28T22:59:59Z", "2026-03-28", 24},
		{"2026-03-28T23:00:00Z", "2026-03-29", 23}, // clocks are put forward
		{"2026-10-25T12:00:00Z", "2026-10-25", 25},
		{"2026-11-27T23:30:00Z", "2026-11-28", 24},
	} {
		at, _ := time.Parse(time.RFC3339, c.at)
		date, from, until := throttle.Date(at, paris)
		if got := throttle.DayTime(date).Format(time.DateOnly); got != c.date || until.Sub(from).Hours() != c.hours || at.Before(from) || !at.Before(until) {
			t.Errorf("%s: %s from %s to %s", c.at, got, from, until)
		}
	}
}

// warm is a lane that warms up under a clock of the test's.
type warm struct {
	t    *testing.T
	db   *database.DB
	s    *throttle.Store
	lane int64
}

func newWarm(t *testing.T, db *database.DB, provider string) *warm {
	s := throttle.NewStore(db)
	return &warm{t, db, s, laneID(t, db, s, throttle.Lane{Domain: "a.example", Provider: provider})}
}

func (w *warm) open() (d throttle.WarmupDay) {
	w.t.Helper()
	err := write(w.t, w.db, func(ctx context.Context, tx *database.Tx) (err error) {
		d, err = w.s.OpenDay(ctx, tx, w.lane, throttle.Conservative(), time.UTC)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// begin begins as many of n as the day's cap lets through.
func (w *warm) begin(date, n int64) (begun int64) {
	w.t.Helper()
	err := write(w.t, w.db, func(ctx context.Context, tx *database.Tx) error {
		quota, err := w.s.Claim(ctx, tx, w.lane, date)
		if begun = min(quota.Room(), n); err != nil || begun == 0 {
			return err
		}
		return w.s.Use(ctx, tx, w.lane, date, begun, 0, 0)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return begun
}

func TestWarmup_OpensEachDayOnce(t *testing.T) {
	eachAt(t, func(t *testing.T, db *database.DB, now *time.Time) {
		w := newWarm(t, db, "google")
		first := w.open()
		if first.Cap != 50 || first.Verdict != throttle.Begins || w.open() != first {
			t.Errorf("first day: %+v", first)
		}
		if n := w.begin(first.Date, 48); n != 48 {
			t.Errorf("began %d of 48", n)
		}
		if n := w.begin(first.Date, 10); n != 2 {
			t.Errorf("began %d, want the 2 that are left", n)
		}
		*now = now.Add(24 * time.Hour)
		if n := w.begin(first.Date, 1); n != 0 {
			t.Error("a mail began on a day that is over")
		}
		second := w.open()
		if second.Cap != 100 || second.Verdict != throttle.Up || second.Number != 1 {
			t.Errorf("second day: %+v", second)
		}
		*now = now.Add(-24 * time.Hour) // a clock that goes back finds yesterday as it was
		if n := w.begin(second.Date, 1); n != 0 {
			t.Error("a mail began on a day that has not come")
		}
		if again := w.open(); again.Used != 50 || w.begin(again.Date, 1) != 0 {
			t.Errorf("yesterday again: %+v", again)
		}
		*now = now.Add(48 * time.Hour) // nothing was sent yesterday: it is no sending day
		if third := w.open(); third.Number != 1 || third.Cap != 100 {
			t.Errorf("third day: %+v", third)
		}
		*now = now.Add(40 * 24 * time.Hour)
		if late := w.open(); late.Verdict != throttle.Again || late.Cap != 50 {
			t.Errorf("after 40 days: %+v", late)
		}
		days, err := w.s.History(t.Context(), w.lane, 0)
		if err != nil || len(days) != 4 {
			t.Errorf("history: %+v, %v", days, err)
		}
		if today, err := w.s.Todays(t.Context(), now.UnixMilli()); err != nil || len(today) != 1 || today[w.lane].Verdict != throttle.Again {
			t.Errorf("today: %+v, %v", today, err)
		}
		entries, err := journal.Of(t.Context(), db, "lane", w.lane)
		if err != nil || len(entries) != 4 || entries[1].Verb != "warmup-up" {
			t.Errorf("journal: %+v, %v", entries, err)
		}
	})
}

func TestWarmup_HoldsAfterBounces(t *testing.T) {
	eachAt(t, func(t *testing.T, db *database.DB, now *time.Time) {
		w := newWarm(t, db, "yahoo")
		for _, c := range []struct {
			hard    int64
			verdict throttle.Verdict
			cap     int64
		}{{0, throttle.Begins, 50}, {4, throttle.Up, 100}, {5, throttle.Held, 100}, {0, throttle.Back, 50}} {
			d := w.open()
			if d.Verdict != c.verdict || d.Cap != c.cap {
				t.Errorf("on %s: %+v, want %s with %d", now.Format(time.DateOnly), d, c.verdict, c.cap)
			}
			err := write(t, db, func(ctx context.Context, tx *database.Tx) error {
				tally := throttle.RateTally{}
				tally.Add(throttle.Rated{CampaignID: 1, Lane: w.lane, Hour: throttle.Hour(*now)}, throttle.Outcomes{Accepted: 50 - c.hard, Refused: c.hard})
				return w.s.CountRates(ctx, tx, tally)
			})
			if err != nil {
				t.Fatal(err)
			}
			w.begin(d.Date, 50)
			*now = now.Add(24 * time.Hour)
		}
	})
}

func TestClaim_OfADayThatNobodyOpened(t *testing.T) {
	db := databasetest.New(t)
	err := write(t, db, func(ctx context.Context, tx *database.Tx) error {
		_, err := throttle.NewStore(db).Claim(ctx, tx, 1, 20000)
		return err
	})
	if !errors.Is(err, database.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestWarmup_ADayThatAJumpingClockOpenedGetsItsStepWhenItComes(t *testing.T) {
	eachAt(t, func(t *testing.T, db *database.DB, now *time.Time) {
		w := newWarm(t, db, "google")
		w.begin(w.open().Date, 50)
		first := *now
		*now = first.AddDate(0, 0, 3)
		early := w.open()
		if early.Cap != 100 || w.begin(early.Date, 70) != 70 {
			t.Errorf("by a clock put forward: %+v", early)
		}
		*now = first
		for i, want := range []int64{50, 100, 250, 500} {
			*now = first.AddDate(0, 0, i)
			d := w.open()
			if d.Cap != want {
				t.Errorf("day %d: %+v, want a cap of %d", i, d, want)
			}
			if i > 0 && i < 3 {
				w.begin(d.Date, d.Cap)
			}
			if i == 3 && w.begin(d.Date, 1000) != 430 {
				t.Errorf("day %d: what was used too early is used", i)
			}
		}
	})
}

// The day that is under way ends first, and a date that was over by the zone
// before it has no second cap.
func TestOpenDay_AZoneThatIsChangedGivesNoSecondCap(t *testing.T) {
	now := time.Date(2026, 11, 27, 20, 0, 0, 0, time.UTC)
	databasetest.EachAt(t, func() time.Time { return now }, func(t *testing.T, db *database.DB) {
		now = time.Date(2026, 11, 27, 20, 0, 0, 0, time.UTC)
		w := newWarm(t, db, "google")
		in := func(zone string) throttle.WarmupDay {
			t.Helper()
			z, err := time.LoadLocation(zone)
			if err != nil {
				t.Fatal(err)
			}
			var d throttle.WarmupDay
			if err := write(t, db, func(ctx context.Context, tx *database.Tx) (err error) {
				d, err = w.s.OpenDay(ctx, tx, w.lane, throttle.Conservative(), z)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return d
		}
		day := in("UTC")
		if err := write(t, db, func(ctx context.Context, tx *database.Tx) error {
			return w.s.Use(ctx, tx, w.lane, day.Date, 50, 0, 0)
		}); err != nil {
			t.Fatal(err)
		}
		if d := in("Pacific/Auckland"); d.Date != day.Date || d.Quota(0).Left() != 0 { // there it is the 28th
			t.Errorf("the day in Auckland: %+v", d)
		}
		now = now.Add(5 * time.Hour) // the 28th in UTC, the 27th in Los Angeles
		if d := in("America/Los_Angeles"); d.Quota(0).Left() != 0 {
			t.Errorf("the day in Los Angeles: %+v", d)
		}
		if d := in("Pacific/Auckland"); d.Date != day.Date+1 || d.Cap != 100 {
			t.Errorf("the next day: %+v", d)
		}
	})
}
