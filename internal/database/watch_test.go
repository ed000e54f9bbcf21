package database_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
)

// clocks are a wall clock and one that runs evenly, both moved by hand.
type clocks struct {
	wall time.Time
	even time.Duration
}

func (c *clocks) now() time.Time       { return c.wall }
func (c *clocks) since() time.Duration { return c.even }

// pass lets time go by as it should.
func (c *clocks) pass(d time.Duration) {
	c.wall, c.even = c.wall.Add(d), c.even+d
}

// watched is a database whose clocks the test moves, and its watch. On
// PostgreSQL the server's clock decides, which no test can move; there the
// process's own is the one that jumps.
func watched(t *testing.T) (*clocks, *database.DB, *database.Watch) {
	t.Helper()
	c := &clocks{wall: time.Now(), even: time.Hour}
	db := databasetest.With(t, database.Options{Now: c.now, Since: c.since})
	return c, db, look(t, db)
}

func look(t *testing.T, db *database.DB) *database.Watch {
	t.Helper()
	w, err := database.NewWatch(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func unsteady(t *testing.T, w *database.Watch, words string) {
	t.Helper()
	err := w.Steady()
	if !errors.Is(err, database.ErrUnsteady) || !strings.Contains(err.Error(), words) {
		t.Fatalf("steady: %v; want a doubt with %q", err, words)
	}
}

func steady(t *testing.T, w *database.Watch) {
	t.Helper()
	if err := w.Steady(); err != nil {
		t.Fatal(err)
	}
}

func again(t *testing.T, w *database.Watch) {
	t.Helper()
	if err := w.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestWatch_AJumpIsDoubtedAtOnceAndUntilTheClockHasRunEvenlyForADay(t *testing.T) {
	for name, jump := range map[string]time.Duration{"a year ahead": 365 * 24 * time.Hour, "an hour ahead": time.Hour, "an hour back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			c, _, w := watched(t)
			for range 5 {
				c.pass(10 * time.Minute)
				again(t, w)
			}
			steady(t, w)
			c.wall = c.wall.Add(jump)
			unsteady(t, w, "it was just put") // before anybody has looked
			again(t, w)
			unsteady(t, w, "it was put")
			c.pass(23 * time.Hour)
			again(t, w)
			unsteady(t, w, "POST /clock/confirm")
			c.pass(61 * time.Minute)
			again(t, w)
			steady(t, w)
		})
	}
}

func TestWatch_AMachineThatSleptHasNotJumped(t *testing.T) {
	c, _, w := watched(t)
	c.pass(3 * time.Hour) // of the wall and of the time since boot alike
	steady(t, w)
	again(t, w)
	steady(t, w)
}

func TestWatch_SmallStepsAddUp(t *testing.T) {
	c, _, w := watched(t)
	for range 3 {
		c.wall = c.wall.Add(time.Minute)
		again(t, w)
	}
	unsteady(t, w, "put forward by 3m0s")
}

func TestWatch_AStartIsHeldAgainstTheLastTimeThatTheDatabaseWasTold(t *testing.T) {
	for name, at := range map[string]struct {
		away  time.Duration
		doubt string
	}{
		"after an hour":       {time.Hour, ""},
		"after a weekend":     {60 * time.Hour, ""},
		"behind":              {-time.Hour, "1h0m0s behind the last time that the database was told"},
		"ahead by four days":  {96 * time.Hour, "96h0m0s ahead of the last time that the database was told"},
		"a moment's going by": {-time.Minute, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, db, w := watched(t)
			steady(t, w)
			c.wall = c.wall.Add(at.away)
			w = look(t, db)
			if at.doubt == "" {
				steady(t, w)
				return
			}
			unsteady(t, w, at.doubt)
			// Another start does not make it right, a person does.
			c.pass(time.Minute)
			w = look(t, db)
			unsteady(t, w, at.doubt)
			if err := db.Write(t.Context(), func(tx *database.Tx) error { return w.Confirm(t.Context(), tx) }); err != nil {
				t.Fatal(err)
			}
			again(t, w)
			steady(t, w)
		})
	}
}

