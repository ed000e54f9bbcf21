package campaign

import (
	"context"
	"errors"
	"fmt"

	"facteur/internal/database"
	"facteur/subscribers"
	"facteur/subscribers/segment"
)

// segmentOf parses a campaign's segment, naming the field; nil for none.
func segmentOf(text string) (*segment.Condition, error) {
	c, err := segment.Parse(text)
	if err != nil {
		return nil, &Invalid{"segment", err.Error()}
	}
	if c.String() == "" {
		return nil, nil
	}
	return c, nil
}

// checkSegment refuses a segment that cannot be read, or that names a list or a
// campaign that does not exist: it would mean other people than it says.
func (s *Store) checkSegment(ctx context.Context, text string) (*segment.Condition, error) {
	c, err := segmentOf(text)
	if err != nil || c == nil {
		return nil, err
	}
	for _, id := range c.Needs().Lists {
		if _, err := s.people.List(ctx, id); errors.Is(err, database.ErrNotFound) {
			return nil, &Invalid{"segment", fmt.Sprintf("there is no list %d", id)}
		} else if err != nil {
			return nil, err
		}
	}
	for _, id := range c.Needs().Campaigns {
		if _, err := s.Campaign(ctx, id); errors.Is(err, database.ErrNotFound) {
			return nil, &Invalid{"segment", fmt.Sprintf("there is no campaign %d", id)}
		} else if err != nil {
			return nil, err
		}
	}
	return c, nil
}

// audience reads the next people of lists as planning sees them, narrowed by a
// segment, which may be nil.
func (s *Store) audience(ctx context.Context, listIDs []int64, c *segment.Condition, asOf, after int64, limit int) ([]subscribers.Member, error) {
	page, err := s.people.Audience(ctx, listIDs, asOf, after, limit)
	if err != nil || c == nil {
		return page, err
	}
	return page, s.people.Narrow(ctx, page, c, s.SentTo, database.Time(asOf))
}

// Reach is whom a campaign to some lists would go to now.
type Reach struct {
	Recipients int64
	Excluded   map[string]int64 // by reason
	Sample     []subscribers.Subscriber
}

// reachPage is how many people are counted at once; nothing is written, so that
// pages may be larger than those of planning.
const reachPage = 2000

// Reach counts whom a segment of lists means now, and shows the first few. It
// reads everybody on the lists: seconds for a million.
func (s *Store) Reach(ctx context.Context, listIDs []int64, text string, sample int) (Reach, error) {
	c, err := s.checkSegment(ctx, text)
	if err != nil {
		return Reach{}, err
	}
	for _, id := range listIDs {
		if _, err := s.people.List(ctx, id); err != nil {
			return Reach{}, &Invalid{"list_ids", fmt.Sprintf("list %d does not exist", id)}
		}
	}
	r := Reach{Excluded: map[string]int64{}}
	var shown []int64
	asOf := s.db.Now().UnixMilli()
	for after := int64(0); ; {
		page, err := s.audience(ctx, listIDs, c, asOf, after, reachPage)
		if err != nil {
			return Reach{}, err
		}
		if len(page) == 0 {
			break
		}
		for _, m := range page {
			after = m.ID
			switch {
			case m.Excluded != "":
				r.Excluded[m.Excluded]++
			default:
				if r.Recipients++; len(shown) < sample {
					shown = append(shown, m.ID)
				}
			}
		}
	}
	r.Sample, err = s.people.People(ctx, shown)
	return r, err
}
