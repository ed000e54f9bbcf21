package subscribers

import (
	"context"

	"facteur/internal/database"
)

// wish is how much mail a person wants, whichever list it comes by.
type wish struct {
	everyDays   int64 // at most one campaign in so many days; 0: no wish
	pausedUntil int64 // Unix milliseconds: all their lists rest until then
}

// wishes are what people have said of all their lists. The wishes stand in each
// subscription, where the last gate reads them; whoever adds one takes them
// over, so that they also hold for lists that are joined later, by whatever way.
// A list that alone rests is no wish about others. Who has said nothing is left out.
func (s *Store) wishes(ctx context.Context, ids []int64) (map[int64]wish, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	query, args, err := database.In(`SELECT subscriber_id, MAX(every_days) AS every_days,
			COALESCE(MIN(CASE WHEN status <> 'unsubscribed' OR paused_until > 0 THEN paused_until END), 0) AS paused_until
		FROM subscriptions WHERE subscriber_id IN (?) GROUP BY subscriber_id HAVING MAX(every_days) > 0 OR MAX(paused_until) > 0`, ids)
	if err != nil {
		return nil, err
	}
	var rows []struct {
		SubscriberID int64 `db:"subscriber_id"`
		EveryDays    int64 `db:"every_days"`
		PausedUntil  int64 `db:"paused_until"`
	}
	err = s.q.Select(ctx, &rows, query, args...)
	said := make(map[int64]wish, len(rows))
	for _, r := range rows {
		said[r.SubscriberID] = wish{r.EveryDays, r.PausedUntil}
	}
	return said, err
}

// met are those of the ids that were there before.
func (e *enrolment) met(ids []int64) []int64 {
	known := make(map[int64]bool, len(e.known))
	for i := range e.known {
		known[e.known[i].ID] = true
	}
	var met []int64
	for _, id := range ids {
		if known[id] {
			met = append(met, id)
		}
	}
	return met
}
