package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"
	"github.com/mattn/go-sqlite3"
)

// Scan reads rows outside any transaction beneath database/sql, for the few
// places that read one for each message: it puts each row into dest, pointers
// to integers, texts and booleans, and calls each.
func (db *DB) Scan(ctx context.Context, query string, args []any, dest []any, each func()) error {
	return db.bounded(ctx, query, func(ctx context.Context) error {
		conn, err := db.read.Connx(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		return db.scan(ctx, conn, query, args, dest, each)
	})
}

// Scan is [DB.Scan] inside the transaction.
func (tx *Tx) Scan(ctx context.Context, query string, args []any, dest []any, each func()) error {
	return translate(tx.db.scan(tx.background(ctx), tx.conn, query, args, dest, each))
}

func (db *DB) scan(ctx context.Context, conn *sqlx.Conn, query string, args []any, dest []any, each func()) error {
	return conn.Raw(func(driverConn any) error {
		if db.engine == SQLite {
			return scanSQLite(ctx, driverConn.(*sqlite3.SQLiteConn), query, args, dest, each)
		}
		rows, err := driverConn.(*stdlib.Conn).Conn().Query(ctx, db.rebind(query), args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := rows.Scan(dest...); err != nil {
				return err
			}
			each()
		}
		return rows.Err()
	})
}

func scanSQLite(ctx context.Context, conn *sqlite3.SQLiteConn, query string, args, dest []any, each func()) (err error) {
	named := make([]driver.NamedValue, len(args))
	for i, a := range args {
		v, err := bare(a)
		if err != nil {
			return err
		}
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	// A context that can be cancelled costs a goroutine a row; these reads are short.
	rows, err := conn.QueryContext(context.WithoutCancel(ctx), query, named)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	got := make([]driver.Value, len(dest))
	for {
		if err := rows.Next(got); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := assign(dest, got); err != nil {
			return err
		}
		each()
	}
}

// assign puts what SQLite's driver gave into pointers.
func assign(dest []any, got []driver.Value) error {
	for i, v := range got {
		ok := false
		switch d := dest[i].(type) {
		case *int64:
			*d, ok = v.(int64)
		case *int:
			var n int64
			n, ok = v.(int64)
			*d = int(n)
		case *bool:
			if *d, ok = v.(bool); !ok {
				var n int64
				n, ok = v.(int64)
				*d = n != 0
			}
		case *string:
			if *d, ok = v.(string); !ok {
				var b []byte
				b, ok = v.([]byte)
				*d = string(b)
			}
		}
		if !ok {
			return fmt.Errorf("column %d is %T, which does not fit into %T", i, v, dest[i])
		}
	}
	return nil
}
