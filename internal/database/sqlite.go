package database

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"
)

// openSQLite opens a writing pool (of which the writer keeps one connection)
// and a read-only pool. WAL with synchronous=FULL: with NORMAL a power cut
// may forget that a message has left.
func openSQLite(ctx context.Context, path string, opt Options) (*DB, error) {
	if path == "" {
		return nil, fmt.Errorf("database URL names no file: want sqlite:PATH")
	}
	file := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}).String()
	pool, err := sqlx.Open("sqlite3", file+"?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_txlock=immediate&_foreign_keys=on&_stmt_cache_size=32")
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if err := pool.PingContext(ctx); err != nil {
		_ = pool.Close()
		return nil, fmt.Errorf("open %s: %w (is the folder there, and may it be written?)", path, translate(err))
	}
	read, err := sqlx.Open("sqlite3", file+"?mode=ro&_busy_timeout=5000&_stmt_cache_size=32&_query_only=on")
	if err != nil {
		_ = pool.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	read.SetMaxOpenConns(4)
	read.SetMaxIdleConns(4)
	db := &DB{engine: SQLite, name: "SQLite " + path, pool: pool, read: read, now: opt.Now, since: opt.Since}
	db.ids.now, db.ids.lent = opt.Now, opt.Alone
	db.writer = newWriter(db)
	return db, nil
}

// checkpoints folds the write-ahead log back once a second on a connection of
// its own: the automatic checkpoint would stall a commit for 10 ms and more.
func (w *writer) checkpoints() {
	defer close(w.checkpointed)
	ctx := context.Background()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			// A failure here is a failure of the next commit too, which reports it.
			_, _ = w.db.pool.ExecContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`)
		case <-w.stop:
			return
		}
	}
}
