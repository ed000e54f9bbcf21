package database_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
)

func TestDB_WritesOfManyGoroutinesAllHappenOrFailAlone(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ctx := context.Background()
		boom := errors.New("boom")
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				err := db.Write(ctx, func(tx *database.Tx) error {
					if _, err := tx.Exec(ctx, `INSERT INTO leases (name, holder, fence, until_ms) VALUES (?, ?, 0, 0)`, fmt.Sprint(i), i); err != nil {
						return err
					}
					switch {
					case i%10 == 3:
						return boom
					case i%10 == 4:
						panic("bang")
					}
					return nil
				})
				if (err != nil) != (i%10 == 3 || i%10 == 4) {
					t.Errorf("write %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		var n int
		if err := db.Get(ctx, &n, `SELECT COUNT(*) FROM leases`); err != nil || n != 48 {
			t.Fatalf("%d rows, %v; want 48", n, err)
		}
		_, err := db.Exec(ctx, `INSERT INTO leases (name, holder, fence, until_ms) VALUES (?, 0, 0, 0)`, "1")
		if !errors.Is(err, database.ErrConflict) {
			t.Fatalf("second row of one name: %v", err)
		}
		if err := db.Get(ctx, &n, `SELECT holder FROM leases WHERE name = ?`, "none"); !errors.Is(err, database.ErrNotFound) {
			t.Fatalf("missing row: %v", err)
		}
	})
}

func TestTx_EachAndFindAnswerRowByRow(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ctx := context.Background()
		names := []string{"a", "b", "c"}
		err := db.Write(ctx, func(tx *database.Tx) error {
			err := tx.Each(ctx, `INSERT INTO leases (name, holder, fence, until_ms) VALUES (?, ?, 0, 0)`, 2,
				func(i int, p *database.Params) { p.Set(names[i], int64(i+7)) }, nil)
			if err != nil {
				return err
			}
			var changed []int64
			err = tx.Each(ctx, `UPDATE leases SET fence = 1 WHERE name = ?`, 3,
				func(i int, p *database.Params) { p.Set(names[i]) }, func(_ int, n int64) { changed = append(changed, n) })
			if err != nil {
				return err
			}
			if fmt.Sprint(changed) != "[1 1 0]" {
				t.Errorf("changed %v", changed)
			}
			var holder int64
			var got [3]int64
			var ok [3]bool
			err = tx.Find(ctx, `SELECT holder FROM leases WHERE name = ?`, 3, func(i int, p *database.Params) { p.Set(names[i]) },
				[]any{&holder}, func(i int, found bool) {
					if ok[i] = found; found {
						got[i] = holder
					}
				})
			if fmt.Sprint(got, ok) != "[7 8 0] [true true false]" {
				t.Errorf("found %v %v", got, ok)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestLease_AStaleHoldersTransactionFails(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ctx := context.Background()
		first, err := db.Acquire(ctx, "leader", 1, 20*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		var second *database.Lease
		for second == nil { // until the first lease has lapsed by the database's clock
			second, err = db.Acquire(ctx, "leader", 2, time.Hour)
			if err != nil && !errors.Is(err, database.ErrConflict) {
				t.Fatal(err)
			}
		}
		write := func(l *database.Lease) error {
			return db.Write(ctx, func(tx *database.Tx) error { return l.Renew(ctx, tx) })
		}
		if err := write(first); !errors.Is(err, database.ErrStale) {
			t.Errorf("stale holder: %v", err)
		}
		if err := write(second); err != nil {
			t.Errorf("holder: %v", err)
		}
	})
}

func TestProcess_IsWrittenOffWhenItLeavesAndIdsNeverRepeat(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ctx := context.Background()
		first, err := database.Join(ctx, db, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		seen := map[int64]bool{}
		for range 10_000 {
			seen[db.NewID()] = true
		}
		if !first.Alive() {
			t.Error("not alive after joining")
		}
		if err := first.Leave(ctx); err != nil {
			t.Fatal(err)
		}
		second, err := database.Join(ctx, db, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = second.Leave(ctx) }()
		for range 10_000 {
			seen[db.NewID()] = true
		}
		if len(seen) != 20_000 {
			t.Errorf("%d different ids of 20000", len(seen))
		}
		err = db.Write(ctx, func(tx *database.Tx) error {
			silent, err := second.Silent(ctx, tx)
			if err != nil || len(silent) != 1 || !silent[0].Proven {
				t.Errorf("silent: %+v, %v", silent, err)
				return err
			}
			return second.Forget(ctx, tx, silent[0])
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// SQLite rolls everything back by itself when its disk is full: nobody whose
// change shared the transaction may be told that it happened, or half happen.
func TestDB_AFullDiskFailsTheWholeGroupAndNothingOfIt(t *testing.T) {
	db := databasetest.New(t)
	ctx := context.Background()
	if _, err := db.Exec(ctx, `CREATE TABLE filler (x TEXT NOT NULL)`); err != nil {
		t.Fatal(err)
	}
	err := db.Write(ctx, func(tx *database.Tx) error {
		var pages int64
		if err := tx.Get(ctx, &pages, `PRAGMA page_count`); err != nil {
			return err
		}
		return tx.Get(ctx, &pages, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages+20))
	})
	if err != nil {
		t.Fatal(err)
	}
	big := string(make([]byte, 3000))
	var wg sync.WaitGroup
	var mu sync.Mutex
	said := 0
	for i := range 64 {
		wg.Go(func() {
			err := db.Write(ctx, func(tx *database.Tx) error {
				_, err := tx.Exec(ctx, `INSERT INTO filler (x) VALUES (?)`, fmt.Sprint(i)+big)
				return err
			})
			if err == nil {
				mu.Lock()
				said++
				mu.Unlock()
			} else if !errors.Is(err, database.ErrUnavailable) {
				t.Errorf("write %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	var there int
	if err := db.Get(ctx, &there, `SELECT COUNT(*) FROM filler`); err != nil || there != said {
		t.Errorf("%d rows are there, %d were said to be; %v", there, said, err)
	}
}

// Whoever asks the pool inside a transaction waits for a second connection
// while the first keeps its locks; tests refuse it, on both engines.
func TestStrict_NobodyAsksThePoolInsideATransaction(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ctx := t.Context()
		var n int
		for name, ask := range map[string]func() error{
			"get":    func() error { return db.Get(ctx, &n, `SELECT COUNT(*) FROM nodes`) },
			"select": func() error { return db.Select(ctx, &[]int{}, `SELECT node FROM nodes`) },
			"exec":   func() error { _, err := db.Exec(ctx, `DELETE FROM nodes WHERE node = -1`); return err },
			"scan":   func() error { return db.Scan(ctx, `SELECT node FROM nodes`, nil, []any{&n}, func() {}) },
		} {
			if err := db.Write(ctx, func(*database.Tx) error { return ask() }); err == nil || !strings.Contains(err.Error(), "inside a transaction") {
				t.Errorf("%s: %v", name, err)
			}
			if err := ask(); err != nil {
				t.Errorf("%s outside: %v", name, err)
			}
		}
		err := db.Write(ctx, func(tx *database.Tx) error { // what the transaction itself has done is seen
			if _, err := tx.Exec(ctx, insertLease, "scanned"); err != nil {
				return err
			}
			names := ""
			err := tx.Scan(ctx, `SELECT name FROM leases WHERE name = ?`, []any{"scanned"}, []any{&names}, func() {})
			if names != "scanned" {
				t.Errorf("found %q", names)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}
