package database

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Bounds of a clock that is trusted.
const (
	// evenly is how far a clock may be put forward or back, or be away from the
	// database server's, without being doubted.
	evenly = 2 * time.Minute
	// awayMost is how long nobody may have used the database: a clock that is
	// further ahead of the last time it was told may as well be wrong.
	awayMost = 72 * time.Hour
	// steadyFor is for how long a doubted clock must run evenly to be trusted
	// again without a person's word.
	steadyFor = 24 * time.Hour
)

// Skew is how far apart the clocks of processes may be: a time that is more
// than that further ahead than it can be was written by a clock that was ahead.
const Skew = 10 * time.Minute

// ErrUnsteady is a clock that may be wrong: what cannot be taken back waits.
var ErrUnsteady = errors.New("the clock may be wrong")

// Watch tells whether the clock may be trusted with what cannot be taken back:
// to delete, to expire, to give people up. It compares the wall clock with a
// clock that runs evenly, with the last time that the database was told, and
// on PostgreSQL with the server's clock. A nil Watch trusts it.
type Watch struct {
	db *DB

	mu     sync.Mutex
	own    mark   // the process's clock at the last look
	anchor mark   // the database's, see [Tx.Clock], where it was last accepted
	sure   mark   // what the database's would say had it not been put forward
	skew   string // how this process's differs from the database's; "": it does not
	doubt  Doubt
}

// Doubt is why the database's clock may be wrong; the zero one is none.
type Doubt struct {
	Reason string `db:"doubt"`
	At     int64  `db:"doubted_at"` // since when it has run evenly, Unix milliseconds
	Sure   int64  `db:"sure_at"`    // what it would say had it not been put forward
}

// mark is a reading of two clocks at once.
type mark struct {
	wall  int64         // Unix milliseconds
	since time.Duration // of the even clock
}

// then is what the wall clock would say after running evenly since the mark.
func (m mark) then(since time.Duration) int64 { return m.wall + (since - m.since).Milliseconds() }

// off is by how much the wall clock was put forward since the mark.
func (m mark) off(wall int64, since time.Duration) time.Duration {
	return time.Duration(wall-m.then(since)) * time.Millisecond
}

// NewWatch looks at the clock for the first time.
func NewWatch(ctx context.Context, db *DB) (*Watch, error) {
	w := &Watch{db: db}
	return w, w.Look(ctx)
}

// Steady is nil while the clock may be trusted, and otherwise an [ErrUnsteady]
// that says what is wrong, by how much, and what to do.
func (w *Watch) Steady() error {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch off := w.own.off(w.db.Now().UnixMilli(), w.db.Since()); {
	case w.doubt.Reason != "":
		return fmt.Errorf("%w: %s. Nothing is deleted, expired or given up before %s, unless a person says that it is right: POST /clock/confirm",
			ErrUnsteady, w.doubt.Reason, Time(w.doubt.At).Add(steadyFor).Format(time.RFC3339))
	case w.skew != "":
		return fmt.Errorf("%w: %s. Set it right; until then this process deletes, expires and gives up nothing", ErrUnsteady, w.skew)
	case off.Abs() > evenly:
		return fmt.Errorf("%w: it was just %s", ErrUnsteady, moved(off))
	}
	return nil
}

// Sure is the time now, or less: what the clock would say had it not been put
// forward. What was set for a date begins by it, and not by a jump.
func (w *Watch) Sure(now time.Time) time.Time {
	if w == nil {
		return now
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if sure := Time(w.sure.then(w.db.Since())); sure.Before(now) {
		return sure
	}
	return now
}

// Look compares the clocks and writes down what is found; a process does so
// every few seconds.
func (w *Watch) Look(ctx context.Context) error {
	if w == nil {
		return nil
	}
	var own, anchor mark
	var doubt Doubt
	err := w.db.Write(ctx, func(tx *Tx) error {
		var row struct {
			SeenAt int64 `db:"seen_at"`
			Doubt
		}
		if err := tx.Get(ctx, &row, `UPDATE clock SET seen_at = seen_at WHERE id = 1 RETURNING seen_at, doubt, doubted_at, sure_at`); err != nil {
			return err
		}
		now, err := tx.Clock(ctx)
		if err != nil {
			return err
		}
		own = mark{w.db.Now().UnixMilli(), w.db.Since()}
		anchor, doubt = w.judge(mark{now, own.since}, row.SeenAt, row.Doubt)
		return tx.exec(ctx, `UPDATE clock SET seen_at = ?, doubt = ?, doubted_at = ?, sure_at = ? WHERE id = 1`, now, doubt.Reason, doubt.At, doubt.Sure)
	})
	if err != nil {
		return fmt.Errorf("look at the clock: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.own, w.anchor, w.sure, w.doubt, w.skew = own, anchor, mark{doubt.Sure, own.since}, doubt, ""
	// Between the two readings lies a moment of the network's.
	if ahead := anchor.off(own.wall, own.since); ahead.Abs() > evenly {
		w.skew = fmt.Sprintf("this host's is %s the database server's", apart(ahead))
	}
	return nil
}

// judge says from when on the database's clock is accepted, and what is wrong with it.
func (w *Watch) judge(now mark, seenAt int64, known Doubt) (mark, Doubt) {
	w.mu.Lock()
	first, anchor, sure := w.own == mark{}, w.anchor, w.sure.then(now.since)
	w.mu.Unlock()
	reason := ""
	switch off := time.Duration(now.wall-seenAt) * time.Millisecond; {
	case !first:
		if off := anchor.off(now.wall, now.since); off.Abs() > evenly {
			reason = "it was " + moved(off)
		}
	case seenAt > 0 && (off > awayMost || off < -evenly):
		reason = fmt.Sprintf("it is %s the last time that the database was told, %s", apart(off), Time(seenAt).Format(time.RFC3339))
	}
	if first {
		anchor, sure = now, seenAt
		if known.Reason != "" {
			sure = known.Sure // whoever was away says nothing of how long
		}
	}
	if reason != "" {
		return now, Doubt{reason, now.wall, min(now.wall, sure)}
	}
	if known.Reason == "" || now.wall-known.At >= steadyFor.Milliseconds() {
		return anchor, Doubt{Sure: now.wall}
	}
	known.Sure = min(now.wall, max(sure, known.Sure))
	return anchor, known
}

// Confirm is a person's word that the clock is right; the next look takes it
// in. That this host's differs from the database server's is no matter of
// words: [ErrUnsteady].
func (w *Watch) Confirm(ctx context.Context, tx *Tx) error {
	w.mu.Lock()
	skew := w.skew
	w.mu.Unlock()
	if skew != "" {
		return fmt.Errorf("%w: %s: set it right", ErrUnsteady, skew)
	}
	return tx.exec(ctx, `UPDATE clock SET doubt = '', doubted_at = 0 WHERE id = 1`)
}

func moved(off time.Duration) string {
	if off < 0 {
		return fmt.Sprintf("put back by %s", (-off).Round(time.Second))
	}
	return fmt.Sprintf("put forward by %s", off.Round(time.Second))
}

func apart(off time.Duration) string {
	if off < 0 {
		return fmt.Sprintf("%s behind", (-off).Round(time.Second))
	}
	return fmt.Sprintf("%s ahead of", off.Round(time.Second))
}
