package campaign

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"facteur/internal/database"
	"facteur/subscribers"
)

// Cap allows one person so many campaigns in any span of Per.
type Cap struct {
	N   int64 // 0: no limit
	Per time.Duration
}

// ParseCap reads "3/168h"; "" is no limit.
func ParseCap(text string) (Cap, error) {
	if text == "" {
		return Cap{}, nil
	}
	n, per, _ := strings.Cut(text, "/")
	var c Cap
	var err error
	if c.N, err = strconv.ParseInt(n, 10, 64); err == nil {
		c.Per, err = time.ParseDuration(per)
	}
	if err != nil || c.N < 1 || c.Per < time.Minute || c.Per > 366*24*time.Hour {
		return Cap{}, fmt.Errorf("%q: want a number of campaigns and a time, such as 3/168h", text)
	}
	return c, nil
}

// Capped is the store with a limit for everybody, beside each person's own wish.
func (s *Store) Capped(c Cap) *Store {
	limited := *s
	limited.cap = c
	return &limited
}

// TooSoon changes the gate's answer to people who would get more campaigns
// than they, or the installation, allow. It is asked in the transaction that
// begins the messages and holds these people until its end, so that two
// campaigns at the same moment do not both count what was before.
func (s *Store) TooSoon(ctx context.Context, tx *database.Tx, campaignOf func(i int) int64, asks []subscribers.Ask, answers []string) error {
	var at []int
	var ids []int64
	for i, a := range asks {
		if answers[i] == subscribers.Mailable && (a.EveryDays > 0 || s.cap.N > 0) {
			at, ids = append(at, i), append(ids, a.SubscriberID)
		}
	}
	if len(at) == 0 {
		return nil
	}
	slices.Sort(ids)
	if err := s.people.Hold(ctx, tx, slices.Compact(ids)); err != nil {
		return err
	}
	for _, limit := range []struct {
		since func(subscribers.Ask) int64 // the window's begin, Unix milliseconds; 0: no limit
		most  int64
	}{
		{func(a subscribers.Ask) int64 { return s.before(time.Duration(a.EveryDays) * 24 * time.Hour) }, 1},
		{func(subscribers.Ask) int64 { return s.before(s.cap.Per) }, s.cap.N},
	} {
		var ask []int
		for _, i := range at {
			if limit.since(asks[i]) > 0 && answers[i] == subscribers.Mailable {
				ask = append(ask, i)
			}
		}
		var n int64
		err := tx.Find(ctx, `SELECT COUNT(*) FROM campaigns c JOIN deliveries d ON d.campaign_id = c.id AND d.subscriber_id = ?
			WHERE c.launched_at > 0 AND (c.finished_at = 0 OR c.finished_at > ?) AND c.id <> ? AND d.begun_at > ? AND d.status IN ('sending', 'sent', 'uncertain')`, len(ask),
			func(i int, p *database.Params) {
				a := asks[ask[i]]
				p.Set(a.SubscriberID, limit.since(a), campaignOf(ask[i]), limit.since(a))
			}, []any{&n},
			func(i int, _ bool) {
				for _, j := range ask[:i] { // begun in this same transaction
					if asks[j].SubscriberID == asks[ask[i]].SubscriberID && answers[j] == subscribers.Mailable {
						n++
					}
				}
				if n >= limit.most {
					answers[ask[i]] = subscribers.TooOften
				}
			})
		if err != nil {
			return fmt.Errorf("count a person's mails: %w", err)
		}
	}
	return nil
}

// before is the begin of a window that ends now; 0 when there is no window.
func (s *Store) before(window time.Duration) int64 {
	if window == 0 {
		return 0
	}
	return s.db.Now().Add(-window).UnixMilli()
}