func TestWatch_AClockThatComesBackIsDoubtedAnew(t *testing.T) {
	c, db, w := watched(t)
	c.wall = c.wall.AddDate(1, 0, 0)
	again(t, w)
	c.pass(time.Minute)
	c.wall = c.wall.AddDate(-1, 0, 0)
	again(t, w)
	unsteady(t, w, "put back by")
	w = look(t, db) // and after a restart its day is that of now, not of the year ahead
	unsteady(t, w, c.wall.Add(24*time.Hour).UTC().Format("2006-01-02"))
}

func TestWatch_WhatIsSureDoesNotJump(t *testing.T) {
	c, db, w := watched(t)
	start, from := c.wall, c.even
	sure := func(want time.Duration) {
		t.Helper()
		if got := w.Sure(db.Now()).Sub(start); (got - want).Abs() > time.Millisecond {
			t.Fatalf("sure are %s after the start, want %s", got, want)
		}
	}
	ran := func() time.Duration { return c.even - from }
	c.pass(time.Minute)
	sure(ran())
	c.wall = c.wall.AddDate(1, 0, 0)
	sure(ran())
	again(t, w)
	c.pass(time.Minute)
	sure(ran())
	again(t, w)
	w = look(t, db) // a restart
	c.pass(time.Minute)
	sure(ran())
	c.wall = c.wall.AddDate(-1, 0, 0)
	sure(ran())
	again(t, w)
	c.pass(time.Minute)
	sure(ran())
	c.wall = c.wall.Add(-time.Hour)
	sure(ran() - time.Hour)
	again(t, w)
	sure(ran() - time.Hour)
}

func TestWatch_OnPostgreSQLTheServersClockIsTheMeasure(t *testing.T) {
	c := &clocks{wall: time.Now(), even: database.SinceBoot()}
	start, at := c.wall, c.even
	url := databasetest.Postgres(t)
	databasetest.Open(t, url)
	db, err := database.Open(t.Context(), url, database.Options{Now: c.now, Since: c.since})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	run := func() { // both clocks run with the server's
		c.even = database.SinceBoot()
		c.wall = start.Add(c.even - at)
	}
	run()
	w := look(t, db)
	steady(t, w)
	run()
	c.wall = c.wall.Add(5 * time.Minute)
	again(t, w)
	unsteady(t, w, "this host's is 5m0s ahead of the database server's")
	run() // set right, it is trusted at once: another clock bears it out
	again(t, w)
	steady(t, w)
	// The server's own is held against the last that it told.
	if _, err := db.Exec(context.Background(), `UPDATE clock SET seen_at = seen_at + 3600000`); err != nil {
		t.Fatal(err)
	}
	run()
	unsteady(t, look(t, db), "behind the last time that the database was told")
	run()
	again(t, w) // all processes learn of it
	unsteady(t, w, "behind the last time")
}

// A machine that slept for longer than the lease begins nothing when it wakes,
// though Go's monotonic clock has stood still.
func TestProcess_IsNotAliveAfterTheMachineHasSlept(t *testing.T) {
	c := &clocks{wall: time.Now()}
	databasetest.EachWith(t, database.Options{Now: c.now, Since: c.since}, func(t *testing.T, db *database.DB) {
		p, err := database.Join(t.Context(), db, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Leave(context.Background()) })
		if !p.Alive() {
			t.Fatal("not alive after it joined")
		}
		c.pass(database.ProcessTTL - database.ProcessMargin)
		if p.Alive() {
			t.Fatal("alive after it slept for as long as its lease may be trusted")
		}
		p.Renew(t.Context())
		if !p.Alive() {
			t.Fatal("not alive after it renewed")
		}
	})
}

func TestNewID_NeverGoesBackWhateverTheClockDoes(t *testing.T) {
	c := &clocks{wall: time.Now()}
	db := databasetest.At(t, c.now)
	last := db.NewID()
	for _, year := range []int{0, 1, -1, 100, -100, 60, -60, 300} { // 2093 is the last that an id can hold
		c.wall = c.wall.AddDate(year, 0, 0)
		for range 5000 { // more than a millisecond's
			id := db.NewID()
			if id <= last {
				t.Fatalf("%d after %d, in the year %d", id, last, c.wall.Year())
			}
			last = id
		}
	}
}
