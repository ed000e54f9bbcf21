package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/mattn/go-sqlite3"
)

// Each runs one statement for n rows in one go: prepared row by row on
// SQLite, where a call is cheap, and as one round trip on PostgreSQL. args
// gives a row's parameters; changed, which may be nil, gets the number of
// rows that the statement changed for it.
func (tx *Tx) Each(ctx context.Context, query string, n int, args func(i int) []any, changed func(i int, rows int64)) error {
	if changed == nil {
		changed = func(int, int64) {}
	}
	if tx.db.engine == SQLite {
		return tx.direct(query, n, args, func(s *sqlite3.SQLiteStmt, values []driver.Value, i int) error {
			res, err := s.Exec(values) //nolint:staticcheck // without a context: one costs a goroutine a call
			if err != nil {
				return err
			}
			rows, err := res.RowsAffected()
			changed(i, rows)
			return err
		})
	}
	return tx.batch(ctx, query, n, args, func(r pgx.BatchResults, i int) error {
		tag, err := r.Exec()
		if err == nil {
			changed(i, tag.RowsAffected())
		}
		return err
	})
}

// Find runs one query for n rows in one go, as [Tx.Each] does, and scans the
// answer, which must be at most one row of integers and texts, into what dest
// gives. found tells whether there was a row.
func (tx *Tx) Find(ctx context.Context, query string, n int, args func(i int) []any, dest func(i int) []any, found func(i int, ok bool)) error {
	if tx.db.engine == SQLite {
		return tx.direct(query, n, args, func(s *sqlite3.SQLiteStmt, values []driver.Value, i int) error {
			ok, err := findOne(s, values, dest(i))
			if err == nil {
				found(i, ok)
			}
			return err
		})
	}
	return tx.batch(ctx, query, n, args, func(r pgx.BatchResults, i int) error {
		err := r.QueryRow().Scan(dest(i)...)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		found(i, err == nil)
		return nil
	})
}

func findOne(s *sqlite3.SQLiteStmt, values []driver.Value, dest []any) (ok bool, err error) {
	rows, err := s.Query(values) //nolint:staticcheck // without a context, as above
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	got := make([]driver.Value, len(dest))
	if err := rows.Next(got); err != nil {
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		return false, err
	}
	return true, assign(dest, got)
}

// direct runs a statement prepared on the writer's connection for n rows,
// beneath database/sql, whose care for pools and conversions would cost more
// than the statement.
func (tx *Tx) direct(query string, n int, args func(i int) []any, one func(*sqlite3.SQLiteStmt, []driver.Value, int) error) error {
	if n == 0 {
		return nil
	}
	err := tx.conn.Raw(func(driverConn any) error {
		s, ok := tx.bare[query]
		if !ok {
			made, err := driverConn.(*sqlite3.SQLiteConn).Prepare(query)
			if err != nil {
				return err
			}
			s = made.(*sqlite3.SQLiteStmt)
			tx.bare[query] = s
		}
		var values []driver.Value
		for i := range n {
			values = values[:0]
			for _, a := range args(i) {
				v, err := bare(a)
				if err != nil {
					return err
				}
				values = append(values, v)
			}
			if err := one(s, values, i); err != nil {
				return err
			}
		}
		return nil
	})
	return translate(err)
}

// bare is a parameter as the driver takes it.
func bare(a any) (driver.Value, error) {
	switch v := a.(type) {
	case int64, string, bool, float64, []byte:
		return v, nil
	case int:
		return int64(v), nil
	}
	return nil, fmt.Errorf("parameter of type %T: want an integer, text, boolean or float", a)
}

func (tx *Tx) batch(ctx context.Context, query string, n int, args func(i int) []any, one func(pgx.BatchResults, int) error) error {
	if n == 0 {
		return nil
	}
	text := tx.db.rebind(query)
	return translate(tx.conn.Raw(func(driverConn any) error {
		var b pgx.Batch
		for i := range n {
			b.Queue(text, args(i)...)
		}
		results := driverConn.(*stdlib.Conn).Conn().SendBatch(ctx, &b)
		for i := range n {
			if err := one(results, i); err != nil {
				_ = results.Close()
				return err
			}
		}
		return results.Close()
	}))
}
