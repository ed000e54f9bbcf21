package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"facteur/internal/panics"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"
	"github.com/mattn/go-sqlite3"
)

// Write runs change in one transaction and returns when it is durable, or
// with change's error when it was rolled back. [ErrUnavailable], or the end of
// ctx, may leave it unknown whether the commit happened, so a change must be
// safe to try again.
//
// ctx bounds the transaction as a whole, whatever its statements are given. On
// SQLite a change whose turn has come is run to its end.
//
// change may run on another goroutine and must not call Write itself.
func (db *DB) Write(ctx context.Context, change func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	db.strict.outside("for another transaction")
	if db.writer != nil {
		return db.writer.do(ctx, change)
	}
	return ended(ctx, db.transact(ctx, change))
}

// transact is one change on a connection of its own, which is cut when ctx
// ends or the limit is over: no answer may be waited for without end.
func (db *DB) transact(ctx context.Context, change func(*Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, db.limit)
	defer cancel()
	conn, err := db.pool.Connx(ctx)
	if err != nil {
		return translate(err)
	}
	defer func() { _ = conn.Close() }()
	tx := &Tx{db: db, conn: conn}
	keep, err := tx.cutWith(ctx)
	if err != nil {
		return translate(err)
	}
	j := &job{change: change}
	sound := tx.run(ctx, []*job{j})
	if !keep() || !sound {
		tx.discard()
	}
	if j.err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), j.err)
	}
	return j.err
}

// job is one waiting change and its answer.
type job struct {
	change func(*Tx) error
	err    error
	done   chan struct{}
	began  atomic.Bool // or was withdrawn: who sets it, decides
}

// writer gathers the changes of all goroutines into commits: one durable
// commit for whoever is waiting at that moment.
type writer struct {
	db           *DB
	jobs         chan *job
	stop         chan struct{}
	stopped      chan struct{}
	checkpointed chan struct{}
	once         sync.Once
}

func newWriter(db *DB) *writer {
	w := &writer{db: db, jobs: make(chan *job, 256), stop: make(chan struct{}), stopped: make(chan struct{}), checkpointed: make(chan struct{})}
	go w.run()
	go w.checkpoints()
	return w
}

func (w *writer) do(ctx context.Context, change func(*Tx) error) error {
	j := &job{change: change, done: make(chan struct{})}
	select {
	case w.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.stop:
		return fmt.Errorf("%w: closed", ErrUnavailable)
	}
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		if j.began.CompareAndSwap(false, true) {
			return ctx.Err() // it waited behind a disk that does not answer
		}
	case <-w.stopped:
	}
	select {
	case <-j.done:
		return j.err
	case <-w.stopped:
		select {
		case <-j.done:
			return j.err
		default:
			return fmt.Errorf("%w: closed", ErrUnavailable)
		}
	}
}

// closeTime is how long a close waits for a disk.
const closeTime = 10 * time.Second

func (w *writer) close() error {
	w.once.Do(func() { close(w.stop) })
	late := time.NewTimer(closeTime)
	defer late.Stop()
	for _, ended := range []chan struct{}{w.stopped, w.checkpointed} {
		select {
		case <-ended:
		case <-late.C:
			return fmt.Errorf("%w: the disk has not answered for %s, and what was being written is not known", ErrUnavailable, closeTime)
		}
	}
	return nil
}

func (w *writer) run() {
	defer close(w.stopped)
	ctx := context.Background()
	var tx *Tx
	var group []*job
	for {
		group = group[:0]
		select {
		case j := <-w.jobs:
			group = append(group, j)
		case <-w.stop:
			select {
			case j := <-w.jobs: // accepted before the stop
				group = append(group, j)
			default:
				if tx != nil {
					_ = tx.conn.Close()
				}
				return
			}
		}
		runtime.Gosched() // lets those who are about to ask join this commit
	gather:
		for len(group) < 512 {
			select {
			case j := <-w.jobs:
				group = append(group, j)
			default:
				break gather
			}
		}
		if tx == nil {
			var err error
			if tx, err = w.connect(ctx); err != nil {
				answer(group, err)
				continue
			}
		}
		group = slices.DeleteFunc(group, func(j *job) bool { return !j.began.CompareAndSwap(false, true) }) // withdrawn
		if len(group) > 0 && !tx.run(ctx, group) {
			tx.discard()
			_ = tx.conn.Close()
			tx = nil
		}
		answer(group, nil)
	}
}

func (w *writer) connect(ctx context.Context) (*Tx, error) {
	conn, err := w.db.pool.Connx(ctx)
	if err != nil {
		return nil, translate(err)
	}
	// The checkpoints above do the work; this is the net under them.
	if _, err := conn.ExecContext(ctx, `PRAGMA wal_autocheckpoint = 20000`); err != nil {
		_ = conn.Close()
		return nil, translate(err)
	}
	return &Tx{db: w.db, conn: conn, prepared: map[string]*sqlx.Stmt{}, bare: map[string]*sqlite3.SQLiteStmt{}}, nil
}

