package sending

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"facteur/internal/database"
	"facteur/internal/journal"
)

// State of a relay.
type State string

// The states of a relay.
const (
	Healthy State = "ok"
	Resting State = "resting"
	Stopped State = "stopped" // until a person resumes it
)

// stopAfter is how many rests in a row stop a relay that refuses us or loses answers.
const stopAfter = 10

// Health is how a relay has been doing, as all processes see it.
type Health struct {
	State    State  `db:"state"`
	Reason   string `db:"state_reason"`
	Rests    int    `db:"rests"`      // in a row, without an accepted message between
	Since    int64  `db:"rest_since"` // Unix milliseconds
	Until    int64  `db:"rest_until"`
	RestedMS int64  `db:"rested_ms"` // all ended rests together
	Doubting bool   `db:"doubting"`  // doubts on it wait for its next plain answer
}

// Usable tells whether mail may be handed to the relay at the moment now.
func (h Health) Usable(now int64) bool {
	return h.State == Healthy || h.State == Resting && h.Until <= now
}

// Rested is the time in milliseconds the relay has rested until now: the
// clock of the retries does not count it.
func (h Health) Rested(now int64) int64 {
	if h.State == Resting || h.State == Stopped {
		return h.RestedMS + max(0, now-h.Since)
	}
	return h.RestedMS
}

// Trouble is why a relay must rest.
type Trouble struct {
	Reason  string
	Refused bool // it answered, and refused us; ten rests in a row stop it
	Doubts  bool // answers to begun messages get lost
	// Hold: they do so as a rule and not in one outage, so what is in doubt now
	// waits for a person; sent again by machine, it would be doubled.
	Hold bool
}

// RestFor is how long the nth rest in a row lasts: 2 s doubling to 1 min for a
// relay that does not answer, 30 s doubling to 30 min for one that refuses
// us, jittered by a fifth.
func RestFor(n int, refused bool) time.Duration {
	first, most := 2*time.Second, time.Minute
	if refused {
		first, most = 30*time.Second, 30*time.Minute
	}
	d := most
	if n < 12 {
		d = min(most, first<<max(0, n-1))
	}
	return d - time.Duration(rand.Int64N(int64(d/5)+1))
}

// Rest puts a relay to rest, longer each time until it accepts a message
// again. A relay that is resting already is left as it is.
func (s *Store) Rest(ctx context.Context, tx *database.Tx, id int64, t Trouble) (Health, error) {
	r, err := s.lockRelay(ctx, tx, id)
	if err != nil {
		return Health{}, err
	}
	now := s.db.Now().UnixMilli()
	h := r.Health
	if !h.Usable(now) {
		return h, nil
	}
	if h.State == Resting {
		h.RestedMS += max(0, h.Until-h.Since)
	}
	h.Rests++
	h.State, h.Reason, h.Since = Resting, t.Reason, now
	h.Until = now + RestFor(h.Rests, t.Refused).Milliseconds()
	h.Doubting = h.Doubting || t.Doubts
	verb := "rest"
	if (t.Refused || t.Doubts) && h.Rests >= stopAfter {
		h.State, verb = Stopped, "stop"
	}
	if err := s.saveHealth(ctx, tx, id, h); err != nil {
		return h, err
	}
	return h, journal.Write(ctx, tx, verb, "relay", id, map[string]any{"reason": t.Reason, "rests": h.Rests})
}

// Recovered notes that the relay accepted a message after a rest.
func (s *Store) Recovered(ctx context.Context, tx *database.Tx, id int64) error {
	r, err := s.lockRelay(ctx, tx, id)
	if err != nil {
		return err
	}
	now := s.db.Now().UnixMilli()
	h := r.Health
	if h.State == Stopped || h.State == Resting && h.Until > now || h.State == Healthy && !h.Doubting {
		return nil
	}
	if h.State == Resting {
		h.RestedMS += max(0, h.Until-h.Since)
	}
	h = Health{State: Healthy, RestedMS: h.RestedMS}
	if err := s.saveHealth(ctx, tx, id, h); err != nil {
		return err
	}
	return journal.Write(ctx, tx, "recover", "relay", id, nil)
}

