package database

import (
	"sync"
	"time"
)

// epoch is where the milliseconds of ids start.
var epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

const (
	msBits       = 41
	nodeBits     = 10
	sequenceBits = 12
)

// ids makes 63-bit ids: milliseconds since 2024 (41 bits), node (10),
// sequence (12). When a millisecond's numbers are used up, or the clock steps
// back, it goes on in the next millisecond of its own: never back, never twice.
//
// A node number is lent with a span of milliseconds, which the process's
// heartbeat extends. A process that could not renew stays within its span, so
// its number may be given to another, who begins above it.
type ids struct {
	mu   sync.Mutex
	node int64
	last int64 // milliseconds since epoch, and sequence below
	most int64 // the last of the span; 0: there is none
	lent bool  // by Join, or alone
	now  func() time.Time
}

// NewID is a new id, unique over all processes that have joined with [Join]. It
// panics before that, unless the database was opened as [Options.Alone].
func (db *DB) NewID() int64 { return db.ids.next() }

func (g *ids) next() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.lent {
		panic("database: an id was asked for before Join: another process might give out the same")
	}
	now := g.now().UnixMilli() - epoch
	if now < 0 || now >= 1<<msBits { // no such time fits: a clock that far off counts on from the last
		now = 0
	}
	at := max(now<<sequenceBits, g.last+1)
	if g.most != 0 && at > g.most {
		at = g.last + 1 // what is left of the span are 100 million and more
	}
	g.last = at
	return idOf(at, g.node)
}

// idOf is the id of a node's moment: milliseconds since epoch, and sequence below.
func idOf(at, node int64) int64 {
	return at>>sequenceBits<<(nodeBits+sequenceBits) | node<<sequenceBits | at&(1<<sequenceBits-1)
}

// span is a node number with the Unix milliseconds within which ids may bear it.
// Its first id, that of from itself, is the session's.
type span struct{ node, from, high int64 }

func (s span) first() int64 { return idOf((s.from-epoch)<<sequenceBits, s.node) }

// lead goes on in a span.
func (g *ids) lead(s span) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.node, g.lent = s.node, true
	g.last = max(g.last, (s.from-epoch)<<sequenceBits)
	g.most = (s.high - epoch) << sequenceBits
}

// extend moves the end of the span (Unix milliseconds), once that is written.
func (g *ids) extend(high int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.most = max(g.most, (high-epoch)<<sequenceBits)
}

// high is the Unix millisecond of the newest id.
func (g *ids) high() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last>>sequenceBits + epoch
}

// Node is this process's number among those that share the database, 0 to 1023.
func (db *DB) Node() int64 {
	db.ids.mu.Lock()
	defer db.ids.mu.Unlock()
	return db.ids.node
}
