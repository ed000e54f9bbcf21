package campaign

import (
	"context"
	"fmt"

	"facteur/internal/database"
	"facteur/sending"
)

// Attempt is a message about to begin.
type Attempt struct {
	CampaignID   int64
	SubscriberID int64
	BatchID      int64
	Execution    int64
	Number       int // 1 for the first
	RelayID      int64
	Provider     string
	FirstAt      int64 // the Date of every attempt, Unix milliseconds
}

// Settled is what became of an attempt.
type Settled struct {
	CampaignID   int64
	SubscriberID int64
	BatchID      int64
	Attempt      int
	Unbegun      bool // the envelope was refused: the row is still queued
	RelayID      int64
	Provider     string
	First        bool // the first attempt of all; a plain accept then needs no history
	Doubts       int  // before this attempt
	Outcome      sending.Outcome
	Next
	Written bool // by [Store.Settle]: the row was changed
}

// Next is what a delivery does after an attempt.
type Next struct {
	Status     DeliveryStatus
	wait       int
	NotBefore  int64
	DeferredAt int64
	Reason     string
}

// Permission is whether an execution's messages may begin.
type Permission int

// The permissions.
const (
	Granted  Permission = iota
	Withheld            // the campaign is not being sent, or all is stopped
	Lost                // the batch is not the execution's any more
)

// Allowed answers for each execution whether its messages may begin: the
// batch is still its own, the campaign is being sent, nothing is stopped.
func (s *Store) Allowed(ctx context.Context, tx *database.Tx, executions []Batch) ([]Permission, error) {
	permissions := make([]Permission, len(executions))
	var n int64
	err := tx.Find(ctx, `SELECT 1 FROM campaigns WHERE id = ? AND status = 'sending' AND NOT EXISTS (SELECT 1 FROM stops WHERE lifted_at = 0)`, len(executions),
		func(i int, p *database.Params) { p.Set(executions[i].CampaignID) }, []any{&n},
		func(i int, found bool) {
			if permissions[i] = Withheld; found {
				permissions[i] = Granted
			}
		})
	if err != nil {
		return nil, err
	}
	// Two questions, not a join: SQLite would plan that anew each time, for the value of execution.
	err = tx.Find(ctx, `SELECT execution FROM batches WHERE id = ? AND state = 'taken'`, len(executions),
		func(i int, p *database.Params) { p.Set(executions[i].ID) }, []any{&n},
		func(i int, found bool) {
			if !found || n != executions[i].Execution {
				permissions[i] = Lost
			}
		})
	return permissions, err
}

// Begin is the only door to sending. The caller has asked [Store.Allowed] and
// the last gate in the same transaction. An attempt that this execution has
// begun already, in a commit whose answer was lost, is begun again.
func (s *Store) Begin(ctx context.Context, tx *database.Tx, attempts []Attempt, t Tally) ([]bool, error) {
	now := s.db.Now().UnixMilli()
	begun := make([]bool, len(attempts))
	var again []int
	err := tx.Each(ctx, `UPDATE deliveries SET status = 'sending', attempts = ?, relay_id = ?, begun_at = ?, first_at = ?
		WHERE campaign_id = ? AND subscriber_id = ? AND status = 'queued' AND batch_id = ? AND wait = 0`, len(attempts),
		func(i int, p *database.Params) {
			a := &attempts[i]
			p.Set(a.Number, a.RelayID, now, a.FirstAt, a.CampaignID, a.SubscriberID, a.BatchID)
		},
		func(i int, n int64) {
			if begun[i] = n == 1; begun[i] {
				t.move(attempts[i].CampaignID, attempts[i].Provider, Queued, Begun, 1)
			} else {
				again = append(again, i)
			}
		})
	if err != nil || len(again) == 0 {
		return begun, err
	}
	var id int64
	err = tx.Find(ctx, `SELECT subscriber_id FROM deliveries WHERE campaign_id = ? AND subscriber_id = ? AND batch_id = ? AND attempts = ? AND status = 'sending'`, len(again),
		func(i int, p *database.Params) {
			a := &attempts[again[i]]
			p.Set(a.CampaignID, a.SubscriberID, a.BatchID, a.Number)
		}, []any{&id},
		func(i int, found bool) { begun[again[i]] = found })
	return begun, err
}

// Skip marks queued deliveries of people whom the last gate refused.
func (s *Store) Skip(ctx context.Context, tx *database.Tx, attempts []Attempt, reasons []string, t Tally) error {
	now := s.db.Now().UnixMilli()
	return tx.Each(ctx, `UPDATE deliveries SET status = 'skipped', reason = ?, settled_at = ? WHERE campaign_id = ? AND subscriber_id = ? AND status = 'queued' AND batch_id = ? AND wait = 0`, len(attempts),
		func(i int, p *database.Params) {
			a := &attempts[i]
			p.Set(reasons[i], now, a.CampaignID, a.SubscriberID, a.BatchID)
		},
		func(i int, n int64) { t.move(attempts[i].CampaignID, attempts[i].Provider, Queued, Skipped, n) })
}

