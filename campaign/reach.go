package campaign

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

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
	err = s.everybody(ctx, listIDs, c, func(page []subscribers.Member) error {
		for _, m := range page {
			switch {
			case m.Excluded != "":
				r.Excluded[m.Excluded]++
			default:
				if r.Recipients++; len(shown) < sample {
					shown = append(shown, m.ID)
				}
			}
		}
		return nil
	})
	if err != nil {
		return Reach{}, err
	}
	r.Sample, err = s.people.People(ctx, shown)
	return r, err
}

// everybody shows all people of lists as planning sees them now, page by page.
func (s *Store) everybody(ctx context.Context, listIDs []int64, c *segment.Condition, show func([]subscribers.Member) error) error {
	asOf := s.db.Now().UnixMilli()
	for after := int64(0); ; {
		page, err := s.audience(ctx, listIDs, c, asOf, after, reachPage)
		if err != nil || len(page) == 0 {
			return err
		}
		if err := show(page); err != nil {
			return err
		}
		after = page[len(page)-1].ID
	}
}

// Audience is whom a campaign would go to now, as a check looks at them.
type Audience struct {
	Reach       // its sample is drawn by chance
	Old   int64 // whose latest yes is older than [OldYears]
	Never int64 // whom no campaign has ever reached
}

// OldYears is the age of a yes from which on people have often forgotten it.
const OldYears = 2

// Audience counts them, and draws a sample. It reads everybody.
func (s *Store) Audience(ctx context.Context, campaign Campaign, sample int) (Audience, error) {
	c, err := segmentOf(campaign.Segment)
	if err != nil {
		return Audience{}, err
	}
	a := Audience{Reach: Reach{Excluded: map[string]int64{}}}
	old := s.db.Now().AddDate(-OldYears, 0, 0).UnixMilli()
	var drawn []int64
	err = s.everybody(ctx, campaign.ListIDs, c, func(page []subscribers.Member) error {
		var in []int64
		for _, m := range page {
			if m.Excluded != "" {
				a.Excluded[m.Excluded]++
				continue
			}
			in = append(in, m.ID)
			if m.ConfirmedAt < old {
				a.Old++
			}
			a.Recipients++
			if len(drawn) < sample { // each is in it with the same chance
				drawn = append(drawn, m.ID)
			} else if at := rand.Int64N(a.Recipients); at < int64(sample) {
				drawn[at] = m.ID
			}
		}
		known := map[int64]segment.Sent{}
		if len(in) == 0 {
			return nil
		}
		if err := s.sums(ctx, in, known); err != nil {
			return err
		}
		for _, id := range in {
			if known[id].Count == 0 {
				a.Never++
			}
		}
		return nil
	})
	if err != nil {
		return Audience{}, err
	}
	a.Sample, err = s.people.People(ctx, drawn)
	return a, err
}
