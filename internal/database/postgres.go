package database

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"
)

// openPostgres refuses a server that acknowledges commits it may forget.
func openPostgres(ctx context.Context, dsn string, opt Options) (*DB, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", redacted(dsn), err)
	}
	// A process frozen inside a transaction must not keep its locks: everybody
	// who says no would wait for it.
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "8s"
	config.RuntimeParams["tcp_user_timeout"] = "10s"
	pool := sqlx.NewDb(stdlib.OpenDB(*config), "pgx")
	pool.SetMaxOpenConns(opt.Connections)
	pool.SetMaxIdleConns(opt.Connections)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	var commit string
	if err := pool.GetContext(ctx, &commit, `SHOW synchronous_commit`); err != nil {
		_ = pool.Close()
		return nil, fmt.Errorf("connect to %s: %w", redacted(dsn), translate(err))
	}
	if commit == "off" {
		_ = pool.Close()
		return nil, fmt.Errorf("%s has synchronous_commit = off: a power cut would forget mails that have left; set it to on", redacted(dsn))
	}
	db := &DB{engine: Postgres, name: redacted(dsn), pool: pool, read: pool, now: opt.Now}
	db.ids.now = opt.Now
	return db, nil
}
