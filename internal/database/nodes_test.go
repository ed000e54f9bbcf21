package database_test

import (
	"context"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
)

// peersOf are the processes whose work is to be handed on.
func peersOf(t *testing.T, p *database.Process, db *database.DB) (silent []database.Peer) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *database.Tx) (err error) {
		silent, err = p.Silent(t.Context(), tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return silent
}

func join(t *testing.T, db *database.DB) *database.Process {
	t.Helper()
	p, err := database.Join(context.Background(), db, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func rows(t *testing.T, db *database.DB, where string) (n int) {
	t.Helper()
	if err := db.Get(t.Context(), &n, `SELECT COUNT(*) FROM nodes WHERE `+where); err != nil {
		t.Fatal(err)
	}
	return n
}

// A crash loop, or years of restarts without a scheduler, use no numbers up.
func TestJoin_TakesTheNumberOfWhoeverHasEnded(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ctx, dir := context.Background(), t.TempDir()
		for range 1100 {
			p, err := database.Join(ctx, db, dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Withdraw(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if n := rows(t, db, `node >= 0`); n != 1 {
			t.Errorf("%d rows after starts that failed", n)
		}
		sessions := map[int64]bool{}
		for range 30 { // each may have left work
			p := join(t, db)
			sessions[p.Session()] = true
			if err := p.Leave(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if n := rows(t, db, `node < 1024`); n != 1 {
			t.Errorf("%d numbers are used by processes of which each has ended before the next", n)
		}
		last := join(t, db)
		defer func() { _ = last.Leave(ctx) }()
		silent := peersOf(t, last, db)
		for _, p := range silent {
			if !sessions[p.Session] || !p.Proven {
				t.Errorf("%+v", p)
			}
			delete(sessions, p.Session)
		}
		if len(sessions) != 0 {
			t.Errorf("the work of %d sessions is forgotten", len(sessions))
		}
		err := db.Write(ctx, func(tx *database.Tx) error {
			for _, p := range silent {
				if err := last.Forget(ctx, tx, p); err != nil {
					return err
				}
			}
			return nil
		})
		if n := rows(t, db, `node >= 0`); err != nil || n != 1 {
			t.Errorf("%d rows once all was handed on; %v", n, err)
		}
	})
}

// 1,024 processes that were killed elsewhere, where nobody proves their end.
func TestJoin_TakesAtWorstTheNumberOfTheLongestSilent(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ctx := context.Background()
		err := db.Write(ctx, func(tx *database.Tx) error {
			return tx.Insert(ctx, `INSERT INTO nodes (node, session, host, pid, lock_file, started_at, lease_until, high_ms, gone) VALUES (?, ?, 'elsewhere', 0, '', 0, ?, 5, ?)`, 1024,
				func(i int, p *database.Params) { p.Set(i, int64(1000+i), int64(9000-i), false) })
		})
		if err != nil {
			t.Fatal(err)
		}
		p := join(t, db)
		defer func() { _ = p.Leave(ctx) }()
		if db.Engine() == database.Postgres && db.Node() != 1023 { // on SQLite each of them is known to have ended
			t.Errorf("took number %d", db.Node())
		}
		if silent := peersOf(t, p, db); len(silent) != 1024 {
			t.Errorf("the work of %d of 1024 sessions is handed on", len(silent))
		}
	})
}

// Whoever was silent and wakes up keeps to the ids that it was lent, as its
// number may be another's by then.
func TestNewID_StaysWithinWhatWasLent(t *testing.T) {
	dsn := databasetest.Postgres(t)
	databasetest.Open(t, dsn) // has the tables
	ctx, at := context.Background(), time.Now()
	clock := func() time.Time { return at }
	open := func() *database.DB {
		db, err := database.Open(ctx, dsn, database.Options{Now: clock})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	one, two := open(), open()
	first := join(t, one)
	defer func() { _ = first.Leave(ctx) }()
	if _, err := two.Exec(ctx, `UPDATE nodes SET gone = ?, lease_until = 0`, true); err != nil { // as if it had been written off
		t.Fatal(err)
	}
	second := join(t, two)
	defer func() { _ = second.Leave(ctx) }()
	if one.Node() != two.Node() {
		t.Fatal("the second was to take the number of the first")
	}
	at = at.Add(time.Hour) // both wake up
	seen := map[int64]bool{}
	for range 20_000 {
		seen[one.NewID()], seen[two.NewID()] = true, true
	}
	if len(seen) != 40_000 {
		t.Errorf("%d different ids of 40000", len(seen))
	}
}

// A number is borne only once the commit that lends it has happened.
func TestNewID_BearsNoNumberThatWasNotGot(t *testing.T) {
	dsn := databasetest.Postgres(t)
	one, two := databasetest.Open(t, dsn), databasetest.Open(t, dsn)
	ctx := context.Background()
	first, second := join(t, one), join(t, two)
	defer func() { _ = first.Leave(ctx) }()
	defer func() { _ = second.Leave(ctx) }()
	mine := two.Node()
	for _, q := range []string{
		`UPDATE nodes SET session = 7, lease_until = lease_until + 3600000 WHERE node = 1`, // another's
		`ALTER TABLE nodes ADD CONSTRAINT few CHECK (node < 2)`,
	} {
		if _, err := one.Exec(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	session := second.Session()
	second.Renew(ctx) // would take number 2
	if two.Node() != mine || second.Session() != session {
		t.Errorf("bears number %d after it could not be had, before %d", two.Node(), mine)
	}
	alone, err := database.Open(ctx, dsn, database.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = alone.Close() }()
	defer func() {
		if recover() == nil {
			t.Error("an id without a number")
		}
	}()
	alone.NewID()
}
