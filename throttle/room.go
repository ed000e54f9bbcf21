package throttle

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"facteur/internal/database"
)

// Unlimited is the room of a gate that counts nothing.
const Unlimited = math.MaxInt64

// Begun is whom begins are counted for.
type Begun struct {
	Lane       int64 `db:"lane"`
	CampaignID int64 `db:"campaign_id"` // 0: a letter; [Invitations]
	RelayID    int64 `db:"relay_id"`
}

// CountBegins adds begun messages to the current minute, in the transaction
// that begins them.
func (s *Store) CountBegins(ctx context.Context, tx *database.Tx, n map[Begun]int64) error {
	keys := slices.SortedFunc(maps.Keys(n), func(a, b Begun) int { // one order for all
		return cmp.Or(cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.CampaignID, b.CampaignID), cmp.Compare(a.RelayID, b.RelayID))
	})
	minute, shard := s.db.Now().Unix()/60, s.db.Node()
	err := tx.Each(ctx, `INSERT INTO begun_minutes (minute, lane, campaign_id, relay_id, shard, n) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (minute, lane, campaign_id, relay_id, shard) DO UPDATE SET n = begun_minutes.n + excluded.n`, len(keys),
		func(i int, p *database.Params) {
			k := keys[i]
			p.Set(minute, k.Lane, k.CampaignID, k.RelayID, shard, n[k])
		}, nil)
	if err != nil {
		return fmt.Errorf("count begins: %w", err)
	}
	return nil
}

// Used is what was begun in the last hour and the last 24.
type Used struct{ Hour, Day int64 }

// Room is how many more may begin under a limit, reserved ones taken off.
func (u Used) Room(l Limit, reserved int64) int64 {
	room := int64(Unlimited)
	if l.PerHour > 0 {
		room = min(room, l.PerHour-u.Hour-reserved)
	}
	if l.PerDay > 0 {
		room = min(room, l.PerDay-u.Day-reserved)
	}
	return max(0, room)
}

// Usage is what was begun, by whom, with the names of their lanes. The zero
// one is nothing.
type Usage struct {
	begun map[Begun]Used
	lanes map[int64]Lane
}

// Through sums up what has passed a gate.
func (u Usage) Through(g Gate) Used {
	return u.sum(func(b Begun) bool { return g.Of(u.lanes[b.Lane], b.CampaignID, b.RelayID) })
}

func (u Usage) sum(in func(Begun) bool) (sum Used) {
	for b, n := range u.begun {
		if in(b) {
			sum.Hour += n.Hour
			sum.Day += n.Day
		}
	}
	return sum
}

// settledMinutes are the latest minutes, which transactions under way may
// still add to: they are read each time, what is before them once a minute.
const settledMinutes = 3

// usage remembers what was begun before the latest minutes.
type usage struct {
	mu     sync.Mutex
	minute int64
	before map[Begun]Used
}

// Usage reads what was begun. Whole minutes are counted, so a window is up to
// a minute longer than an hour or a day, never shorter.
func (s *Store) Usage(ctx context.Context) (Usage, error) {
	minute := s.db.Now().Unix() / 60
	s.usage.mu.Lock()
	defer s.usage.mu.Unlock()
	if s.usage.before == nil || s.usage.minute != minute {
		before, err := s.begun(ctx, minute-24*60, minute-settledMinutes, minute-60)
		if err != nil {
			return Usage{}, err
		}
		s.usage.before, s.usage.minute = before, minute
	}
	all, err := s.begun(ctx, minute-settledMinutes, math.MaxInt64, minute-60)
	if err != nil {
		return Usage{}, err
	}
	for b, n := range s.usage.before {
		sum := all[b]
		all[b] = Used{sum.Hour + n.Hour, sum.Day + n.Day}
	}
	u := Usage{begun: all, lanes: map[int64]Lane{}}
	for b := range all {
		if u.lanes[b.Lane], err = s.Lane(ctx, b.Lane); err != nil {
			return Usage{}, err
		}
	}
	return u, nil
}

// begun sums up the minutes from one (included) to another; hour is where the
// last hour begins.
func (s *Store) begun(ctx context.Context, from, to, hour int64) (map[Begun]Used, error) {
	var rows []struct {
		Begun
		Hour int64 `db:"hour"`
		Day  int64 `db:"day"`
	}
	err := s.q.Select(ctx, &rows, `SELECT lane, campaign_id, relay_id, SUM(CASE WHEN minute >= ? THEN n ELSE 0 END) AS hour, SUM(n) AS day
		FROM begun_minutes WHERE minute >= ? AND minute < ? GROUP BY lane, campaign_id, relay_id`, hour, from, to)
	if err != nil {
		return nil, fmt.Errorf("what was begun: %w", err)
	}
	u := make(map[Begun]Used, len(rows))
	for _, r := range rows {
		u[r.Begun] = Used{r.Hour, r.Day}
	}
	return u, nil
}

// Rooms locks the limits of scopes for the rest of the transaction and reads
// how many more each of them lets through: counted as it commits, so that two
// processes never share the last place.
func (s *Store) Rooms(ctx context.Context, tx *database.Tx, gates map[string]Gate) (map[string]Places, error) {
	for _, scope := range slices.Sorted(maps.Keys(gates)) {
		query, args := `UPDATE limits SET updated_at = updated_at WHERE scope = ?`, []any{scope}
		if domain, provider, ok := strings.Cut(strings.TrimPrefix(scope, laneScope+":"), "/"); ok { // its limit may be that of a wider scope
			query, args = `UPDATE lanes SET provider = provider WHERE domain = ? AND provider = ?`, []any{domain, provider}
		}
		if _, err := tx.Exec(ctx, query, args...); err != nil {
			return nil, fmt.Errorf("lock the limit of %s: %w", scope, err)
		}
	}
	used, err := s.With(tx).Usage(ctx)
	if err != nil {
		return nil, err
	}
	rooms := make(map[string]Places, len(gates))
	for scope, g := range gates {
		rooms[scope] = used.Places(g)
	}
	return rooms, nil
}

// PruneMinutes forgets counts that no window reaches any more.
func (s *Store) PruneMinutes(ctx context.Context) error {
	_, err := s.db.Exec(ctx, `DELETE FROM begun_minutes WHERE minute < ?`, s.db.Now().Unix()/60-25*60)
	return err
}
