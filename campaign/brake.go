package campaign

import (
	"context"
	"fmt"
	"slices"

	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/throttle"
)

// Alarm is something that an operator should hear of now.
type Alarm struct {
	Kind       string // complaints, bounces, canary, sudden_jump, domain_check
	Scope      string // as of a limit: campaign:ID, domain:NAME, lane:NAME/PROVIDER
	State      string // warn, slow, pause, stop
	Reason     string // in words
	Domain     string // the sending domain concerned
	CampaignID int64  // 0: of no campaign alone
}

// Alarmed is told of alarms, in the transaction of their cause.
type Alarmed func(ctx context.Context, tx *database.Tx, a Alarm) error

// AlsoAlarm lets somebody be told of alarms; before anything runs.
func (s *Store) AlsoAlarm(f Alarmed) { s.alarmed = append(s.alarmed, f) }

// Raise is for what others find that an operator should hear of.
func (s *Store) Raise(ctx context.Context, tx *database.Tx, a Alarm) error {
	return s.alarm(ctx, tx, a)
}

// alarm writes an alarm down and tells who wants to know.
func (s *Store) alarm(ctx context.Context, tx *database.Tx, a Alarm) error {
	err := journal.Write(ctx, tx, a.State, "alarm", a.CampaignID, map[string]any{"kind": a.Kind, "scope": a.Scope, "reason": a.Reason, "domain": a.Domain})
	if err != nil {
		return err
	}
	for _, f := range s.alarmed {
		if err := f(ctx, tx, a); err != nil {
			return fmt.Errorf("alarm: %w", err)
		}
	}
	return nil
}

// Brake lets the breakers judge what was sent lately, and acts on what they
// say: a campaign is paused, a lane or a domain held. The caller holds
// [database.Tx.Gate], so that nothing begins beside it.
func (s *Store) Brake(ctx context.Context, tx *database.Tx) error {
	joined := s.With(tx)
	all, ids, err := joined.watched(ctx)
	if err != nil {
		return err
	}
	changed, err := s.pace.Watch(ctx, tx, ids)
	if err != nil {
		return err
	}
	for len(changed) > 0 {
		b := changed[0]
		changed = changed[1:]
		a := Alarm{Kind: string(b.Kind), Scope: b.Scope, State: string(b.State), Reason: b.Reason, Domain: b.Domain(), CampaignID: b.CampaignID()}
		if i := slices.Index(ids, a.CampaignID); i >= 0 {
			if a.Domain, err = joined.domainOf(ctx, all[i]); err != nil {
				return err
			}
			more, err := s.brakeCampaign(ctx, tx, all[i], b, a.Domain)
			if err != nil {
				return err
			}
			changed = append(changed, more...)
		}
		if b.State == throttle.Fine {
			continue // what ends by itself needs nobody
		}
		if err := s.alarm(ctx, tx, a); err != nil {
			return err
		}
	}
	return nil
}

// brakeCampaign pauses a campaign whose breaker has tripped, and for what is
// graver its whole domain.
func (s *Store) brakeCampaign(ctx context.Context, tx *database.Tx, c Campaign, b throttle.Breaker, domain string) (more []throttle.Breaker, err error) {
	if b.State.Holds() && c.Status == Sending {
		if _, err := s.move(ctx, tx, c.ID, Paused, "pause", "paused by itself: "+b.Reason); err != nil {
			return nil, err
		}
	}
	if b.State != throttle.Stopped {
		return nil, nil
	}
	stopped, ok, err := s.pace.StopDomain(ctx, tx, domain, b.Kind, b.Reason)
	if ok {
		more = append(more, stopped)
	}
	return more, err
}

// domainOf is the domain that a launched campaign is sent from.
func (s *Store) domainOf(ctx context.Context, c Campaign) (string, error) {
	v, err := s.Version(ctx, c.ID, c.Version)
	return v.Sender.Domain, err
}

// complaintDays is how long complaints about an ended campaign are waited for.
const complaintDays = 7

// watched are the campaigns that breakers judge: those that run, and those that
// ended lately, about which people still complain.
func (s *Store) watched(ctx context.Context) (all []Campaign, ids []int64, err error) {
	var rows []campaignRow
	err = s.q.Select(ctx, &rows, `SELECT `+campaignColumns+` FROM campaigns WHERE status IN ('sending', 'paused') OR finished_at > ? ORDER BY id`,
		s.db.Now().AddDate(0, 0, -complaintDays).UnixMilli())
	if err != nil {
		return nil, nil, fmt.Errorf("campaigns to watch: %w", err)
	}
	for _, row := range rows {
		if c, err := row.campaign(); err == nil { // what cannot be read is held by the scheduler
			all, ids = append(all, c), append(ids, c.ID)
		}
	}
	return all, ids, nil
}

// reopen lets a campaign go on that had ended; one that its breaker has judged
// since is paused at once.
func (s *Store) reopen(ctx context.Context, tx *database.Tx, id int64) (Campaign, error) {
	c, err := s.move(ctx, tx, id, Sending, "reopen", "")
	if err != nil {
		return Campaign{}, err
	}
	brakes, err := s.pace.With(tx).Brakes(ctx)
	if err != nil {
		return Campaign{}, err
	}
	if b := brakes[throttle.CampaignScope(id)]; b.State.Holds() {
		return s.move(ctx, tx, id, Paused, "pause", "paused by itself: "+b.Reason)
	}
	return c, nil
}

// brake lets the breakers look at what was sent since. The gate, which holds
// up all begins, is taken only when there is something to do.
func (s *Scheduler) brake(ctx context.Context) error {
	_, ids, err := s.store.watched(ctx)
	if err != nil {
		return err
	}
	if changed, err := s.store.pace.Watch(ctx, nil, ids); err != nil || len(changed) == 0 {
		return err
	}
	return s.write(ctx, func(tx *database.Tx) error {
		if err := tx.Gate(ctx, true); err != nil {
			return err
		}
		return s.store.Brake(ctx, tx)
	})
}
