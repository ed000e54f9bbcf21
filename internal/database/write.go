package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/jmoiron/sqlx"
	"github.com/mattn/go-sqlite3"
)

// Write runs change in one transaction and returns when it is durable, or
// with change's error when it was rolled back. [ErrUnavailable] may leave it
// unknown whether the commit happened, so a change must be safe to try again.
//
// change may run on another goroutine and must not call Write itself.
func (db *DB) Write(ctx context.Context, change func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if db.writer != nil {
		return db.writer.do(change)
	}
	conn, err := db.pool.Connx(ctx)
	if err != nil {
		return translate(err)
	}
	defer func() { _ = conn.Close() }()
	tx := &Tx{db: db, conn: conn}
	return tx.run(ctx, []*job{{change: change}})
}

// job is one waiting change and its answer.
type job struct {
	change func(*Tx) error
	err    error
	done   chan struct{}
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

func (w *writer) do(change func(*Tx) error) error {
	j := &job{change: change, done: make(chan struct{})}
	select {
	case w.jobs <- j:
	case <-w.stop:
		return fmt.Errorf("%w: closed", ErrUnavailable)
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

func (w *writer) close() {
	w.once.Do(func() { close(w.stop) })
	<-w.stopped
	<-w.checkpointed
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
		if err := tx.run(ctx, group); errors.Is(err, driver.ErrBadConn) {
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

// run executes the jobs in one transaction, each behind a savepoint when
// they are several, and leaves each one's outcome in its err.
func (tx *Tx) run(ctx context.Context, group []*job) error {
	begin := `BEGIN`
	if tx.db.engine == SQLite {
		begin = `BEGIN IMMEDIATE`
	}
	if err := tx.exec(ctx, begin); err != nil {
		return fail(group, err)
	}
	alive := 0
	for _, j := range group {
		var ended bool
		if j.err, ended = tx.one(ctx, j.change, len(group) > 1); ended {
			_ = tx.exec(ctx, `ROLLBACK`)
			return fail(group, fmt.Errorf("%w: the transaction was rolled back: %w", ErrUnavailable, j.err))
		}
		if j.err == nil {
			alive++
		}
	}
	if alive == 0 {
		if err := tx.exec(ctx, `ROLLBACK`); err != nil {
			return tx.discard(err)
		}
		return group[0].err
	}
	if err := tx.exec(ctx, `COMMIT`); err != nil {
		for _, j := range group {
			if j.err == nil {
				j.err = err
			}
		}
		if rollback := tx.exec(ctx, `ROLLBACK`); rollback != nil && tx.db.engine == Postgres {
			return tx.discard(err)
		}
		return err
	}
	return nil
}

// one runs a change; behind a savepoint if others share the transaction. A
// panic becomes the change's error, so that nobody else's commit is lost.
// ended says that the engine has rolled everything back, as SQLite does when
// its disk is full.
func (tx *Tx) one(ctx context.Context, change func(*Tx) error, shared bool) (err error, ended bool) {
	defer func() {
		if p := recover(); p != nil {
			buf := make([]byte, 8192)
			err = fmt.Errorf("panic in a transaction: %v\n%s", p, buf[:runtime.Stack(buf, false)])
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

// discard drops a connection whose transaction state is unknown.
func (tx *Tx) discard(err error) error {
	_ = tx.conn.Raw(func(any) error { return driver.ErrBadConn })
	return errors.Join(driver.ErrBadConn, err)
}

func fail(group []*job, err error) error {
	for _, j := range group {
		j.err = err
	}
	return err
}
