package database_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"

	"github.com/jmoiron/sqlx"
)

// Behind a disk that does not answer nobody waits for longer than they want,
// and what was withdrawn never happens.
func TestSQLite_AWaitingChangeIsWithdrawnWithItsContext(t *testing.T) {
	db, ctx := databasetest.New(t), context.Background()
	stands, goOn, first := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		first <- db.Write(ctx, func(*database.Tx) error { close(stands); <-goOn; return nil })
	}()
	<-stands
	short, cancel := context.WithCancel(ctx)
	cancelled := make(chan error, 1)
	go func() { _, err := db.Exec(short, insertLease, "withdrawn"); cancelled <- err }()
	cancel()
	if err := <-cancelled; !errors.Is(err, context.Canceled) {
		t.Errorf("withdrawn: %v", err)
	}
	close(goOn)
	var n int
	if err := errors.Join(<-first, db.Get(ctx, &n, `SELECT COUNT(*) FROM leases`)); err != nil || n != 0 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// A connection that was left in a transaction, or out of it, is not used again as it is.
func TestSQLite_AChangeThatEndsTheTransactionSpoilsNothing(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ctx := context.Background()
		for _, ends := range []string{`ROLLBACK`, `COMMIT`} {
			_ = db.Write(ctx, func(tx *database.Tx) error { _, err := tx.Exec(ctx, ends); return err })
			if _, err := db.Exec(ctx, insertLease, ends); err != nil {
				t.Errorf("after %s: %v", ends, err)
			}
		}
	})
}

func TestSQLite_SaysWhatToDoWhenAnotherProgramHoldsTheFile(t *testing.T) {
	dsn := databasetest.SQLite(t)
	db, ctx := databasetest.Open(t, dsn), context.Background()
	other, err := sqlx.Connect("sqlite3", strings.TrimPrefix(dsn, "sqlite:")+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(ctx, insertLease, "x"); !errors.Is(err, database.ErrUnavailable) || !strings.Contains(err.Error(), "fuser") {
		t.Errorf("another program holds the file: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(ctx, insertLease, "x"); err != nil {
		t.Error(err)
	}
}

// Law 10: with less than FULL a power cut would forget commits that were
// answered; without a WAL readers would wait for the writer.
func TestSQLite_CommitsAreDurable(t *testing.T) {
	db := databasetest.New(t)
	err := db.Write(t.Context(), func(tx *database.Tx) error {
		var synchronous int
		var mode string
		if err := tx.Get(t.Context(), &synchronous, `PRAGMA synchronous`); err != nil {
			return err
		}
		if err := tx.Get(t.Context(), &mode, `PRAGMA journal_mode`); err != nil {
			return err
		}
		if synchronous != 2 || mode != "wal" {
			t.Errorf("synchronous %d, journal %s: want 2 (FULL) and wal", synchronous, mode)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
