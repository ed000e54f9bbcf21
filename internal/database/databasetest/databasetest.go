// Package databasetest gives tests a fresh, migrated database of each engine.
package databasetest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/migrations"

	"github.com/jmoiron/sqlx"
)

// Each runs the test on SQLite and, where FACTEUR_TEST_POSTGRES_URL names a
// server, on PostgreSQL. "make test" starts one; with CI=true it must be there.
func Each(t *testing.T, test func(t *testing.T, db *database.DB)) {
	EachWith(t, database.Options{}, test)
}

// EachAt is [Each] with a clock of the test's own.
func EachAt(t *testing.T, now func() time.Time, test func(t *testing.T, db *database.DB)) {
	EachWith(t, database.Options{Now: now}, test)
}

// EachWith is [Each] with options, such as both clocks of the test's own.
func EachWith(t *testing.T, opt database.Options, test func(t *testing.T, db *database.DB)) {
	t.Run("SQLite", func(t *testing.T) { test(t, open(t, SQLite(t), opt)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, open(t, Postgres(t), opt)) })
}

// New is a fresh SQLite database, for tests in which the engine plays no part.
func New(t testing.TB) *database.DB { return open(t, SQLite(t), database.Options{}) }

// At is [New] with a clock of the test's own.
func At(t testing.TB, now func() time.Time) *database.DB {
	return open(t, SQLite(t), database.Options{Now: now})
}

// With is [New] with options, such as both clocks of the test's own.
func With(t testing.TB, opt database.Options) *database.DB { return open(t, SQLite(t), opt) }

// Open is the database at a URL, migrated.
func Open(t testing.TB, dsn string) *database.DB { return open(t, dsn, database.Options{}) }

// OpenAt is [Open] with a clock of the test's own.
func OpenAt(t testing.TB, dsn string, now func() time.Time) *database.DB {
	return open(t, dsn, database.Options{Now: now})
}

// SQLite is the URL of a new file in a folder of the test's.
func SQLite(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "facteur.db")
}

// Postgres is the URL of a new database on the test server, dropped at the
// test's end; the test is skipped where there is no server.
func Postgres(t testing.TB) string {
	t.Helper()
	base := os.Getenv("FACTEUR_TEST_POSTGRES_URL")
	if base == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("FACTEUR_TEST_POSTGRES_URL is not set: run the tests with make test")
		}
		t.Skip("PostgreSQL not tried: FACTEUR_TEST_POSTGRES_URL is not set (make test sets it)")
	}
	server, err := sqlx.Connect("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), time.Now().UnixNano())
	if _, err := server.Exec(`CREATE DATABASE ` + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = server.Exec(`DROP DATABASE IF EXISTS ` + name + ` WITH (FORCE)`)
		_ = server.Close()
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

func open(t testing.TB, dsn string, opt database.Options) *database.DB {
	t.Helper()
	opt.Alone, opt.Strict = true, true
	db, err := database.Open(context.Background(), dsn, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := migrations.Up(context.Background(), db); err != nil {
		t.Fatal(err)
	}
	return db
}
