package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/mattn/go-sqlite3"
)

// What callers may tell apart; everything else is for the log.
var (
	// ErrNotFound is a row that is not there.
	ErrNotFound = errors.New("not found")
	// ErrConflict is a unique key that is taken.
	ErrConflict = errors.New("already exists")
	// ErrRefused is a value or a row that the database never takes, however often it is tried.
	ErrRefused = errors.New("refused by the database")
	// ErrUnavailable is a database that cannot be used now: gone, full, read-only, closed to us. Trying later may help.
	ErrUnavailable = errors.New("database unavailable")
	// ErrStale is a lease that somebody else holds by now.
	ErrStale = errors.New("lease lost")
)

// translate maps both engines' errors to those above, keeping the cause. What
// an engine says is about the row only where it is known to be: all else may
// be over in a moment, and a row that was given up for it would be lost.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	for _, known := range []error{ErrNotFound, ErrConflict, ErrRefused, ErrUnavailable} {
		if errors.Is(err, known) {
			return err
		}
	}
	kind := kindOf(err)
	if kind == nil {
		return err
	}
	return fmt.Errorf("%w: %w", kind, err)
}

// kindOf is what a driver's error is; nil when it is none that we know.
func kindOf(err error) error {
	var connect *pgconn.ConnectError // whatever code it carries: no login, no such database, starting up
	if errors.As(err, &connect) {
		return unlessOver(err)
	}
	var lite sqlite3.Error
	if errors.As(err, &lite) {
		return kindOfSQLite(lite)
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return kindOfPostgres(pg.Code)
	}
	var netErr net.Error
	if errors.As(err, &netErr) || pgconn.Timeout(err) || lostConnection(err) {
		return unlessOver(err)
	}
	return nil
}

// unlessOver leaves alone the error of a caller who wanted no longer; see [ended].
func unlessOver(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return ErrUnavailable
}

// ended tells a time limit of the driver's, or ours, from the end of the
// caller's own context, which is no word about the database.
func ended(ctx context.Context, err error) error {
	if err == nil || errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: no answer in time: %w", ErrUnavailable, err)
	}
	return err
}

func lostConnection(err error) bool {
	for _, lost := range []error{driver.ErrBadConn, sql.ErrConnDone, pgconn.ErrConnClosed, net.ErrClosed, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return false
}

// kindOfPostgres goes by the classes of
// https://www.postgresql.org/docs/current/errcodes-appendix.html.
func kindOfPostgres(code string) error {
	if code == "23505" { // unique_violation
		return ErrConflict
	}
	if code == "25P02" { // in_failed_sql_transaction: whoever went on after another error is wrong
		return nil
	}
	switch code[:min(2, len(code))] {
	case "21", "22", "23", "54", "P0": // cardinality, data, integrity, program limit (a row too large for its index), a trigger's no
		return ErrRefused
	}
	return ErrUnavailable
}

// kindOfSQLite goes by https://sqlite.org/rescode.html, and says what to do.
func kindOfSQLite(err sqlite3.Error) error {
	switch err.Code {
	case sqlite3.ErrConstraint:
		if err.ExtendedCode == sqlite3.ErrConstraintUnique || err.ExtendedCode == sqlite3.ErrConstraintPrimaryKey {
			return ErrConflict
		}
		return ErrRefused
	case sqlite3.ErrTooBig, sqlite3.ErrMismatch, sqlite3.ErrRange:
		return ErrRefused
	}
	if err.Code == sqlite3.ErrError { // of the SQL itself: nothing that passes
		return nil
	}
	if remedy := remedyOf(err.Code); remedy != "" {
		return fmt.Errorf("%w (%s)", ErrUnavailable, remedy)
	}
	return ErrUnavailable
}

// remedyOf says what a person can do about a file that cannot be written.
func remedyOf(code sqlite3.ErrNo) string {
	switch code {
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return "another program holds the file: close it; fuser FILE names it, and a backup needs no lock with sqlite3 FILE '.backup COPY'"
	case sqlite3.ErrFull:
		return "its disk is full: make room"
	case sqlite3.ErrReadonly, sqlite3.ErrPerm:
		return "the file or its folder may not be written: check owner, mode and mount"
	case sqlite3.ErrCantOpen:
		return "the file cannot be opened: check that its folder is there and may be written, and how many files may be open"
	case sqlite3.ErrIoErr:
		return "its disk gives errors: see the system's log"
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
		return "the file is damaged: stop facteur, keep a copy, and restore a backup"
	}
	return ""
}
