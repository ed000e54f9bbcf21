package sandbox

import (
	"maps"
	"sync"
)

// Counts is what happened since the start or the last Reset. A message to three recipients is three deliveries.
type Counts struct {
	Accepted   int64 `json:"accepted"`   // deliveries, every time counted
	Distinct   int64 `json:"distinct"`   // different pairs of recipient and Message-ID among them
	Duplicates int64 `json:"duplicates"` // Accepted - Distinct
	Messages   int64 `json:"messages"`   // accepted messages, whatever their number of recipients
	Unanswered int64 `json:"unanswered"` // accepted messages whose answer was withheld on purpose (swallow, drop-before-answer)
	Lost       int64 `json:"lost"`       // messages thrown away after their final dot (drop-after-body)
	Dropped    int64 `json:"dropped"`    // connections that ended between DATA and the final dot: nothing of them counts

	// Refused counts refusals by code, as "550 5.1.1": of a login, of a sender at MAIL, of each recipient at RCPT and at the final dot.
	Refused map[string]int64 `json:"refused"`
	// Mistakes are commands that were wrong in form or out of order: a sender's fault. DATA after refused recipients is none.
	Mistakes int64 `json:"mistakes"`

	Connections int64 `json:"connections"` // greeted with 220, ever
	TurnedAway  int64 `json:"turned_away"` // greeted with 421 because of MaxConnections
	Open        int   `json:"open"`
	MaxOpen     int   `json:"max_open"` // the most at once
}

// Delivery is one pair of recipient and Message-ID that was accepted at least once.
type Delivery struct {
	Recipient string `json:"recipient"`  // as given at RCPT
	MessageID string `json:"message_id"` // without angle brackets; empty if the message had none
	Count     int    `json:"count"`      // more than 1: came again
	First     int64  `json:"first"`      // Unix ms
	Last      int64  `json:"last"`       // Unix ms; at most 49 days after First
}

// Refusal is how often a recipient was refused with a code.
type Refusal struct {
	Recipient string `json:"recipient"` // empty for a refusal at AUTH or MAIL
	Code      string `json:"code"`      // "451 4.7.1"
	Count     int    `json:"count"`
	First     int64  `json:"first"` // Unix ms
	Last      int64  `json:"last"`  // Unix ms
}

// ledger holds everything that is counted.
type ledger struct {
	mu         sync.Mutex
	counts     Counts // Refused stays nil here, refused is its map
	refused    map[string]int64
	deliveries tally // recipient, Message-ID
	refusals   tally // recipient, code
	seen       tally // recipient, what was played: for what strikes once
	generation int   // how often it was reset
}

func newLedger() *ledger {
	return &ledger{refused: map[string]int64{}}
}

// accept counts a message for each recipient of an envelope and returns its number since the start or Reset.
func (l *ledger) accept(m *envelope, id []byte, now int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range m.to {
		l.counts.Accepted++
		if count, _ := l.deliveries.add(m.recipient(i), id, now); count == 1 {
			l.counts.Distinct++
		}
	}
	l.counts.Messages++
	return l.counts.Messages
}

// refuse counts one refusal; the recipient is nil at AUTH and MAIL.
func (l *ledger) refuse(recipient []byte, code string, now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused[code]++
	l.refusals.add(recipient, []byte(code), now)
}

// remember notes an attempt and returns the number of attempts with it, and when the first was.
func (l *ledger) remember(recipient, what []byte, now int64) (attempts uint32, first int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen.add(recipient, what, now)
}

// count changes the plain counters.
func (l *ledger) count(change func(*Counts)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.counts)
}

func (l *ledger) snapshot() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts
	c.Duplicates = c.Accepted - c.Distinct
	c.Refused = maps.Clone(l.refused)
	return c
}

// reset forgets all but the connections that are open.
func (l *ledger) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts = Counts{Open: l.counts.Open, MaxOpen: l.counts.Open}
	l.refused = map[string]int64{}
	l.deliveries, l.refusals, l.seen = tally{}, tally{}, tally{}
	l.generation++
}

// each yields the pairs of one of the tallies page by page, so that a slow reader does not hold up the mail.
// What comes meanwhile is yielded too; after a reset it ends.
func (l *ledger) each(t *tally, yield func(pair) bool) {
	l.mu.Lock()
	generation := l.generation
	l.mu.Unlock()
	page := make([]pair, 0, 512)
	for done := 0; ; done += len(page) {
		page = page[:0]
		l.mu.Lock()
		if l.generation == generation {
			for i := done; i < min(done+cap(page), t.n); i++ {
				page = append(page, t.at(i))
			}
		}
		l.mu.Unlock()
		if len(page) == 0 {
			return
		}
		for _, p := range page {
			if !yield(p) {
				return
			}
		}
	}
}

// Count returns the counters of this moment.
func (s *Server) Count() Counts { return s.ledger.snapshot() }

// Deliveries yields every delivery in the order of first arrival: for d := range server.Deliveries. Mail goes on meanwhile.
func (s *Server) Deliveries(yield func(Delivery) bool) {
	s.ledger.each(&s.ledger.deliveries, func(p pair) bool { return yield(p.delivery()) })
}

// Refusals yields every pair of recipient and refusing code, as Deliveries does.
func (s *Server) Refusals(yield func(Refusal) bool) {
	s.ledger.each(&s.ledger.refusals, func(p pair) bool { return yield(p.refusal()) })
}

// Of returns the deliveries of one recipient, spelled as at RCPT.
func (s *Server) Of(recipient string) []Delivery {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	var found []Delivery
	for _, p := range s.ledger.deliveries.of(recipient) {
		found = append(found, p.delivery())
	}
	return found
}

// RefusalsOf returns how often one recipient, spelled as at RCPT, was refused and with which codes.
func (s *Server) RefusalsOf(recipient string) []Refusal {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	var found []Refusal
	for _, p := range s.ledger.refusals.of(recipient) {
		found = append(found, p.refusal())
	}
	return found
}

// Reset forgets all counts, deliveries, first attempts and kept messages. Rules, connections and the log file stay.
func (s *Server) Reset() {
	s.ledger.reset()
	s.kept.reset()
}

func (p pair) delivery() Delivery {
	return Delivery{Recipient: p.a, MessageID: p.b, Count: p.count, First: p.first, Last: p.last}
}

func (p pair) refusal() Refusal {
	return Refusal{Recipient: p.a, Code: p.b, Count: p.count, First: p.first, Last: p.last}
}
