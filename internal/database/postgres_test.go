package database_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"

	"github.com/jmoiron/sqlx"
)

const insertLease = `INSERT INTO leases (name, holder, fence, until_ms) VALUES (?, 0, 0, 0)`

// Whoever may not log in for a moment has not been told anything about a row.
func TestPostgres_IsUnavailableForWhateverReasonItRefusesAConnection(t *testing.T) {
	dsn, name, super := databasetest.Plain(t)
	elsewhere, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	db, ctx := databasetest.Open(t, dsn), context.Background()
	outside, err := sqlx.Connect("pgx", os.Getenv("FACTEUR_TEST_POSTGRES_URL"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = outside.Close() }()
	for _, c := range []struct{ why, refuse, allow string }{
		{"no login", `ALTER ROLE ` + name + ` NOLOGIN`, `ALTER ROLE ` + name + ` LOGIN`},
		{"closed database", `ALTER DATABASE ` + name + ` ALLOW_CONNECTIONS false`, `ALTER DATABASE ` + name + ` ALLOW_CONNECTIONS true`},
		{"too many connections", `ALTER ROLE ` + name + ` CONNECTION LIMIT 0`, `ALTER ROLE ` + name + ` CONNECTION LIMIT -1`},
		{"commits that are forgotten", `ALTER ROLE ` + name + ` SET synchronous_commit = off`, `ALTER ROLE ` + name + ` RESET synchronous_commit`},
		{"a setting that the server does not take", `ALTER ROLE ` + name + ` SET session_replication_role = replica`, `ALTER ROLE ` + name + ` RESET session_replication_role`},
		{"frozen", `ALTER DATABASE ` + name + ` SET default_transaction_read_only = on`, `ALTER DATABASE ` + name + ` RESET default_transaction_read_only`},
		{"no such table", `ALTER DATABASE ` + name + ` SET search_path = elsewhere`, `ALTER DATABASE ` + name + ` RESET search_path`},
	} {
		if _, err := outside.Exec(c.refuse); err != nil {
			t.Fatal(err)
		}
		databasetest.Cut(t, super, name)
		for range 3 {
			if _, err := db.Exec(ctx, insertLease, c.why); !errors.Is(err, database.ErrUnavailable) {
				t.Errorf("%s: %v", c.why, err)
			}
		}
		if _, err := outside.Exec(c.allow); err != nil {
			t.Fatal(err)
		}
		databasetest.Cut(t, super, name)
		var written error
		for range 25 { // each try uses up at most one connection that was cut
			if _, written = db.Exec(ctx, insertLease, c.why); written == nil {
				break
			}
		}
		if written != nil {
			t.Errorf("%s, and allowed again: %v", c.why, written)
		}
	}
	elsewhere.Path = "/nowhere"
	if _, err := database.Open(ctx, elsewhere.String(), database.Options{}); !errors.Is(err, database.ErrUnavailable) {
		t.Errorf("no such database: %v", err)
	}
}

// What the engines say about a row is told apart from what they say about themselves.
func TestDB_TellsARefusedRowFromADatabaseThatIsAway(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ctx := context.Background()
		if _, err := db.Exec(ctx, `CREATE TABLE picky (n BIGINT NOT NULL CHECK (n > 0))`); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(ctx, `INSERT INTO picky (n) VALUES (?)`, -1); !errors.Is(err, database.ErrRefused) || errors.Is(err, database.ErrUnavailable) {
			t.Errorf("a row against a constraint: %v", err)
		}
		if _, err := db.Exec(ctx, insertLease, "one"); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(ctx, insertLease, "one"); !errors.Is(err, database.ErrConflict) || errors.Is(err, database.ErrUnavailable) {
			t.Errorf("a key that is taken: %v", err)
		}
	})
}

// PostgreSQL answers a COMMIT after a failed statement with ROLLBACK, and calls that no error.
func TestDB_WhatWasRolledBackIsNotCalledWritten(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ctx := context.Background()
		err := db.Write(ctx, func(tx *database.Tx) error {
			if _, err := tx.Exec(ctx, insertLease, "kept"); err != nil {
				return err
			}
			_, _ = tx.Exec(ctx, insertLease, "kept") // refused, and not looked at
			return nil
		})
		var n int
		if again := db.Get(ctx, &n, `SELECT COUNT(*) FROM leases WHERE name = 'kept'`); again != nil || (n == 1) != (err == nil) {
			t.Errorf("%d rows are there; %v, %v", n, err, again)
		}
	})
}

