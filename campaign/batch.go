package campaign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"facteur/internal/database"
)

// Batch is a handful of one campaign's deliveries in one lane, released for
// sending. It is executed at most once: what that execution leaves goes back
// to the table and is cut anew.
type Batch struct {
	ID         int64
	CampaignID int64
	Lane       int64
	Session    int64   // the process that executes it
	Execution  int64   // the execution; asynq may run a task beside itself
	Members    []int64 // subscriber ids
	Date       int64   // the day of a warm-up's cap in which its members are reserved; 0: none
	From       int64   // that day begins, Unix milliseconds
	Until      int64   // and ends: what has not begun by then is not sent from this batch
}

type batchRow struct {
	ID         int64  `db:"id"`
	CampaignID int64  `db:"campaign_id"`
	Lane       int64  `db:"lane"`
	Size       int64  `db:"size"`
	Members    string `db:"members"`
	Session    int64  `db:"session"`
	Execution  int64  `db:"execution"`
	Date       int64  `db:"date"`
	From       int64  `db:"from_at"`
	Until      int64  `db:"until_at"`
}

const batchColumns = `id, campaign_id, lane, size, members, session, execution, date, from_at, until_at`

func (r batchRow) batch() (Batch, error) {
	b := Batch{ID: r.ID, CampaignID: r.CampaignID, Lane: r.Lane, Session: r.Session, Execution: r.Execution, Date: r.Date, From: r.From, Until: r.Until}
	if err := json.Unmarshal([]byte(r.Members), &b.Members); err != nil {
		return b, fmt.Errorf("batch %d: members: %w", r.ID, err)
	}
	return b, nil
}

// Take gives a released batch to one execution in the process session; false
// when it is taken or gone, which is how a queue's repeated task ends. With
// the same execution it may be asked again after a commit whose answer was lost.
func (s *Store) Take(ctx context.Context, id, session, execution int64) (Batch, bool, error) {
	var row batchRow
	err := s.db.Write(ctx, func(tx *database.Tx) error {
		return tx.Get(ctx, &row, `UPDATE batches SET state = 'taken', session = ?, execution = ? WHERE id = ? AND (state = 'released' OR execution = ?) RETURNING `+batchColumns,
			session, execution, id, execution)
	})
	if errors.Is(err, database.ErrNotFound) {
		return Batch{}, false, nil
	}
	if err != nil {
		return Batch{}, false, fmt.Errorf("take batch %d: %w", id, err)
	}
	b, err := row.batch()
	return b, err == nil, err
}

// Load reads those of the batch's deliveries that are still queued in it:
// what sending needs to know of them.
func (s *Store) Load(ctx context.Context, b Batch) ([]Delivery, error) {
	query, args, err := database.In(`SELECT subscriber_id, lists, attempts, doubts, first_at, deferred_at
		FROM deliveries WHERE campaign_id = ? AND subscriber_id IN (?) AND batch_id = ? AND status = 'queued' ORDER BY rank`, b.CampaignID, b.Members, b.ID)
	if err != nil {
		return nil, err
	}
	rows := make([]Delivery, 0, len(b.Members))
	d := Delivery{CampaignID: b.CampaignID, BatchID: b.ID, Lane: b.Lane, Status: Queued}
	err = s.q.Scan(ctx, query, args, []any{&d.SubscriberID, &d.Lists, &d.Attempts, &d.Doubts, &d.FirstAt, &d.DeferredAt}, func() { rows = append(rows, d) })
	if err != nil {
		return nil, fmt.Errorf("load batch %d: %w", b.ID, err)
	}
	return rows, nil
}

// Postpone takes deliveries out of a batch, none of which has begun: each
// waits until a time of its own (Unix milliseconds).
func (s *Store) Postpone(ctx context.Context, b Batch, people, until []int64) error {
	return s.db.Write(ctx, func(tx *database.Tx) error {
		return tx.Each(ctx, `UPDATE deliveries SET wait = 2, not_before = ?, batch_id = 0 WHERE campaign_id = ? AND subscriber_id = ? AND batch_id = ? AND status = 'queued' AND wait = 0`,
			len(people), func(i int, p *database.Params) { p.Set(until[i], b.CampaignID, people[i], b.ID) }, nil)
	})
}

// Done ends an execution whose deliveries all have their answers written.
func (s *Store) Done(ctx context.Context, b Batch) error {
	_, err := s.db.Exec(ctx, `DELETE FROM batches WHERE id = ? AND execution = ?`, b.ID, b.Execution)
	return err
}

