package campaign

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"facteur/internal/database"
	"facteur/internal/panics"
	"facteur/throttle"
)

// checked is what the gate said of a scheduled campaign whose time has come.
type checked struct {
	report Report
	err    error
}

// start sets scheduled campaigns going whose time has come. The gate looks at
// them once more, beside the rounds of the scheduler.
func (s *Scheduler) start(ctx context.Context) error {
	due, err := s.sound(ctx, Scheduled, Scheduled)
	if err != nil {
		return err
	}
	for _, c := range due {
		if c.StartsAt > s.sure().UnixMilli() {
			continue
		}
		if err := s.startOne(ctx, c); err != nil && !errors.Is(err, ErrState) {
			if err := s.trouble(ctx, c.ID, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Scheduler) startOne(ctx context.Context, c Campaign) error {
	var found checked
	if gate := s.store.gate; gate != nil {
		answer := s.checks[c.ID]
		if answer == nil {
			answer = make(chan checked, 1)
			s.checks[c.ID] = answer
			go func() {
				var found checked
				found.err = panics.Do(func() (err error) {
					found.report, err = gate.Inspect(ctx, c)
					return err
				})
				s.mishaps.Note("preflight", found.err)
				answer <- found
				s.Nudge()
			}()
			return nil
		}
		select {
		case found = <-answer:
			delete(s.checks, c.ID)
		default:
			return nil
		}
		if found.err != nil {
			s.log.Warn("check a scheduled campaign; it is tried again", "campaign", c.ID, "error", found.err)
			return nil
		}
	}
	return s.write(ctx, func(tx *database.Tx) error { return s.store.startChecked(ctx, tx, c, found.report) })
}

// startChecked lets a scheduled campaign go, or holds it back for what was found
// only now. That DNS did not answer is not found.
func (s *Store) startChecked(ctx context.Context, tx *database.Tx, c Campaign, r Report) error {
	var unmet []Finding
	if s.gate != nil {
		_, acknowledged, err := s.With(tx).Kept(ctx, c.ID)
		if err != nil && !errors.Is(err, database.ErrNotFound) {
			return err
		}
		for _, f := range r.Unmet(acknowledged) {
			if !strings.HasSuffix(f.Code, "_unknown") {
				unmet = append(unmet, f)
			}
		}
		if err := s.keepReport(ctx, tx, c.ID, r, acknowledged); err != nil {
			return err
		}
	}
	if len(unmet) == 0 {
		_, err := s.begin(ctx, tx, c.ID, "start")
		return err
	}
	refused := &Refused{unmet}
	if _, err := s.move(ctx, tx, c.ID, Blocked, "block", refused.Error()); err != nil {
		return err
	}
	domain, err := s.With(tx).domainOf(ctx, c)
	if err != nil {
		return err
	}
	reason := fmt.Sprintf("campaign %d was to start and is held back: %s", c.ID, refused)
	return s.alarm(ctx, tx, Alarm{Kind: "preflight", Scope: throttle.CampaignScope(c.ID), State: string(throttle.Tripped), Reason: reason, Domain: domain, CampaignID: c.ID})
}
