package campaign

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"facteur/internal/database"
	"facteur/internal/journal"
)

// What a delivery waits for: the column "wait".
const (
	waitNothing = 0 // in a batch, or done
	waitBatch   = 1
	waitTime    = 2
	waitPerson  = 3
)

// Delivery is one person's part of a campaign.
type Delivery struct {
	CampaignID   int64          `db:"campaign_id"`
	SubscriberID int64          `db:"subscriber_id"`
	Status       DeliveryStatus `db:"status"`
	Lane         int64          `db:"lane"`
	NotBefore    int64          `db:"not_before"` // Unix milliseconds
	BatchID      int64          `db:"batch_id"`
	Lists        int64          `db:"lists"` // bit i: came by the version's list i
	Run          int64          `db:"run"`
	Attempts     int            `db:"attempts"`
	Doubts       int            `db:"doubts"`
	RelayID      int64          `db:"relay_id"`
	Code         int            `db:"code"`
	Enhanced     string         `db:"enhanced"`
	Answer       string         `db:"answer"`
	Reason       string         `db:"reason"`
	FirstAt      int64          `db:"first_at"`
	BegunAt      int64          `db:"begun_at"`
	SettledAt    int64          `db:"settled_at"`
	DeferredAt   int64          `db:"deferred_at"`

	// Archived says that only its state and its lists are still known, and
	// whether it was ever attempted and in doubt, see [Store.Archive].
	Archived bool `db:"-"`
}

const deliveryColumns = `campaign_id, subscriber_id, status, lane, not_before, batch_id, lists, run, attempts, doubts, relay_id,
	code, enhanced, answer, reason, first_at, begun_at, settled_at, deferred_at`

// steps are all changes of a delivery's state; a test tries every pair.
var steps = map[DeliveryStatus][]DeliveryStatus{
	Queued:    {Begun, Deferred, Failed, Skipped, Accepted}, // deferred and failed: refused before the body, or late knowledge
	Begun:     {Accepted, Deferred, Failed, Uncertain},
	Deferred:  {Queued, Skipped, Failed, Accepted},
	Uncertain: {Queued, Accepted, Deferred, Failed}, // queued: once by machine; the others: late knowledge
	Failed:    {Queued, Accepted},                   // resend-failed
	Skipped:   {Accepted},
} // accepted, but from sending: an earlier attempt was taken, as is learned late, see [Settled.settles] and [Store.Returned]

// May tells whether a delivery may go from one state to the other.
func May(from, to DeliveryStatus) bool { return slices.Contains(steps[from], to) }

