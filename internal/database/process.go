package database

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// ProcessTTL is how long a process that stopped renewing is still believed to
// be sending. It stops beginning messages [ProcessMargin] before that, by
// [DB.Since].
const (
	ProcessTTL    = 15 * time.Second
	ProcessMargin = 5 * time.Second
	heartbeat     = 3 * time.Second
)

// Process is this running process among all that share the database.
type Process struct {
	db      *DB
	node    atomic.Int64
	session atomic.Int64
	lock    *os.File
	until   atomic.Int64 // of [DB.Since], nanoseconds
	said    atomic.Pointer[Introduction]
	sure    atomic.Int64 // the last move of the server after which nothing was found missing
	told    atomic.Int64 // the last high_ms that is known to be written
	onLoss  atomic.Pointer[func(context.Context, *Tx) error]
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once
}

// Peer is another process, as the nodes table shows it.
type Peer struct {
	Session  int64  `db:"session"`
	Host     string `db:"host"`
	PID      int64  `db:"pid"`
	LockFile string `db:"lock_file"`
	// Proven: it is known to have ended, so it can no longer be writing a
	// message's body. Otherwise it only went silent.
	Proven bool `db:"-"`
}

// Join takes a free node number, holds a lock file in dir as a proof of life
// for others on this host, and renews its lease until [Process.Leave] or
// [Process.Withdraw].
func Join(ctx context.Context, db *DB, dir string) (*Process, error) {
	asked := db.Since()
	p := &Process{db: db, stop: make(chan struct{}), stopped: make(chan struct{})}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make %s: %w", dir, err)
	}
	f, err := os.CreateTemp(dir, "process-*.lock")
	if err != nil {
		return nil, fmt.Errorf("make a lock file: %w", err)
	}
	p.lock = f
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		p.unlock()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	p.sure.Store(db.history.moves.Load())
	var lent span
	if err := db.Write(ctx, func(tx *Tx) (err error) { lent, err = p.enter(ctx, tx); return err }); err != nil {
		p.unlock()
		return nil, fmt.Errorf("join the database: %w", err)
	}
	p.takeUp(lent)
	p.extend(asked)
	go p.beat()
	return p, nil
}

// takeUp bears a number once the commit that lent it has happened, and not before.
func (p *Process) takeUp(s span) {
	p.db.ids.lead(s)
	p.told.Store(s.high)
	p.node.Store(s.node)
	p.session.Store(s.first())
}

// Session identifies this run of this process; no two runs share one. It
// changes when the process was written off while it could not renew.
func (p *Process) Session() int64 { return p.session.Load() }

// Alive tells whether this process may still begin messages: its lease has
// [ProcessMargin] left by a clock that runs on while the process is suspended
// and while the machine sleeps. After the database has moved to another server
// it must first be seen whether that one knows all that was committed.
func (p *Process) Alive() bool {
	return p.db.Since() < time.Duration(p.until.Load())-ProcessMargin && p.sure.Load() == p.db.history.moves.Load()
}

func (p *Process) extend(asked time.Duration) { p.until.Store(int64(asked + ProcessTTL)) }

func (p *Process) beat() {
	defer close(p.stopped)
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.Renew(context.Background())
		case <-p.stop:
			return
		}
	}
}

// Renew extends the lease; when it fails, [Process.Alive] says so in time. A
// process that was written off meanwhile enters again under a new session: its
// old work belongs to others, and the batches say so to whoever asks.
func (p *Process) Renew(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, ProcessTTL/2)
	defer cancel()
	asked := p.db.Since()
	var lent *span
	var high int64
	moved := p.db.history.moves.Load()
	err := p.db.Write(ctx, func(tx *Tx) error {
		lent = nil
		now, err := tx.Clock(ctx)
		if err != nil {
			return err
		}
		high = max(now, p.db.ids.high()) + 2*ProcessTTL.Milliseconds()
		lost, err := p.lost(ctx, tx, moved)
		if err != nil {
			return err
		}
		if !lost {
			n, err := tx.Exec(ctx, `UPDATE nodes SET lease_until = ?, high_ms = ? WHERE node = ? AND session = ?`,
				now+ProcessTTL.Milliseconds(), high, p.node.Load(), p.Session())
			if err != nil || n != 0 {
				return err
			}
		} else if told := p.onLoss.Load(); told != nil {
			if err := (*told)(ctx, tx); err != nil {
				return err
			}
		}
		s, err := p.enter(ctx, tx)
		lent = &s
		return err
	})
	if err != nil {
		return
	}
	if lent != nil {
		p.takeUp(*lent)
	} else {
		p.told.Store(high)
		p.db.ids.extend(high)
	}
	p.sure.Store(moved)
	p.extend(asked)
}

