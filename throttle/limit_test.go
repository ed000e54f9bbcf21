package throttle_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/journal"
	"facteur/throttle"
)

func TestLimit_IntervalKeepsBothTheSecondAndTheMinute(t *testing.T) {
	for _, c := range []struct {
		limit throttle.Limit
		want  time.Duration
	}{
		{throttle.Limit{}, 0},
		{throttle.Limit{PerHour: 10, PerDay: 10, Connections: 1}, 0},
		{throttle.Limit{PerSecond: 1}, time.Second},
		{throttle.Limit{PerSecond: 1000}, time.Millisecond},
		{throttle.Limit{PerSecond: 3}, 333334 * time.Microsecond},
		{throttle.Limit{PerSecond: 3_000_000}, time.Microsecond},
		{throttle.Limit{PerMinute: 60}, time.Second},
		{throttle.Limit{PerMinute: 7}, 8571429 * time.Microsecond},
		{throttle.Limit{PerSecond: 10, PerMinute: 60}, time.Second},
		{throttle.Limit{PerSecond: 1, PerMinute: 6000}, time.Second},
	} {
		if got := c.limit.Interval(); got != c.want {
			t.Errorf("%+v: %v, want %v", c.limit, got, c.want)
		}
	}
}

func TestLimit_IntervalNeverLetsMoreThroughThanTheLimit(t *testing.T) {
	for n := int64(1); n <= 5000; n++ {
		if most := int64((time.Second - 1) / (throttle.Limit{PerSecond: n}).Interval()); most >= n {
			t.Fatalf("%d a second: a second has room for %d", n, most+1)
		}
		if most := int64((time.Minute - 1) / (throttle.Limit{PerMinute: n}).Interval()); most >= n {
			t.Fatalf("%d a minute: a minute has room for %d", n, most+1)
		}
	}
}

func write(t *testing.T, db *database.DB, change func(context.Context, *database.Tx) error) error {
	t.Helper()
	return db.Write(t.Context(), func(tx *database.Tx) error { return change(t.Context(), tx) })
}

func TestStore_ReplacesALimit(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := throttle.NewStore(db)
		if l, err := s.Limit(t.Context(), throttle.DefaultScope); err != nil || l != (throttle.Limit{}) {
			t.Errorf("before any was set: %+v, %v", l, err)
		}
		for _, want := range []throttle.Limit{{PerSecond: 1, PerMinute: 2, PerHour: 3, PerDay: 4, Connections: 5}, {PerDay: 6}, {}} {
			err := write(t, db, func(ctx context.Context, tx *database.Tx) error {
				return s.SetLimit(ctx, tx, throttle.DefaultScope, want)
			})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.Limit(t.Context(), throttle.DefaultScope); err != nil || got != want {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
		}
		entries, err := journal.Of(t.Context(), db, "throttle", 0)
		if err != nil || len(entries) != 3 || entries[0].Verb != "limit" {
			t.Errorf("journal: %+v, %v, want each change", entries, err)
		}
	})
}

func TestStore_RefusesALimitThatCannotBe(t *testing.T) {
	db := databasetest.New(t)
	s := throttle.NewStore(db)
	set := func(scope string, l throttle.Limit) error {
		return write(t, db, func(ctx context.Context, tx *database.Tx) error { return s.SetLimit(ctx, tx, scope, l) })
	}
	if err := set("lane:1", throttle.Limit{}); !errors.Is(err, throttle.ErrScope) {
		t.Errorf("unknown scope: %v", err)
	}
	for _, l := range []throttle.Limit{{PerSecond: -1}, {PerMinute: -1}, {PerHour: -1}, {PerDay: -1}, {Connections: -1}} {
		if err := set(throttle.DefaultScope, l); err == nil || !strings.Contains(err.Error(), "-1 is negative") {
			t.Errorf("%+v: %v", l, err)
		}
	}
	if l, err := s.Limit(t.Context(), throttle.DefaultScope); err != nil || l != (throttle.Limit{}) {
		t.Errorf("a refused limit was stored: %+v, %v", l, err)
	}
}