// Reached are the ids of the lists by which the delivery came, of its version's.
func Reached(bits int64, lists []int64) []int64 {
	var ids []int64
	for i, id := range lists {
		if bits&(1<<i) != 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// Delivery finds one person's delivery, or what is left of it in the archive.
func (s *Store) Delivery(ctx context.Context, campaignID, subscriberID int64) (Delivery, error) {
	var d Delivery
	err := s.q.Get(ctx, &d, `SELECT `+deliveryColumns+` FROM deliveries WHERE campaign_id = ? AND subscriber_id = ?`, campaignID, subscriberID)
	if errors.Is(err, database.ErrNotFound) {
		d, err = s.archivedDelivery(ctx, campaignID, subscriberID)
	}
	if err != nil {
		return Delivery{}, fmt.Errorf("delivery of campaign %d to %d: %w", campaignID, subscriberID, err)
	}
	return d, nil
}

// Deliveries pages through a campaign's deliveries by person, after the given
// one; status "" is any, doubted only those that ever were in doubt.
func (s *Store) Deliveries(ctx context.Context, campaignID int64, status DeliveryStatus, onlyDoubted bool, after int64, limit int) ([]Delivery, error) {
	query := `SELECT ` + deliveryColumns + ` FROM deliveries WHERE campaign_id = ? AND subscriber_id > ?`
	args := []any{campaignID, after}
	if status != "" {
		query += ` AND status = ?`
		args = append(args, string(status))
	}
	if onlyDoubted {
		query += ` AND doubts > 0`
	}
	var all []Delivery
	err := s.q.Select(ctx, &all, query+` ORDER BY subscriber_id LIMIT ?`, append(args, limit)...)
	return all, err
}

// SentSince are the campaigns that reached a person since a time (Unix
// milliseconds), with when they were accepted.
func (s *Store) SentSince(ctx context.Context, subscriberID, since int64) (map[int64]int64, error) {
	var rows []struct {
		CampaignID int64 `db:"campaign_id"`
		SettledAt  int64 `db:"settled_at"`
	}
	err := s.q.Select(ctx, &rows, `SELECT d.campaign_id, d.settled_at FROM campaigns c JOIN deliveries d ON d.campaign_id = c.id AND d.subscriber_id = ?
		WHERE c.launched_at > 0 AND (c.finished_at = 0 OR c.finished_at > ?) AND d.status = 'sent' AND d.settled_at > ?`, subscriberID, since, since)
	sent := make(map[int64]int64, len(rows))
	for _, r := range rows {
		sent[r.CampaignID] = r.SettledAt
	}
	return sent, err
}

// ReachedBy are the lists through which a delivery came, for its way out.
// Without a delivery (a test letter) it is all of the campaign's lists.
func (s *Store) ReachedBy(ctx context.Context, campaignID, subscriberID int64) ([]int64, error) {
	c, err := s.Campaign(ctx, campaignID)
	if err != nil {
		return nil, err
	}
	d, err := s.Delivery(ctx, campaignID, subscriberID)
	if errors.Is(err, database.ErrNotFound) || err == nil && c.Version == 0 {
		return c.ListIDs, nil
	}
	if err != nil {
		return nil, err
	}
	v, err := s.Version(ctx, campaignID, c.Version)
	if err != nil {
		return nil, err
	}
	return Reached(d.Lists, v.ListIDs), nil
}

// ResendFailed puts the failed, and the uncertain that wait for a person,
// back into the queue, in pages that make their own transactions, and sets
// the campaign going again. It returns how many.
func (s *Store) ResendFailed(ctx context.Context, id int64) (int64, error) {
	c, err := s.Campaign(ctx, id)
	if err != nil {
		return 0, err
	}
	if err := c.resendable(); err != nil {
		return 0, err
	}
	var total int64
	for after := int64(0); ; { // each person once, though some may have failed again by now
		var rows []Delivery
		err := s.db.Write(ctx, func(tx *database.Tx) error {
			rows, err = s.resendPage(ctx, tx, c, after, 1000)
			return err
		})
		if err != nil || len(rows) == 0 {
			return total, err
		}
		total += int64(len(rows))
		after = rows[len(rows)-1].SubscriberID
	}
}

// resendable refuses a campaign of which nothing can be sent again.
func (c Campaign) resendable() error {
	if c.Status == Cancelled {
		return fmt.Errorf("campaign %d was cancelled and sends nothing again; what was in doubt stays held: copy it into a new one: %w", c.ID, ErrState)
	}
	if c.Status != Sent && c.Status != Sending && c.Status != Paused {
		return fmt.Errorf("campaign %d is %s: %w", c.ID, c.Status, ErrState)
	}
	if c.archivedAt > 0 {
		return fmt.Errorf("campaign %d ended so long ago that its deliveries were condensed (delivery_days of /retention): copy it: %w", c.ID, ErrState)
	}
	return nil
}

// resendPage puts the next page of people back into the queue, and returns them.
func (s *Store) resendPage(ctx context.Context, tx *database.Tx, c Campaign, after int64, limit int) ([]Delivery, error) {
	if err := tx.Gate(ctx, true); err != nil { // in turn with the campaign's end
		return nil, err
	}
	now, err := s.With(tx).Campaign(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	if err := now.resendable(); err != nil { // cancelled since
		return nil, err
	}
	var rows []Delivery
	err = tx.Select(ctx, &rows, `SELECT `+deliveryColumns+` FROM deliveries WHERE campaign_id = ? AND subscriber_id > ? AND (status = 'failed' OR status = 'uncertain' AND wait = 3)
		ORDER BY subscriber_id LIMIT ?`, c.ID, after, limit)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	providers, err := s.providersOf(ctx, tx, rows)
	if err != nil {
		return nil, err
	}
	t := Tally{}
	err = tx.Each(ctx, `UPDATE deliveries SET status = 'queued', wait = 1, not_before = 0, deferred_at = 0, run = run + 1 WHERE campaign_id = ? AND subscriber_id = ? AND status = ?`, len(rows),
		func(i int, p *database.Params) { p.Set(c.ID, rows[i].SubscriberID, string(rows[i].Status)) },
		func(i int, n int64) { t.move(c.ID, providers[i], rows[i].Status, Queued, n) })
	if err != nil {
		return nil, err
	}
	if err := s.Count(ctx, tx, t); err != nil {
		return nil, err
	}
	if err := journal.Write(ctx, tx, "resend", "campaign", c.ID, map[string]any{"deliveries": len(rows)}); err != nil {
		return nil, err
	}
	if now.Status == Sent {
		_, err = s.reopen(ctx, tx, c.ID)
	}
	return rows, err
}

// providersOf names the mailbox provider of each delivery, by its lane.
func (s *Store) providersOf(ctx context.Context, tx *database.Tx, rows []Delivery) ([]string, error) {
	names := make([]string, len(rows))
	for i, d := range rows {
		lane, err := s.pace.With(tx).Lane(ctx, d.Lane)
		if err != nil {
			return nil, err
		}
		names[i] = lane.Provider
	}
	return names, nil
}

// idle tells whether nothing of a campaign is ready or under way.
func (s *Store) idle(ctx context.Context, id int64) (bool, error) {
	n, err := s.Counts(ctx, id)
	return n.Queued+n.Sending == 0, err
}
