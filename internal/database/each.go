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

// Params are the parameters of one row of [Tx.Each], [Tx.Find] and [Tx.Insert].
// They are kept from row to row, and what has not changed is not made anew.
type Params struct {
	values []driver.NamedValue
	err    error
}

// Set gives the row's parameters: integers, texts, booleans and floats, in
// the order of the question marks.
func (p *Params) Set(values ...any) {
	for len(p.values) < len(values) {
		p.values = append(p.values, driver.NamedValue{Ordinal: len(p.values) + 1})
	}
	p.values = p.values[:len(values)]
	for i, value := range values {
		at := &p.values[i].Value
		switch v := value.(type) {
		case int64:
			p.integer(at, v)
		case int:
			p.integer(at, int64(v))
		case string:
			if old, ok := (*at).(string); !ok || old != v {
				*at = v
			}
		case bool:
			*at = v
		case float64:
			*at = v
		default:
			p.err = fmt.Errorf("parameter %d: want an integer, text, boolean or float", i+1)
		}
	}
}

// append adds the values to a list of arguments.
func (p *Params) append(args []any) []any {
	for i := range p.values {
		args = append(args, p.values[i].Value)
	}
	return args
}

func (p *Params) integer(at *driver.Value, v int64) {
	if old, ok := (*at).(int64); !ok || old != v {
		*at = v
	}
}

// Each runs one statement for n rows in one go: prepared row by row on
// SQLite, where a call is cheap, and as one round trip on PostgreSQL. row
// sets a row's parameters; changed, which may be nil, gets the number of
// rows that the statement changed for it.
func (tx *Tx) Each(ctx context.Context, query string, n int, row func(i int, p *Params), changed func(i int, rows int64)) error {
	if changed == nil {
		changed = func(int, int64) {}
	}
	if tx.db.engine == SQLite {
		return tx.direct(query, n, row, func(s *sqlite3.SQLiteStmt, i int) error {
			res, err := s.ExecContext(context.Background(), tx.params.values) // one that can end costs a goroutine a call
			if err != nil {
				return err
			}
			rows, err := res.RowsAffected()
			changed(i, rows)
			return err
		})
	}
	return tx.batch(ctx, query, n, row, func(r pgx.BatchResults, i int) error {
		tag, err := r.Exec()
		if err == nil {
			changed(i, tag.RowsAffected())
		}
		return err
	})
}

// Find runs one query for n rows in one go, as [Tx.Each] does. The answer,
// which must be at most one row of integers and texts, is put into dest
// before found is called; ok tells whether there was a row.
func (tx *Tx) Find(ctx context.Context, query string, n int, row func(i int, p *Params), dest []any, found func(i int, ok bool)) error {
	if tx.db.engine == SQLite {
		got := make([]driver.Value, len(dest))
		return tx.direct(query, n, row, func(s *sqlite3.SQLiteStmt, i int) error {
			ok, err := findOne(s, tx.params.values, got, dest)
			if err == nil {
				found(i, ok)
			}
			return err
		})
	}
	return tx.batch(ctx, query, n, row, func(r pgx.BatchResults, i int) error {
		err := r.QueryRow().Scan(dest...)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		found(i, err == nil)
		return nil
	})
}

func findOne(s *sqlite3.SQLiteStmt, values []driver.NamedValue, got []driver.Value, dest []any) (ok bool, err error) {
	rows, err := s.QueryContext(context.Background(), values)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
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
func (tx *Tx) direct(query string, n int, row func(i int, p *Params), one func(*sqlite3.SQLiteStmt, int) error) error {
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
		for i := range n {
			if err := tx.set(row, i); err != nil {
				return err
			}
			if err := one(s, i); err != nil {
				return err
			}
		}
		return nil
	})
	return translate(err)
}

// set asks for the parameters of row i.
func (tx *Tx) set(row func(i int, p *Params), i int) error {
	row(i, &tx.params)
	err := tx.params.err
	tx.params.err = nil
	return err
}

// bare is a parameter as SQLite's driver takes it.
func bare(a any) (driver.Value, error) {
	switch v := a.(type) {
	case int64, string, bool, float64, []byte:
		return v, nil
	case int:
		return int64(v), nil
	}
	return nil, fmt.Errorf("parameter of type %T: want an integer, text, boolean or float", a)
}

func (tx *Tx) batch(ctx context.Context, query string, n int, row func(i int, p *Params), one func(pgx.BatchResults, int) error) error {
	if n == 0 {
		return nil
	}
	text := tx.db.rebind(query)
	return translate(tx.conn.Raw(func(driverConn any) error {
		var b pgx.Batch
		for i := range n {
			if err := tx.set(row, i); err != nil {
				return err
			}
			b.Queue(text, tx.params.append(make([]any, 0, len(tx.params.values)))...)
		}
		results := driverConn.(*stdlib.Conn).Conn().SendBatch(tx.background(ctx), &b)
		for i := range n {
			if err := one(results, i); err != nil {
				_ = results.Close()
				return err
			}
		}
		return results.Close()
	}))
}
