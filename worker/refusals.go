package worker

import (
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// refusals are the begins that were refused lately. What is refused has an
// envelope open, which only the end of its connection takes back; so whatever
// else would be refused for the same reason must open none. It is a courtesy
// to the relay, as are the pauses that [Worker.poll] reads: the begin decides.
type refusals struct {
	lost   atomic.Int64 // executions up to this one were taken away from this process
	people atomic.Int64 // when a person was last refused, Unix nanoseconds

	mu    sync.Mutex
	spent map[string]time.Time // scope of a limit or a day's cap → until when it is taken for spent
	any   atomic.Bool          // there may be some
}

// How long a refusal tells of others.
const (
	spentFor  = time.Second      // the scheduler reads the same counts and releases no more
	peopleFor = 10 * time.Second // where one has left, or has had enough, there are more
)

// why is what a begin was refused for; the zero value is none.
type why struct {
	reread bool   // something that all can read: a stop, a pause, a breaker
	lost   bool   // the execution is nobody's any more
	person bool   // this person alone
	scope  string // a limit or a cap is spent
}

// learn takes note of the begins that a commit refused, before their
// connections hear of it.
func (r *Recorder) learn(group []*turn) (reread bool) {
	for _, t := range group {
		if t.next == nil || t.ok {
			continue
		}
		if d, ok := t.next.(*delivery); ok && !t.why.person {
			d.batch.refused.Store(true)
		}
		switch {
		case t.why.person:
			r.refusals.people.Store(time.Now().UnixNano())
		case t.why.lost:
			r.refusals.lost.Store(r.db.NewID())
		case t.why.scope != "":
			r.refusals.spend(t.why.scope)
			reread = true // the limit may be a new one
		}
		reread = reread || t.why.reread
	}
	return reread
}

func (f *refusals) spend(scope string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.spent == nil {
		f.spent = map[string]time.Time{}
	}
	f.spent[scope] = time.Now().Add(spentFor)
	f.any.Store(true)
}

// isSpent tells whether one of the scopes was found spent a moment ago.
func (f *refusals) isSpent(scopes func(yield func(string) bool)) (spent bool) {
	if !f.any.Load() {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(f.spent, func(_ string, until time.Time) bool { return now.After(until) })
	if len(f.spent) == 0 {
		f.any.Store(false)
		return false
	}
	for scope := range scopes {
		if _, ok := f.spent[scope]; ok {
			return true
		}
	}
	return false
}

// spent tells whether a limit or a cap that the batch's messages pass is known
// to be spent.
func (b *batch) spent() bool {
	return b.worker.recorder.refusals.isSpent(func(yield func(string) bool) {
		if !yield(claim{b.Lane, b.Date}.scope()) {
			return
		}
		for _, g := range b.worker.limits().Gates(b.passage()) {
			if g.Counted() && !yield(g.Scope) {
				return
			}
		}
	})
}

// scope names a day's cap among the limits; that of no day is spent once the lane warms up.
func (k claim) scope() string {
	return "day:" + strconv.FormatInt(k.lane, 10) + "/" + strconv.FormatInt(k.date, 10)
}

// suspicious tells whether somebody was refused since the batch's people were
// last asked about: the next are then asked before their envelopes are opened.
func (b *batch) suspicious() bool { return b.worker.recorder.refusals.people.Load() > b.asked.Load() }

// willing asks the last gate about those who are to come, and skips those whom
// it refuses: one transaction for all of them.
func (b *batch) willing(todo []*delivery) []*delivery {
	b.asked.Store(time.Now().UnixNano())
	return b.worker.recorder.willing(todo)
}