// Finish ends an execution of which nothing is under way any more. What is
// still queued waits for another batch, not before the given time (Unix
// milliseconds, 0: at once). unbegun are those whose body is known not to
// have left; a row of them that says sending was begun by a commit whose
// answer was lost, and is tried again. Any other that says sending has an
// answer that could not be written, and is in doubt.
func (s *Store) Finish(ctx context.Context, b Batch, unbegun []int64, notBefore int64) error {
	return s.db.Write(ctx, func(tx *database.Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM batches WHERE id = ? AND execution = ?`, b.ID, b.Execution)
		if err != nil || n == 0 { // written off meanwhile: not ours to give back
			return err
		}
		begun, err := s.clear(ctx, tx, b, notBefore)
		if err != nil || len(begun) == 0 {
			return err
		}
		c, err := s.With(tx).Campaign(ctx, b.CampaignID)
		if err != nil {
			return err
		}
		now := s.db.Now().UnixMilli()
		return s.orphans(ctx, tx, b, begun, func(d Delivery) Settled {
			if slices.Contains(unbegun, d.SubscriberID) {
				return unsentOf(d, now)
			}
			return doubtOf(d, c.OnUncertain, now+doubtPause.Milliseconds())
		})
	})
}

// clear lets the batch's queued deliveries wait for another one, and returns
// those that say sending.
func (s *Store) clear(ctx context.Context, tx *database.Tx, b Batch, notBefore int64) (begun []Delivery, err error) {
	query, args, err := database.In(`SELECT `+deliveryColumns+` FROM deliveries WHERE campaign_id = ? AND subscriber_id IN (?) AND batch_id = ? AND status IN ('queued', 'sending')`,
		b.CampaignID, b.Members, b.ID)
	if err != nil {
		return nil, err
	}
	var open, queued []Delivery
	if err := tx.Select(ctx, &open, query, args...); err != nil {
		return nil, err
	}
	for _, d := range open {
		if d.Status == Queued {
			queued = append(queued, d)
		} else {
			begun = append(begun, d)
		}
	}
	wait := waitBatch
	if notBefore > s.db.Now().UnixMilli() {
		wait = waitTime
	}
	return begun, tx.Each(ctx, `UPDATE deliveries SET wait = ?, not_before = ?, batch_id = 0 WHERE campaign_id = ? AND subscriber_id = ? AND batch_id = ? AND status = 'queued' AND wait = 0`,
		len(queued), func(i int, p *database.Params) { p.Set(wait, notBefore, b.CampaignID, queued[i].SubscriberID, b.ID) }, nil)
}

// orphans settles begun deliveries of which nobody will tell the answer.
func (s *Store) orphans(ctx context.Context, tx *database.Tx, b Batch, begun []Delivery, as func(Delivery) Settled) error {
	lane, err := s.pace.With(tx).Lane(ctx, b.Lane)
	if err != nil {
		return err
	}
	settled := make([]Settled, len(begun))
	for i, d := range begun {
		settled[i] = as(d)
		settled[i].Provider = lane.Provider
	}
	t := Tally{}
	if err := s.Settle(ctx, tx, settled, t); err != nil {
		return err
	}
	return s.Count(ctx, tx, t)
}

// recoverPage is how many batches of a process are handed on in one transaction.
const recoverPage = 8

// Recover hands on what a process has left, at most [recoverPage] batches at a
// time: their queued deliveries wait for another batch, those that had begun
// are in doubt. proven says that the process has ended; otherwise it may still know the answer, and a doubt
// waits for patience (milliseconds).
func (s *Store) Recover(ctx context.Context, tx *database.Tx, session int64, proven bool, patience int64) (batches, doubts int, err error) {
	if err := tx.Gate(ctx, true); err != nil {
		return 0, 0, err
	}
	var rows []batchRow
	if err := tx.Select(ctx, &rows, `SELECT `+batchColumns+` FROM batches WHERE session = ? AND state = 'taken' ORDER BY id LIMIT ?`, session, recoverPage); err != nil {
		return 0, 0, err
	}
	for _, row := range rows {
		b, err := row.batch()
		if err != nil { // its list of members is damaged: their rows know the batch
			b = Batch{ID: row.ID, CampaignID: row.CampaignID, Lane: row.Lane}
			err = tx.Select(ctx, &b.Members, `SELECT subscriber_id FROM deliveries WHERE campaign_id = ? AND batch_id = ?`, b.CampaignID, b.ID)
		}
		if err != nil {
			return 0, 0, err
		}
		n, err := s.recoverBatch(ctx, tx, b, proven, patience)
		if err != nil {
			return 0, 0, fmt.Errorf("recover batch %d: %w", b.ID, err)
		}
		doubts += n
	}
	return len(rows), doubts, nil
}

func (s *Store) recoverBatch(ctx context.Context, tx *database.Tx, b Batch, proven bool, patience int64) (int, error) {
	if _, err := tx.Exec(ctx, `DELETE FROM batches WHERE id = ?`, b.ID); err != nil {
		return 0, err
	}
	begun, err := s.clear(ctx, tx, b, 0)
	if err != nil || len(begun) == 0 {
		return 0, err
	}
	c, err := s.With(tx).Campaign(ctx, b.CampaignID)
	if err != nil {
		return 0, err
	}
	at := s.db.Now().UnixMilli()
	if !proven { // by our clock, not by that of the process that fell silent
		at += patience
	}
	return len(begun), s.orphans(ctx, tx, b, begun, func(d Delivery) Settled { return doubtOf(d, c.OnUncertain, at) })
}

// Strays lists the sessions that hold batches.
func (s *Store) Strays(ctx context.Context, tx *database.Tx) ([]int64, error) {
	var sessions []int64
	err := tx.Select(ctx, &sessions, `SELECT DISTINCT session FROM batches WHERE state = 'taken'`)
	return sessions, err
}
