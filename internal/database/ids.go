package database

import (
	"sync"
	"time"
)

// epoch is where the milliseconds of ids start.
var epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

const (
	nodeBits     = 10
	sequenceBits = 12
)

// ids makes 63-bit ids: milliseconds since 2024 (41 bits), node (10),
// sequence (12). When a millisecond's numbers are used up, or the clock steps
// back, it goes on in the next millisecond of its own: never back, never twice.
type ids struct {
	mu   sync.Mutex
	node int64
	last int64 // milliseconds since epoch, and sequence below
	now  func() time.Time
}

// NewID is a new id, unique over all processes that have joined with [Join].
func (db *DB) NewID() int64 { return db.ids.next() }

func (g *ids) next() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := max((g.now().UnixMilli()-epoch)<<sequenceBits, g.last+1)
	g.last = at
	return at>>sequenceBits<<(nodeBits+sequenceBits) | g.node<<sequenceBits | at&(1<<sequenceBits-1)
}

// lead sets the node and refuses to start below ms (Unix milliseconds).
func (g *ids) lead(node, ms int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.node = node
	g.last = max(g.last, (ms-epoch)<<sequenceBits)
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
