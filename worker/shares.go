package worker

import (
	"sync"

	"facteur/sending"
)

// shares divides mail among relays by their weights: each mail moves its
// relay ahead by one weight-th, and the one that is least ahead is next. The
// zero value is ready.
type shares struct {
	mu    sync.Mutex
	ahead map[int64]float64
	last  map[int64]bool // who could be chosen last time
}

// next chooses one of the usable relays, at least one, for n mails.
func (s *shares) next(usable []sending.Relay, n int) sending.Relay {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ahead == nil {
		s.ahead = map[int64]float64{}
	}
	s.welcome(usable)
	best := usable[0]
	for _, r := range usable[1:] {
		if s.ahead[r.ID] < s.ahead[best.ID] || s.ahead[r.ID] == s.ahead[best.ID] && r.Weight > best.Weight {
			best = r
		}
	}
	s.ahead[best.ID] += float64(n) / float64(best.Weight)
	return best
}

// welcome lets relays that were away begin where the others are: what they
// missed is not made up for in a burst.
func (s *shares) welcome(usable []sending.Relay) {
	least, known := 0.0, false
	for _, r := range usable {
		if at := s.ahead[r.ID]; s.last[r.ID] && (!known || at < least) {
			least, known = at, true
		}
	}
	now := make(map[int64]bool, len(usable))
	for _, r := range usable {
		if !s.last[r.ID] {
			s.ahead[r.ID] = max(s.ahead[r.ID], least)
		}
		now[r.ID] = true
	}
	s.last = now
}