// Resume lets a stopped or resting relay work again, by a person's word.
func (s *Store) Resume(ctx context.Context, tx *database.Tx, id int64) error {
	r, err := s.lockRelay(ctx, tx, id)
	if err != nil {
		return err
	}
	now := s.db.Now().UnixMilli()
	h := Health{State: Healthy, RestedMS: r.Rested(now)}
	if err := s.saveHealth(ctx, tx, id, h); err != nil {
		return err
	}
	return journal.Write(ctx, tx, "resume", "relay", id, nil)
}

// lockRelay reads a relay whose health is about to be changed, so that no
// other process changes it in between.
func (s *Store) lockRelay(ctx context.Context, tx *database.Tx, id int64) (Relay, error) {
	if _, err := tx.Exec(ctx, `UPDATE relays SET rests = rests WHERE id = ?`, id); err != nil {
		return Relay{}, fmt.Errorf("relay %d: %w", id, err)
	}
	return s.With(tx).Relay(ctx, id)
}

func (s *Store) saveHealth(ctx context.Context, tx *database.Tx, id int64, h Health) error {
	_, err := tx.Exec(ctx, `UPDATE relays SET state = ?, state_reason = ?, rests = ?, rest_since = ?, rest_until = ?, rested_ms = ?, doubting = ? WHERE id = ?`,
		string(h.State), h.Reason, h.Rests, h.Since, h.Until, h.RestedMS, h.Doubting, id)
	if err != nil {
		return fmt.Errorf("relay %d: %w", id, err)
	}
	return nil
}

// Streak watches the answers of one relay within a process and says when they
// call for a rest. It is not safe for concurrent use.
type Streak struct {
	refused int // refusals about us in a row
	doubts  int // lost answers in a row
	recent  [500]bool
	next    int
	lost    int // doubts among recent
	seen    int
}

// doubtsInARow and doubtShare are when lost answers are not rare: five in a
// row, as when a relay is stopped, or more than one in a hundred of the last
// 500, as when it swallows some. After five in a row, the probe tells: when
// its answer comes, the doubts are sent once more; when it is lost too, they
// are held.
const (
	doubtsInARow = 5
	doubtShare   = 5 // of 500
	refusalRow   = 3
)

// See takes in an outcome and returns a trouble when the relay must rest. Of
// a relay that is being probed after a rest, one doubt or refusal is enough.
func (s *Streak) See(o Outcome, probing bool) (Trouble, bool) {
	doubt := o.Verdict == Doubted
	if s.recent[s.next] {
		s.lost--
	}
	s.recent[s.next] = doubt
	s.next = (s.next + 1) % len(s.recent)
	s.seen = min(s.seen+1, len(s.recent))
	switch {
	case doubt:
		s.lost++
		s.doubts++
		s.refused = 0
		often := s.seen == len(s.recent) && s.lost > doubtShare
		if probing || often || s.doubts >= doubtsInARow {
			*s = Streak{}
			return Trouble{Reason: "answers to sent messages get lost: " + o.Text, Doubts: true, Hold: probing || often}, true
		}
		return Trouble{}, false
	case o.OfLane(): // the relay has passed on what a provider said
	case o.AboutUs():
		s.doubts = 0
		s.refused++
		if probing || s.refused >= refusalRow || o.Stage != "body" && o.Stage != "rcpt" {
			s.refused = 0
			return Trouble{Reason: fmt.Sprintf("refuses us (%s): %d %s %s", o.Class, o.Code, o.Enhanced, o.Text), Refused: true}, true
		}
		return Trouble{}, false
	}
	s.doubts, s.refused = 0, 0
	return Trouble{}, false
}