// An opt-out that was committed before a begin wins, whatever the database's
// default is: who waited for the gate must read what is true after the wait.
func TestTx_ReadsAfterTheGateWhatWasCommittedBeforeIt(t *testing.T) {
	dsn, name, super := databasetest.Plain(t)
	databasetest.Open(t, dsn) // has the tables
	for _, level := range []string{"read committed", "repeatable read", "serializable"} {
		t.Run(level, func(t *testing.T) {
			databasetest.Do(t, super, `ALTER DATABASE `+name+` SET default_transaction_isolation = '`+level+`'`)
			ctx := context.Background()
			db, err := database.Open(ctx, dsn, database.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			holds, waits := make(chan struct{}), make(chan error, 1)
			saw := 0
			go func() {
				<-holds
				waits <- db.Write(ctx, func(tx *database.Tx) error {
					if err := tx.Gate(ctx, false); err != nil {
						return err
					}
					return tx.Get(ctx, &saw, `SELECT COUNT(*) FROM leases WHERE name = ?`, level)
				})
			}()
			err = db.Write(ctx, func(tx *database.Tx) error {
				if err := tx.Gate(ctx, true); err != nil {
					return err
				}
				close(holds)
				for waiting := 0; waiting == 0; { // until the other stands at the gate
					if err := super.Get(&waiting, `SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = $1)`, name); err != nil {
						return err
					}
				}
				_, err := tx.Exec(ctx, insertLease, level)
				return err
			})
			if err = errors.Join(err, <-waits); err != nil || saw != 1 {
				t.Errorf("the begin saw %d noes; %v", saw, err)
			}
		})
	}
}

func TestOpen_RefusesAServerThatDoesNotPromiseWhatTheLawsRestOn(t *testing.T) {
	for setting, c := range map[string]struct{ undo, want string }{
		`synchronous_commit = off`:           {`synchronous_commit`, "synchronous_commit is off"},
		`default_transaction_read_only = on`: {`default_transaction_read_only`, "default_transaction_read_only"},
	} {
		dsn, name, super := databasetest.Plain(t)
		databasetest.Do(t, super, `ALTER ROLE `+name+` SET `+setting)
		if db, err := database.Open(t.Context(), dsn, database.Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", setting, err)
			if db != nil {
				_ = db.Close()
			}
		}
	}
	dsn, name, super := databasetest.Plain(t)
	databasetest.Do(t, super, `ALTER ROLE `+name+` SET statement_timeout = '1ms'`, `ALTER ROLE `+name+` SET lock_timeout = '1ms'`)
	db, err := database.Open(t.Context(), dsn, database.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var limits string
	if err := db.Get(t.Context(), &limits, `SELECT current_setting('statement_timeout') || current_setting('lock_timeout') || current_setting('row_security')`); err != nil || limits != "00off" {
		t.Errorf("limits and policies of the role: %s, %v", limits, err)
	}
}

// A partition swallows what is said and closes nothing.
func TestDB_CutsWhatGetsNoAnswer(t *testing.T) {
	wire := databasetest.NewWire(t, databasetest.Postgres(t))
	databasetest.Open(t, wire.URL) // has the tables
	db, err := database.Open(t.Context(), wire.URL, database.Options{Limit: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ctx, holder := context.Background(), 0
	err = db.Write(ctx, func(tx *database.Tx) error {
		if _, err := tx.Exec(ctx, insertLease, "lost"); err != nil {
			return err
		}
		wire.Hold()
		_, err := tx.Exec(ctx, insertLease, "lost too")
		return err
	})
	if !errors.Is(err, database.ErrUnavailable) {
		t.Errorf("a transaction without an answer: %v", err)
	}
	if err := db.Get(ctx, &holder, `SELECT COUNT(*) FROM leases`); !errors.Is(err, database.ErrUnavailable) {
		t.Errorf("a read without an answer: %v", err)
	}
	wire.Pass()
	for err = database.ErrUnavailable; errors.Is(err, database.ErrUnavailable); {
		err = db.Get(ctx, &holder, `SELECT COUNT(*) FROM leases`)
	}
	if err != nil || holder != 0 {
		t.Errorf("%d rows of the cut transaction are there; %v", holder, err)
	}
}
