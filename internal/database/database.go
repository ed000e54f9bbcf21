package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
)

// Engine names one of the two SQL engines.
type Engine string

// The engines, as they are written in settings and messages.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// Options of [Open]. The zero value is for production.
type Options struct {
	// Now is the clock of ids and of everything written on SQLite; nil means time.Now.
	Now func() time.Time
	// Since is a clock that runs evenly, whatever happens to the wall clock and
	// while the machine sleeps; nil means SinceBoot.
	Since func() time.Duration
	// Connections bounds the PostgreSQL pool; 0 means 20.
	Connections int
	// Alone lets ids be made without [Join]: nobody else has the database, as in a test.
	Alone bool
	// Limit is how long a statement outside, or a whole transaction, may take on
	// PostgreSQL before its connection is cut; 0 means 2 minutes.
	Limit time.Duration
	// Strict lets a change panic that asks the pool inside its transaction; for tests.
	Strict bool
}

// DB is one database. It is safe for concurrent use; Close it at the end.
type DB struct {
	engine  Engine
	name    string
	pool    *sqlx.DB // PostgreSQL: everything; SQLite: writing connections
	read    *sqlx.DB // SQLite: a read-only pool; PostgreSQL: the same as pool
	now     func() time.Time
	since   func() time.Duration
	limit   time.Duration // of what is under way on PostgreSQL
	writer  *writer       // SQLite only
	ids     ids
	strict  *strict  // nil: nobody is watched
	history history  // PostgreSQL: what has been committed, and where
	texts   sync.Map // query with "?" → query as the engine wants it
}

// Open connects to "sqlite:PATH" or "postgres://…" and checks that the
// engine will keep its word: full synchronous commits.
func Open(ctx context.Context, dsn string, opt Options) (*DB, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Since == nil {
		opt.Since = SinceBoot
	}
	if opt.Connections == 0 {
		opt.Connections = 20
	}
	if opt.Limit == 0 {
		opt.Limit = 2 * time.Minute
	}
	var db *DB
	var err error
	switch {
	case strings.HasPrefix(dsn, "sqlite:"):
		db, err = openSQLite(ctx, strings.TrimPrefix(dsn, "sqlite:"), opt)
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		db, err = openPostgres(ctx, dsn, opt)
	default:
		scheme, _, _ := strings.Cut(dsn, ":")
		err = fmt.Errorf("database URL starts with %q: want sqlite:PATH or postgres://user@host/name", scheme+":")
	}
	if err == nil && opt.Strict {
		db.strict = &strict{}
	}
	return db, err
}

// Engine tells which of the two this is; only migrations and reports ask.
func (db *DB) Engine() Engine { return db.engine }

// Name is the database for people: engine and place, without a password.
func (db *DB) Name() string { return db.name }

// Pool is the bare pool, for the migrations' library.
func (db *DB) Pool() *sql.DB { return db.pool.DB }

// Now is the clock of this database's writers.
func (db *DB) Now() time.Time { return db.now() }

// Since is a clock that runs evenly, whatever happens to [DB.Now] and while the
// machine sleeps: by it leases and permits end.
func (db *DB) Since() time.Duration { return db.since() }

// Close waits for the writes under way and closes all connections.
func (db *DB) Close() error {
	if db.writer != nil {
		if err := db.writer.close(); err != nil {
			return err
		}
	}
	err := db.pool.Close()
	if db.read != db.pool {
		err = errors.Join(err, db.read.Close())
	}
	return err
}

// Ping asks whether the database answers and, on SQLite, can be written.
func (db *DB) Ping(ctx context.Context) error {
	return db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `UPDATE nodes SET pid = pid WHERE node = -1`)
		return err
	})
}

// rebind turns "?" into the engine's own parameters, once per text.
func (db *DB) rebind(query string) string {
	if db.engine == SQLite {
		return query
	}
	if text, ok := db.texts.Load(query); ok {
		return text.(string)
	}
	text := sqlx.Rebind(sqlx.DOLLAR, query)
	// A text with a list of "?" differs by the list's length; those are not kept.
	if strings.Count(query, "?") < 40 {
		db.texts.Store(query, text)
	}
	return text
}

// Get reads one row into dest outside any transaction; [ErrNotFound] if there is none.
func (db *DB) Get(ctx context.Context, dest any, query string, args ...any) error {
	return db.bounded(ctx, query, func(ctx context.Context) error { return db.read.GetContext(ctx, dest, db.rebind(query), args...) })
}

// Select reads all rows into the slice dest outside any transaction.
func (db *DB) Select(ctx context.Context, dest any, query string, args ...any) error {
	return db.bounded(ctx, query, func(ctx context.Context) error { return db.read.SelectContext(ctx, dest, db.rebind(query), args...) })
}

// bounded reads within the limit: a server that is cut off, or a proxy before
// it that hangs, must not hold up the reader for ever.
func (db *DB) bounded(ctx context.Context, query string, read func(context.Context) error) error {
	db.strict.outside(query)
	within := ctx
	if db.engine == Postgres {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, db.limit)
		defer cancel()
	}
	return ended(ctx, translate(read(within)))
}

// Exec is a [DB.Write] of one statement. It returns how many rows changed.
func (db *DB) Exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		n, err = tx.Exec(ctx, query, args...)
		return err
	})
	return n, err
}

// Queryer is what a Store speaks to: a [DB], or a [Tx] after Store.With(tx).
type Queryer interface {
	Get(ctx context.Context, dest any, query string, args ...any) error
	Select(ctx context.Context, dest any, query string, args ...any) error
	Exec(ctx context.Context, query string, args ...any) (int64, error)
	Scan(ctx context.Context, query string, args []any, dest []any, each func()) error
}

// In expands slices among the args into "?, ?, …" for IN (?).
func In(query string, args ...any) (string, []any, error) { return sqlx.In(query, args...) }

// Millis is a time as it is stored; the zero time is 0.
func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Time is a stored time as it is used, in UTC; 0 is the zero time.
func Time(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func redacted(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return string(Postgres)
	}
	return u.Redacted()
}
