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
		if _, l, err := s.Limit(t.Context(), throttle.DefaultScope); err != nil || l != (throttle.Limit{}) {
			t.Errorf("before any was set: %+v, %v", l, err)
		}
		for _, want := range []throttle.Limit{{PerSecond: 1, PerMinute: 2, PerHour: 3, PerDay: 4, Connections: 5}, {PerDay: 6}, {}} {
			setLimit(t, db, s, throttle.DefaultScope, want)
			if _, got, err := s.Limit(t.Context(), throttle.DefaultScope); err != nil || got != want {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
		}
		entries, err := journal.Of(t.Context(), db, "throttle", 0)
		if err != nil || len(entries) != 3 || entries[0].Verb != "limit" {
			t.Errorf("journal: %+v, %v, want each change", entries, err)
		}
	})
}

func setLimit(t *testing.T, db *database.DB, s *throttle.Store, scope string, l throttle.Limit) {
	t.Helper()
	err := write(t, db, func(ctx context.Context, tx *database.Tx) error {
		_, err := s.SetLimit(ctx, tx, scope, l)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStore_RefusesALimitThatCannotBe(t *testing.T) {
	db := databasetest.New(t)
	s := throttle.NewStore(db)
	set := func(scope string, l throttle.Limit) error {
		return write(t, db, func(ctx context.Context, tx *database.Tx) error {
			_, err := s.SetLimit(ctx, tx, scope, l)
			return err
		})
	}
	for scope, why := range map[string]string{
		"": "no such scope", "lanes": "no such scope", "relay": "no such scope", "pool:7": "no such scope", "relay:x": "is no id", "relay:0": "is no id", "campaign:-3": "is no id",
		"provider:nobody": "is unknown", "domain:a b": "is no domain", "domain:a.example/google": "no slash", "lane:a.example": "is unknown", "lane:a.example/nobody": "is unknown", "lane:/google": "is no domain",
	} {
		if err := set(scope, throttle.Limit{}); !errors.Is(err, throttle.ErrScope) || !strings.Contains(err.Error(), why) {
			t.Errorf("scope %q: %v, want %q", scope, err, why)
		}
	}
	for _, l := range []throttle.Limit{{PerSecond: -1}, {PerMinute: -1}, {PerHour: -1}, {PerDay: -1}, {Connections: -1}} {
		if err := set(throttle.DefaultScope, l); err == nil || !strings.Contains(err.Error(), "-1 is negative") {
			t.Errorf("%+v: %v", l, err)
		}
	}
	if all, err := s.Limits(t.Context()); err != nil || len(all.Scopes()) != 0 {
		t.Errorf("a refused limit was stored: %+v, %v", all, err)
	}
}

func TestStore_HasOneSpellingOfAScope(t *testing.T) {
	db := databasetest.New(t)
	s := throttle.NewStore(db)
	setLimit(t, db, s, "lane:Bücher.Example/google", throttle.Limit{PerSecond: 3})
	scope, l, err := s.Limit(t.Context(), "lane:xn--bcher-kva.example/google")
	if err != nil || scope != "lane:xn--bcher-kva.example/google" || l.PerSecond != 3 {
		t.Errorf("got %s %+v, %v", scope, l, err)
	}
}

func TestLimits_ALaneTakesTheFirstThatIsSet(t *testing.T) {
	db := databasetest.New(t)
	s := throttle.NewStore(db)
	lane := throttle.Lane{Domain: "a.example", Provider: "google"}
	for _, step := range []struct {
		scope string
		limit throttle.Limit
	}{{"default", throttle.Limit{PerSecond: 1}}, {"provider:google", throttle.Limit{PerSecond: 2}}, {lane.Scope(), throttle.Limit{}}} {
		setLimit(t, db, s, step.scope, step.limit)
		all, err := s.Limits(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, from := all.Lane(lane); got != step.limit || from != step.scope {
			t.Errorf("got %+v from %s, want that of %s", got, from, step.scope)
		}
		if got, from := all.Lane(throttle.Lane{Domain: "a.example", Provider: "yahoo"}); got.PerSecond != 1 || from != "default" {
			t.Errorf("another lane: %+v from %s", got, from)
		}
	}
	if err := write(t, db, func(ctx context.Context, tx *database.Tx) error { return s.DropLimit(ctx, tx, lane.Scope()) }); err != nil {
		t.Fatal(err)
	}
	if all, _ := s.Limits(t.Context()); len(all.Gates(throttle.Passage{Lane: lane, RelayID: 5, CampaignID: 6})) != 1 {
		t.Errorf("gates: %+v, want the lane's alone", all.Gates(throttle.Passage{Lane: lane, RelayID: 5, CampaignID: 6}))
	}
	for _, scope := range []string{"all", "relay:5", "campaign:6", "domain:a.example"} {
		setLimit(t, db, s, scope, throttle.Limit{PerMinute: 60})
	}
	all, err := s.Limits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	gates := all.Gates(throttle.Passage{Lane: lane, RelayID: 5, CampaignID: 6, Slow: throttle.Limit{PerMinute: 6}})
	if len(gates) != 5 || throttle.Interval(gates) != 10*time.Second {
		t.Errorf("gates: %+v, want five, the slowest at one in 10 s", gates)
	}
}

func TestLimit_ATenth(t *testing.T) {
	for _, c := range [][2]throttle.Limit{
		{{}, {PerMinute: 600}},
		{{PerSecond: 20}, {PerMinute: 120}},
		{{PerSecond: 1, PerDay: 1000, Connections: 5}, {PerMinute: 6, PerDay: 100, Connections: 1}},
		{{PerMinute: 5}, {PerMinute: 1}},
		{{PerSecond: 10, PerMinute: 60}, {PerMinute: 6}},
	} {
		if got := c[0].Tenth(); got != c[1] {
			t.Errorf("a tenth of %+v: %+v, want %+v", c[0], got, c[1])
		}
	}
}
