package database

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"
)

// How long a server may be out of reach before a connection to it is lost.
const (
	connectTime = 5 * time.Second
	silence     = 10 * time.Second
)

// openPostgres refuses a server that acknowledges commits it may forget.
func openPostgres(ctx context.Context, dsn string, opt Options) (*DB, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", redacted(dsn), err)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTime
	}
	config.RuntimeParams["statement_timeout"] = "0" // the connection's own first statement would meet a role's
	dialer := net.Dialer{
		Timeout:         config.ConnectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silence / 2, Interval: 2 * time.Second, Count: 3},
		Control:         control(silence),
	}
	config.DialFunc = dialer.DialContext
	db := &DB{engine: Postgres, name: redacted(dsn), now: opt.Now, since: opt.Since, limit: opt.Limit}
	config.Config.AfterConnect = db.settle
	pool := sqlx.NewDb(stdlib.OpenDB(*config), "pgx")
	pool.SetMaxOpenConns(opt.Connections)
	pool.SetMaxIdleConns(opt.Connections)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	db.pool, db.read = pool, pool
	db.ids.now, db.ids.lent = opt.Now, opt.Alone
	if err := db.checkServer(ctx); err != nil {
		_ = pool.Close()
		return nil, err
	}
	return db, nil
}

// settings are what a role or a database may have set otherwise, for each
// session: joined with what the server knows, as some came with later versions.
//
//   - A process frozen inside a transaction must not keep its locks: everybody
//     who says no would wait for it. Nor may a statement go on whose process is gone.
//   - Other limits are ours to set: a migration takes long.
//   - Rows that a policy hides would be people who are mailed, or not mailed,
//     by mistake: off makes that an error.
//   - synchronous_commit stays what it is now, whatever is reloaded later.
const settings = `SELECT count(set_config(s.name, s.value, false)) FROM (VALUES
	('default_transaction_isolation', 'read committed'), ('idle_in_transaction_session_timeout', '8s'),
	('client_connection_check_interval', CASE WHEN version() LIKE '%linux%' THEN '5s' ELSE '0' END),
	('tcp_user_timeout', '10s'), ('lock_timeout', '0'), ('transaction_timeout', '0'), ('idle_session_timeout', '0'),
	('standard_conforming_strings', 'on'), ('row_security', 'off'), ('synchronous_commit', current_setting('synchronous_commit'))
) AS s(name, value) JOIN pg_settings p ON p.name = s.name`

const promises = `SELECT current_setting('synchronous_commit'), current_setting('fsync'), current_setting('session_replication_role')`

// settle prepares a new connection, and refuses it where the server does not
// promise what the laws rest on: a setting may have changed since the start.
func (db *DB) settle(ctx context.Context, c *pgconn.PgConn) error {
	results, err := c.Exec(ctx, settings+`; `+promises).ReadAll()
	if err != nil {
		return err
	}
	values := results[1].Rows[0]
	switch commit, fsync, replication := string(values[0]), string(values[1]), string(values[2]); {
	case commit == "off":
		return errors.New("synchronous_commit is off: a power cut would forget mails that have left; set it to on, for the server, the database and the role")
	case fsync == "off":
		return errors.New("fsync is off: a power cut would forget mails that have left, or damage the database; set it to on")
	case replication != "origin":
		return fmt.Errorf("session_replication_role is %s, which leaves out the triggers that protect the ledger; set it to origin", replication)
	}
	db.history.see(timelineOf(ctx, c))
	return nil
}

// checkServer refuses at the start what could not be worked with.
func (db *DB) checkServer(ctx context.Context) error {
	var s struct {
		Encoding string `db:"encoding"`
		ReadOnly bool   `db:"read_only"`
		Standby  bool   `db:"standby"`
	}
	err := db.Get(ctx, &s, `SELECT current_setting('server_encoding') AS encoding, current_setting('transaction_read_only') = 'on' AS read_only, pg_is_in_recovery() AS standby`)
	switch {
	case err != nil:
		return fmt.Errorf("connect to %s: %w", db.name, err)
	case s.Standby:
		return fmt.Errorf("%s is a standby, which cannot be written: name the primary, or several hosts with target_session_attrs=read-write", db.name)
	case s.ReadOnly:
		return fmt.Errorf("%s has default_transaction_read_only = on: set it to off for the database and the role, once nothing else keeps it frozen", db.name)
	case s.Encoding != "UTF8":
		return fmt.Errorf("%s is encoded in %s, which has no room for all names: make a database with ENCODING 'UTF8'", db.name, s.Encoding)
	}
	return nil
}