// Leave says goodbye: nothing of this process is under way any more, but there
// may be work under its session that somebody hands on.
func (p *Process) Leave(ctx context.Context) error {
	return p.leave(ctx, `UPDATE nodes SET gone = ?, lease_until = 0 WHERE node = ? AND session = ?`)
}

// Withdraw is [Process.Leave] of a process that has taken no work: it leaves
// nothing, and no trace.
func (p *Process) Withdraw(ctx context.Context) error {
	return p.leave(ctx, `UPDATE nodes SET gone = ?, lease_until = 0, session = 0 WHERE node = ? AND session = ?`)
}

func (p *Process) leave(ctx context.Context, query string) error {
	p.once.Do(func() { close(p.stop) })
	<-p.stopped
	_, err := p.db.Exec(ctx, query, true, p.node.Load(), p.Session())
	p.unlock()
	return err
}

func (p *Process) unlock() {
	_ = os.Remove(p.lock.Name())
	_ = p.lock.Close()
}

// Silent lists the other processes that ended or whose lease has lapsed and
// whose work nobody has taken over yet.
func (p *Process) Silent(ctx context.Context, tx *Tx) ([]Peer, error) {
	now, err := tx.Clock(ctx)
	if err != nil {
		return nil, err
	}
	var rows []nodeRow
	err = tx.Select(ctx, &rows, `SELECT `+nodeColumns+` FROM nodes WHERE session <> 0 AND session <> ?`, p.Session())
	if err != nil {
		return nil, err
	}
	var peers []Peer
	for _, r := range rows {
		r.Proven = p.proven(r)
		if r.Proven || r.LeaseUntil <= now {
			peers = append(peers, r.Peer)
		}
	}
	return peers, nil
}

// unlocked tells whether the process that held the file is proven to have
// ended: the file is there and its lock is free. No file proves nothing.
func unlocked(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// hostID names this host and this boot of it, in this file system.
func hostID() string {
	name, err := os.Hostname()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		name = "unknown"
	}
	boot, _ := os.ReadFile(filepath.FromSlash("/proc/sys/kernel/random/boot_id"))
	return name + "/" + strings.TrimSpace(string(boot)) + "/" + strconv.Itoa(os.Getuid())
}

// Unseat frees the lease called name when its holder is proven to have ended,
// so that a successor need not wait for the lease to lapse.
func (p *Process) Unseat(ctx context.Context, name string) error {
	return p.db.Write(ctx, func(tx *Tx) error {
		var holder int64
		if err := tx.Get(ctx, &holder, `SELECT holder FROM leases WHERE name = ?`, name); err != nil {
			return err
		}
		if holder == p.Session() {
			return nil
		}
		var row nodeRow
		err := tx.Get(ctx, &row, `SELECT `+nodeColumns+` FROM nodes WHERE session = ?`, holder)
		switch {
		case errors.Is(err, ErrNotFound): // written off already
		case err != nil:
			return err
		case !p.proven(row):
			return nil
		}
		_, err = tx.Exec(ctx, `UPDATE leases SET until_ms = 0 WHERE name = ? AND holder = ?`, name, holder)
		return err
	})
}

// proven tells whether the process of the row is known to have ended.
func (p *Process) proven(r nodeRow) bool {
	return r.Gone || p.db.engine == SQLite || (r.Host == hostID() && unlocked(r.LockFile))
}
