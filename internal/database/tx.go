package database

import (
	"context"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/mattn/go-sqlite3"
)

// Tx is one transaction, valid only inside the function handed to [DB.Write].
type Tx struct {
	db       *DB
	conn     *sqlx.Conn
	prepared map[string]*sqlx.Stmt          // SQLite: statements of the writer's connection
	bare     map[string]*sqlite3.SQLiteStmt // those of Each and Find
	params   Params                         // of the row at hand
}

// maxPrepared bounds the kept statements; texts with lists of many lengths are not worth keeping.
const maxPrepared = 256

// DB is the database of this transaction, for ids and the clock.
func (tx *Tx) DB() *DB { return tx.db }

// background is the context of statements: one that can be cancelled costs a
// goroutine a statement in both drivers. On SQLite a local write ends soon; on
// PostgreSQL the transaction as a whole ends with the context given to Write.
func (tx *Tx) background(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// stmt is the prepared form of query on the writer's connection, or nil where the driver keeps them itself.
func (tx *Tx) stmt(ctx context.Context, query string) (*sqlx.Stmt, error) {
	if tx.prepared == nil {
		return nil, nil
	}
	if s, ok := tx.prepared[query]; ok {
		return s, nil
	}
	if len(tx.prepared) >= maxPrepared || strings.Count(query, "?") > 32 {
		return nil, nil
	}
	s, err := tx.conn.PreparexContext(ctx, query)
	if err != nil {
		return nil, err
	}
	tx.prepared[query] = s
	return s, nil
}

func (tx *Tx) exec(ctx context.Context, query string, args ...any) error {
	_, err := tx.Exec(ctx, query, args...)
	return err
}

// Exec runs a statement and returns how many rows it changed.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	ctx = tx.background(ctx)
	s, err := tx.stmt(ctx, query)
	if err != nil {
		return 0, translate(err)
	}
	if s != nil {
		res, err := s.ExecContext(ctx, args...)
		if err != nil {
			return 0, translate(err)
		}
		return res.RowsAffected()
	}
	res, err := tx.conn.ExecContext(ctx, tx.db.rebind(query), args...)
	if err != nil {
		return 0, translate(err)
	}
	return res.RowsAffected()
}

// Get reads one row into dest; [ErrNotFound] if there is none.
func (tx *Tx) Get(ctx context.Context, dest any, query string, args ...any) error {
	ctx = tx.background(ctx)
	s, err := tx.stmt(ctx, query)
	if err != nil {
		return translate(err)
	}
	if s != nil {
		return translate(s.GetContext(ctx, dest, args...))
	}
	return translate(tx.conn.GetContext(ctx, dest, tx.db.rebind(query), args...))
}

// Select reads all rows into the slice dest.
func (tx *Tx) Select(ctx context.Context, dest any, query string, args ...any) error {
	ctx = tx.background(ctx)
	s, err := tx.stmt(ctx, query)
	if err != nil {
		return translate(err)
	}
	if s != nil {
		return translate(s.SelectContext(ctx, dest, args...))
	}
	return translate(tx.conn.SelectContext(ctx, dest, tx.db.rebind(query), args...))
}

// Gate orders a begin of messages against everything that may forbid it. An
// opt-out, a pause, a stop or a take-over holds it exclusively; a group of
// begins shares it. So whoever commits first is seen by the other, on
// PostgreSQL by an advisory lock, on SQLite by its single writer.
func (tx *Tx) Gate(ctx context.Context, exclusive bool) error {
	if tx.db.engine == SQLite {
		return nil
	}
	query := `SELECT pg_advisory_xact_lock_shared(7238)`
	if exclusive {
		query = `SELECT pg_advisory_xact_lock(7238)`
	}
	return tx.exec(ctx, query)
}

const serverClock = `SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)`

// Clock is the time by which leases are judged, in Unix milliseconds: the
// server's on PostgreSQL, ours on SQLite.
func (tx *Tx) Clock(ctx context.Context) (int64, error) {
	if tx.db.engine == SQLite {
		return tx.db.now().UnixMilli(), nil
	}
	var ms int64
	err := tx.Get(ctx, &ms, serverClock)
	return ms, err
}

// insertRows is the size of a multi-row insert: within both engines' limits
// of parameters for up to 60 columns.
const insertRows = 500

// Insert adds n rows by multi-row statements. query inserts one row, as in
// "INSERT INTO t (a, b) VALUES (?, 'x') ON CONFLICT …", with every "?" between
// the brackets; row sets a row's parameters.
func (tx *Tx) Insert(ctx context.Context, query string, n int, row func(i int, p *Params)) error {
	before, values, after := splitInsert(query)
	for start := 0; start < n; start += insertRows {
		size := min(insertRows, n-start)
		args := make([]any, 0, size*strings.Count(values, "?"))
		for i := range size {
			if err := tx.set(row, start+i); err != nil {
				return err
			}
			args = tx.params.append(args)
		}
		if err := tx.insert(ctx, before+strings.Repeat(values+", ", size-1)+values+after, args); err != nil {
			return err
		}
	}
	return nil
}

// splitInsert cuts an insert of one row at the brackets of its VALUES.
func splitInsert(query string) (before, row, after string) {
	const values = "VALUES "
	open := strings.Index(query, values) + len(values)
	end := open + strings.IndexByte(query[open:], ')') + 1
	return query[:open], query[open:end], query[end:]
}

// insert runs as a query, whose parameters SQLite's driver hands over in one call.
func (tx *Tx) insert(ctx context.Context, query string, args []any) error {
	if tx.db.engine == SQLite {
		return translate(tx.conn.Raw(func(driverConn any) error {
			return scanSQLite(ctx, driverConn.(*sqlite3.SQLiteConn), query, args, nil, func() {})
		}))
	}
	_, err := tx.conn.ExecContext(tx.background(ctx), tx.db.rebind(query), args...)
	return translate(err)
}