// Settle writes what became of attempts. It asks for no lease: knowledge is
// taken from anyone, as long as that attempt is under way or in doubt, also
// when the doubt is queued again. What is known already changes nothing.
func (s *Store) Settle(ctx context.Context, tx *database.Tx, settled []Settled, t Tally) error {
	plain := make([]*Settled, 0, len(settled))
	var other, missed, history []*Settled
	for i := range settled {
		settled[i].Written = false
		if v := &settled[i]; v.Status == Accepted {
			plain = append(plain, v)
		} else {
			other = append(other, v)
		}
	}
	now := s.db.Now().UnixMilli()
	err := tx.Each(ctx, `UPDATE deliveries SET status = 'sent', code = ?, enhanced = ?, answer = ?, settled_at = ?
		WHERE campaign_id = ? AND subscriber_id = ? AND attempts = ? AND status = 'sending'`, len(plain),
		func(i int, p *database.Params) {
			v := plain[i]
			p.Set(v.Outcome.Code, v.Outcome.Enhanced, v.Outcome.Text, now, v.CampaignID, v.SubscriberID, v.Attempt)
		},
		func(i int, n int64) {
			v := plain[i]
			if n == 0 {
				missed = append(missed, v)
				return
			}
			v.Written = true
			t.move(v.CampaignID, v.Provider, Begun, Accepted, 1)
			if !v.First {
				history = append(history, v)
			}
		})
	if err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	for _, from := range []DeliveryStatus{Begun, Queued} {
		if other, err = s.settleFrom(ctx, tx, from, other, &history, t); err != nil {
			return fmt.Errorf("settle: %w", err)
		}
	}
	if err := s.late(ctx, tx, append(other, missed...), &history, t); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	return s.remember(ctx, tx, history)
}

// settleFrom writes those whose row is in the state from, and returns the rest.
func (s *Store) settleFrom(ctx context.Context, tx *database.Tx, from DeliveryStatus, list []*Settled, history *[]*Settled, t Tally) (rest []*Settled, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	var now []*Settled
	for _, v := range list {
		if v.Unbegun == (from == Queued) && May(from, v.Status) {
			now = append(now, v)
		} else {
			rest = append(rest, v)
		}
	}
	at := s.db.Now().UnixMilli()
	err = tx.Each(ctx, `UPDATE deliveries SET status = ?, wait = ?, not_before = ?, attempts = ?, doubts = doubts + ?, relay_id = ?, code = ?, enhanced = ?, answer = ?, reason = ?, settled_at = ?, deferred_at = ?
		WHERE campaign_id = ? AND subscriber_id = ? AND status = ? AND attempts = ? AND (batch_id = ? OR status <> 'queued')`, len(now),
		func(i int, p *database.Params) {
			v := now[i]
			before, doubt := v.Attempt, 0
			if v.Unbegun {
				before--
			}
			if v.Status == Uncertain {
				doubt = 1
			}
			p.Set(string(v.Status), v.wait, v.NotBefore, v.Attempt, doubt, v.RelayID, v.Outcome.Code, v.Outcome.Enhanced, v.Outcome.Text, v.Reason, at, v.DeferredAt,
				v.CampaignID, v.SubscriberID, string(from), before, v.BatchID)
		},
		func(i int, n int64) {
			v := now[i]
			if n == 0 {
				rest = append(rest, v)
				return
			}
			v.Written = true
			t.move(v.CampaignID, v.Provider, from, v.Status, 1)
			if v.Status == Uncertain && v.Doubts == 0 {
				t.doubt(v.CampaignID, v.Provider, 1)
			}
			*history = append(*history, v)
		})
	return rest, err
}

// remember adds to the history the attempts that were not a plain first accept.
func (s *Store) remember(ctx context.Context, tx *database.Tx, list []*Settled) error {
	now := s.db.Now().UnixMilli()
	return tx.Insert(ctx, `INSERT INTO attempts (id, campaign_id, subscriber_id, attempt, relay_id, outcome, code, enhanced, answer, at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, len(list), func(i int, p *database.Params) {
		v := list[i]
		p.Set(s.db.NewID(), v.CampaignID, v.SubscriberID, v.Attempt, v.RelayID, string(v.Status), v.Outcome.Code, v.Outcome.Enhanced, v.Outcome.Text, now)
	})
}

// Returned settles a delivery of which something came back, such as a delivery
// report: it was sent, whatever became of its answer. It changes one that is
// under way or in doubt, and one that was in doubt, whatever it does since;
// true if it did.
func (s *Store) Returned(ctx context.Context, tx *database.Tx, d Delivery, provider string, t Tally) (bool, error) {
	open := d.Status == Begun || d.Status == Uncertain || d.Doubts > 0
	if !open || d.Status == Accepted {
		return false, nil
	}
	const answer = "it came back, so it was sent"
	n, err := tx.Exec(ctx, `UPDATE deliveries SET status = 'sent', wait = 0, not_before = 0, answer = ?, reason = '', settled_at = ? WHERE campaign_id = ? AND subscriber_id = ? AND status = ? AND attempts = ?`,
		answer, s.db.Now().UnixMilli(), d.CampaignID, d.SubscriberID, string(d.Status), d.Attempts)
	if err != nil || n == 0 {
		return false, err
	}
	t.move(d.CampaignID, provider, d.Status, Accepted, 1)
	return true, s.remember(ctx, tx, []*Settled{{
		CampaignID: d.CampaignID, SubscriberID: d.SubscriberID, Attempt: d.Attempts, RelayID: d.RelayID, Outcome: sending.Outcome{Verdict: sending.Sent, Text: answer}, Next: Next{Status: Accepted},
	}})
}

// HoldDoubts lets every doubt of a relay that would be sent again by machine
// wait for a person instead.
func (s *Store) HoldDoubts(ctx context.Context, tx *database.Tx, relayID int64) error {
	_, err := tx.Exec(ctx, `UPDATE deliveries SET wait = 3, not_before = 0 WHERE doubts > 0 AND relay_id = ? AND status = 'uncertain' AND wait = 2
		AND campaign_id IN (SELECT id FROM campaigns WHERE status IN ('sending', 'paused'))`, relayID)
	if err != nil {
		return fmt.Errorf("hold the doubts of relay %d: %w", relayID, err)
	}
	return nil
}
