package throttle_test

import (
	"context"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/migrations"
	"facteur/throttle"
)

// eachAt is databasetest.Each with a clock of the test's own.
func eachAt(t *testing.T, test func(t *testing.T, db *database.DB, now *time.Time)) {
	for name, url := range map[string]func(testing.TB) string{"SQLite": databasetest.SQLite, "PostgreSQL": databasetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
			db, err := database.Open(t.Context(), url(t), database.Options{Alone: true, Now: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			if err := migrations.Up(t.Context(), db); err != nil {
				t.Fatal(err)
			}
			test(t, db, &now)
		})
	}
}

// roomOf is the room of a lane under a limit.
func roomOf(t *testing.T, s *throttle.Store, lane throttle.Lane, l throttle.Limit, reserved int64) (int64, error) {
	t.Helper()
	u, err := s.Usage(t.Context())
	return u.Through(throttle.Gate{Scope: lane.Scope(), Limit: l}).Room(l, reserved), err
}

var one, another = throttle.Lane{Domain: "a.example", Provider: "google"}, throttle.Lane{Domain: "a.example", Provider: "yahoo"}

func TestRoom_CountsWholeHoursAndDaysOfAnyStart(t *testing.T) {
	eachAt(t, func(t *testing.T, db *database.DB, now *time.Time) {
		s := throttle.NewStore(db)
		lane := laneID(t, db, s, one)
		limit := throttle.Limit{PerHour: 100, PerDay: 250}
		begin := func(n int64) {
			t.Helper()
			if err := write(t, db, func(ctx context.Context, tx *database.Tx) error {
				return s.CountBegins(ctx, tx, map[throttle.Begun]int64{{Lane: lane, CampaignID: 7, RelayID: 3}: n})
			}); err != nil {
				t.Fatal(err)
			}
		}
		room := func(reserved, want int64) {
			t.Helper()
			got, err := roomOf(t, s, one, limit, reserved)
			if err != nil || got != want {
				t.Fatalf("at %s: room %d, %v, want %d", now.Format("2 Jan 15:04:05"), got, err, want)
			}
		}
		room(0, 100)
		room(30, 70)
		room(130, 0)
		begin(40)
		begin(20) // the same minute
		room(0, 40)
		room(10, 30)
		*now = now.Add(30 * time.Minute)
		begin(40)
		room(0, 0)
		*now = now.Add(30 * time.Minute) // an hour after the first: their minute counts as a whole
		room(0, 0)
		*now = now.Add(time.Minute)
		room(0, 60)
		*now = now.Add(time.Hour)
		room(0, 100)
		begin(100)
		*now = now.Add(2 * time.Hour)
		room(0, 50) // the day's
		begin(80)   // more than there was room for, as of a limit that was lowered
		room(0, 0)
		*now = now.Add(24 * time.Hour)
		room(0, 100)
		*now = now.Add(-4*time.Hour - time.Minute) // a day after the first: their minute counts as a whole
		room(0, 0)
		*now = now.Add(time.Minute)
		room(0, 30)

		if got, err := roomOf(t, s, another, limit, 0); err != nil || got != 100 {
			t.Errorf("another lane: %d, %v, want 100", got, err)
		}
		if got, err := roomOf(t, s, one, throttle.Limit{PerSecond: 1}, 7); err != nil || got != throttle.Unlimited {
			t.Errorf("no limit an hour or day: %d, %v", got, err)
		}
	})
}

func TestPruneMinutes_KeepsWhatAWindowReaches(t *testing.T) {
	eachAt(t, func(t *testing.T, db *database.DB, now *time.Time) {
		s := throttle.NewStore(db)
		lane := laneID(t, db, s, one)
		if err := write(t, db, func(ctx context.Context, tx *database.Tx) error {
			return s.CountBegins(ctx, tx, map[throttle.Begun]int64{{Lane: lane}: 5})
		}); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			after time.Duration
			want  int64
		}{{24 * time.Hour, 5}, {24*time.Hour + time.Minute, 10}} {
			start := *now
			*now = now.Add(c.after)
			if err := s.PruneMinutes(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, err := roomOf(t, s, one, throttle.Limit{PerDay: 10}, 0); err != nil || got != c.want {
				t.Errorf("%v later: room %d, %v, want %d", c.after, got, err, c.want)
			}
			*now = start
		}
	})
}

func TestLimit_IsCountedByTheHourOrDayOnly(t *testing.T) {
	for _, l := range []throttle.Limit{{PerHour: 1}, {PerDay: 1}} {
		if !l.Counted() {
			t.Errorf("%+v is not counted", l)
		}
	}
	if (throttle.Limit{PerSecond: 1, PerMinute: 1, Connections: 1}).Counted() {
		t.Error("seconds, minutes and connections are counted in the database")
	}
}
