package subscribers

import (
	"context"
	"sort"
	"strings"
)

// Member is a person on at least one of a campaign's lists, as planning sees them.
type Member struct {
	ID     int64
	Domain string // of the address, an A-label
	Lists  []int  // positions of the lists through which they may be mailed
	// Timezone is the IANA name of where they live; "" when it is not known.
	Timezone string
	// ConfirmedAt is their latest yes to one of these lists, Unix milliseconds.
	ConfirmedAt int64
	// Excluded is why they are left out: "suppressed", "unconfirmed", "paused",
	// "unsubscribed" or "confirmed_later"; "" when they are not.
	Excluded string
}

type audienceRow struct {
	SubscriberID int64
	Status       Status
	ConfirmedAt  int64
	Key          string
	Suppressed   bool
	PausedUntil  int64
	Timezone     string
}

// Audience reads the next people of the lists in the order of their ids,
// after the given one, each once whatever the number of lists. Who had
// confirmed at or before asOf (Unix milliseconds) is in. It returns about
// limit people, and none at the end.
func (s *Store) Audience(ctx context.Context, listIDs []int64, asOf, after int64, limit int) ([]Member, error) {
	pages := make([][]audienceRow, len(listIDs))
	horizon := int64(1<<63 - 1) // beyond it, a list's page has not been read
	for i, list := range listIDs {
		pages[i] = make([]audienceRow, 0, limit)
		var row audienceRow
		err := s.q.Scan(ctx, `SELECT s.subscriber_id, s.status, s.confirmed_at, s.paused_until, p.key, p.timezone,
				EXISTS (SELECT 1 FROM suppressions x WHERE x.key = p.key AND x.list_id = 0) AS suppressed
			FROM subscriptions s JOIN subscribers p ON p.id = s.subscriber_id
			WHERE s.list_id = ? AND s.subscriber_id > ? ORDER BY s.subscriber_id LIMIT ?`, []any{list, after, limit},
			[]any{&row.SubscriberID, (*string)(&row.Status), &row.ConfirmedAt, &row.PausedUntil, &row.Key, &row.Timezone, &row.Suppressed}, func() { pages[i] = append(pages[i], row) })
		if err != nil {
			return nil, err
		}
		if n := len(pages[i]); n == limit {
			horizon = min(horizon, pages[i][n-1].SubscriberID)
		}
	}
	found := map[int64]*Member{}
	now := s.db.Now().UnixMilli()
	for i, page := range pages {
		for _, row := range page {
			if row.SubscriberID > horizon {
				break
			}
			m := found[row.SubscriberID]
			if m == nil {
				m = &Member{ID: row.SubscriberID, Domain: domainOf(row.Key), Timezone: row.Timezone}
				found[row.SubscriberID] = m
			}
			m.see(i, row, asOf, now)
		}
	}
	members := make([]Member, 0, len(found))
	for _, m := range found {
		if len(m.Lists) > 0 && m.Excluded != Suppressed {
			m.Excluded = ""
		}
		members = append(members, *m)
	}
	sort.Slice(members, func(i, j int) bool { return members[i].ID < members[j].ID })
	return members, nil
}

// domainOf is the domain of an address key.
func domainOf(key string) string { return key[strings.LastIndexByte(key, '@')+1:] }

// see takes in the person's row of one list.
func (m *Member) see(list int, row audienceRow, asOf, now int64) {
	switch {
	case row.Suppressed:
		m.Excluded = Suppressed
	case row.Status == Confirmed && row.ConfirmedAt <= asOf && row.PausedUntil > now:
		m.Excluded = OnPause
	case row.Status == Confirmed && row.ConfirmedAt <= asOf:
		m.Lists = append(m.Lists, list)
		m.ConfirmedAt = max(m.ConfirmedAt, row.ConfirmedAt)
	case row.Status == Confirmed:
		m.Excluded = "confirmed_later"
	case m.Excluded == OnPause:
	case row.Status == Pending && m.Excluded == "":
		m.Excluded = "unconfirmed"
	case m.Excluded == "":
		m.Excluded = Left
	}
}