// answer tells every job of the group its outcome; err, when set, is everyone's.
func answer(group []*job, err error) {
	for _, j := range group {
		if err != nil {
			j.err = err
		}
		close(j.done)
	}
}

// run executes the jobs in one transaction, each behind a savepoint when they
// are several, and leaves each one's outcome in its err. It tells whether the
// connection is sound: out of any transaction, and open.
func (tx *Tx) run(ctx context.Context, group []*job) (sound bool) {
	if err := tx.begin(ctx); err != nil {
		fail(group, err)
		return tx.idle()
	}
	alive := 0
	for _, j := range group {
		var ended bool
		if j.err, ended = tx.one(ctx, j.change, len(group) > 1); ended {
			fail(group, fmt.Errorf("%w: the transaction was rolled back: %w", ErrUnavailable, j.err))
			return tx.rollback(ctx)
		}
		if j.err == nil {
			alive++
		}
	}
	if alive == 0 {
		return tx.rollback(ctx)
	}
	if err := tx.commit(ctx); err != nil {
		for _, j := range group {
			if j.err == nil {
				j.err = err
			}
		}
		return tx.rollback(ctx)
	}
	return true
}

// begin names the isolation level: above READ COMMITTED, which a role or a
// database may have by default, law 3 would not hold, as who waits for the gate
// would go on to read what was true before. That a database is read-only by
// default is left: so it is frozen while it moves elsewhere.
func (tx *Tx) begin(ctx context.Context) error {
	if tx.db.engine == SQLite {
		return tx.exec(ctx, `BEGIN IMMEDIATE`)
	}
	return tx.exec(ctx, `BEGIN ISOLATION LEVEL READ COMMITTED`)
}

// commit fails after a failed statement, even if the change went on as if it
// had not: PostgreSQL itself would answer ROLLBACK, and call that no error.
func (tx *Tx) commit(ctx context.Context) error {
	if tx.db.engine == SQLite {
		return tx.exec(ctx, `COMMIT`)
	}
	return translate(tx.conn.Raw(func(driverConn any) error {
		results, err := driverConn.(*stdlib.Conn).Conn().PgConn().Exec(tx.background(ctx), commitAndTell).ReadAll()
		if err == nil {
			tx.db.history.committed(results[0].Rows[0][0])
		}
		return err
	}))
}

// rollback ends what may have ended by itself, and tells whether the
// connection is sound.
func (tx *Tx) rollback(ctx context.Context) bool {
	if !tx.idle() {
		_ = tx.exec(ctx, `ROLLBACK`) // idle tells
	}
	return tx.idle()
}

// idle tells whether the connection is open and in no transaction.
func (tx *Tx) idle() (idle bool) {
	err := tx.conn.Raw(func(driverConn any) error {
		switch c := driverConn.(type) {
		case *sqlite3.SQLiteConn:
			idle = c.AutoCommit()
		case *stdlib.Conn:
			idle = !c.Conn().IsClosed() && c.Conn().PgConn().TxStatus() == 'I'
		}
		return nil
	})
	return err == nil && idle
}

// one runs a change; behind a savepoint if others share the transaction. A
// panic becomes the change's error, so that nobody else's commit is lost.
// ended says that the engine has rolled everything back, as SQLite does when
// its disk is full.
func (tx *Tx) one(ctx context.Context, change func(*Tx) error, shared bool) (err error, ended bool) {
	defer tx.db.strict.enter()()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("in a transaction: %w", panics.New(p))
		}
		if err != nil && shared {
			if back := tx.exec(ctx, `ROLLBACK TO one`); back != nil {
				err, ended = errors.Join(err, back), true
				return
			}
		}
		if shared {
			if release := tx.exec(ctx, `RELEASE one`); release != nil {
				err, ended = errors.Join(err, release), true
			}
		}
	}()
	if shared {
		if err := tx.exec(ctx, `SAVEPOINT one`); err != nil {
			return err, true
		}
	}
	return change(tx), false
}

// cutWith lets the end of ctx cut the connection, in the middle of whatever it
// waits for. keep calls that off; false: too late.
func (tx *Tx) cutWith(ctx context.Context) (keep func() bool, err error) {
	var socket net.Conn
	err = tx.conn.Raw(func(driverConn any) error {
		socket = driverConn.(*stdlib.Conn).Conn().PgConn().Conn()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return context.AfterFunc(ctx, func() { _ = socket.Close() }), nil
}

// discard drops a connection whose state is unknown.
func (tx *Tx) discard() {
	_ = tx.conn.Raw(func(any) error { return driver.ErrBadConn })
}

func fail(group []*job, err error) {
	for _, j := range group {
		j.err = err
	}
}
