package subscribers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"facteur/internal/database"
	"facteur/internal/journal"
)

// Lapse is what silence means after somebody was asked.
type Lapse string

// The people of an import are pending until they answer, whatever the lapse.
const (
	LapseKeep        Lapse = "keep"        // all stays as it was
	LapseUnsubscribe Lapse = "unsubscribe" // the subscription ends
)

// Invited is why somebody is invited to say yes who has not asked to.
type Invited struct {
	Again bool  // they are on the list, and are asked once more; else an import brought them
	Lapse Lapse // what their silence means
}

// The kinds of invitations, the last in the alphabet first in their turn.
const (
	byImport    = "import"
	bySignUp    = "signup" // asked for by form, before there was a sender
	byReconfirm = "reconfirm"
)

// invite notes people who are to be asked for their yes, in their turn.
func (s *Store) invite(ctx context.Context, tx *database.Tx, listID int64, ids []int64, kind string, lapse Lapse) error {
	now := s.db.Now().UnixMilli()
	return tx.Insert(ctx, `INSERT INTO invitations (list_id, subscriber_id, kind, state, lapse, created_at, asked_at) VALUES (?, ?, ?, ?, ?, ?, 0)
		ON CONFLICT (list_id, subscriber_id) DO NOTHING`, len(ids), func(i int, p *database.Params) {
		p.Set(listID, ids[i], kind, "waiting", string(lapse), now)
	})
}

func (s *Store) invited(ctx context.Context, listID, subscriberID int64) (bool, error) {
	var n int64
	err := s.q.Get(ctx, &n, `SELECT COUNT(*) FROM invitations WHERE list_id = ? AND subscriber_id = ?`, listID, subscriberID)
	return n > 0, err
}

// reconfirmPage bounds a transaction of [Store.Reconfirm].
const reconfirmPage = 5000

// Reconfirm invites the confirmed people of a list whose yes is older than a
// time (Unix milliseconds) to give it again, in pages after the given person;
// it returns how many, and the last person looked at, 0 at the end.
func (s *Store) Reconfirm(ctx context.Context, tx *database.Tx, listID, before, after int64, lapse Lapse) (invited, last int64, err error) {
	if lapse != LapseKeep && lapse != LapseUnsubscribe {
		return 0, 0, &Invalid{"otherwise", fmt.Sprintf("%q is unknown: want keep or unsubscribe", lapse)}
	}
	var ids []int64
	err = tx.Select(ctx, &ids, `SELECT subscriber_id FROM subscriptions WHERE list_id = ? AND subscriber_id > ? AND status = 'confirmed' AND confirmed_at < ? ORDER BY subscriber_id LIMIT ?`,
		listID, after, before, reconfirmPage)
	if err != nil || len(ids) == 0 {
		return 0, 0, err
	}
	if err := s.invite(ctx, tx, listID, ids, byReconfirm, lapse); err != nil {
		return 0, 0, err
	}
	return int64(len(ids)), ids[len(ids)-1], journal.Write(ctx, tx, "re-confirm", "list", listID, map[string]any{"people": len(ids), "before": before, "otherwise": lapse})
}

// Invitations counts a list's invitations: who waits for it, or whose mail
// does, and who was asked and has not answered.
func (s *Store) Invitations(ctx context.Context, listID int64) (waiting, asked int64, err error) {
	err = s.q.Get(ctx, &waiting, `SELECT COUNT(*) FROM invitations WHERE list_id = ? AND state IN ('waiting', 'written')`, listID)
	if err == nil {
		err = s.q.Get(ctx, &asked, `SELECT COUNT(*) FROM invitations WHERE list_id = ? AND state = 'asked'`, listID)
	}
	return waiting, asked, err
}

type invitation struct {
	ListID       int64  `db:"list_id"`
	SubscriberID int64  `db:"subscriber_id"`
	Kind         string `db:"kind"`
	Lapse        string `db:"lapse"`
}

// askAtOnce bounds the letters that one round of [Greeter.Invite] writes for a
// list, askedAhead those of a list that have been written and have not gone: the
// others wait here, where they are in nobody's way.
const (
	askAtOnce  = 50
	askedAhead = 500
)

// Invite asks the next of those who wait for it, on each list in its turn, no
// more than perHour in any hour. write is a fenced transaction of the leader.
func (g *Greeter) Invite(ctx context.Context, perHour int64, write func(context.Context, func(*database.Tx) error) error) error {
	asked := false
	var failed error
	for list := int64(0); ; {
		err := g.db.Get(ctx, &list, `SELECT list_id FROM invitations WHERE state = 'waiting' AND list_id > ? ORDER BY list_id LIMIT 1`, list)
		if errors.Is(err, database.ErrNotFound) {
			break
		}
		if err != nil {
			return err
		}
		n, err := g.inviteOf(ctx, list, perHour, write)
		asked = asked || n > 0
		switch { // another list may have a sender, or people who have signed up
		case errors.Is(err, database.ErrStale):
			return err
		case err != nil && !errors.Is(err, ErrNoSender) && !errors.Is(err, ErrSignupLimit):
			failed = errors.Join(failed, fmt.Errorf("invite to list %d: %w", list, err))
		}
	}
	if asked {
		g.after()
	}
	return failed
}

// inviteOf asks the next of one list.
func (g *Greeter) inviteOf(ctx context.Context, list, perHour int64, write func(context.Context, func(*database.Tx) error) error) (asked int, err error) {
	var ahead int
	err = g.db.Get(ctx, &ahead, `SELECT COUNT(*) FROM (SELECT 1 FROM invitations WHERE state = 'written' AND list_id = ? LIMIT ?) AS written`, list, askedAhead)
	if err != nil {
		return 0, err
	}
	var next []invitation
	err = g.db.Select(ctx, &next, `SELECT list_id, subscriber_id, kind, lapse FROM invitations WHERE state = 'waiting' AND list_id = ? ORDER BY kind DESC, created_at LIMIT ?`,
		list, min(askAtOnce, askedAhead-ahead))
	for _, i := range next {
		if err = write(ctx, func(tx *database.Tx) error { return g.ask(ctx, tx, i, perHour) }); err != nil {
			break
		}
		asked++
	}
	return asked, err
}

// ask writes the letter of one invitation, or drops it when it has become
// pointless.
func (g *Greeter) ask(ctx context.Context, tx *database.Tx, i invitation, perHour int64) error {
	if err := g.store.hear(ctx, tx, i.SubscriberID); err != nil {
		return err
	}
	st := g.store.With(tx)
	drop := func() error {
		_, err := tx.Exec(ctx, `DELETE FROM invitations WHERE list_id = ? AND subscriber_id = ?`, i.ListID, i.SubscriberID)
		return err
	}
	sub, err := st.Subscription(ctx, i.ListID, i.SubscriberID)
	if errors.Is(err, database.ErrNotFound) {
		return drop()
	}
	if err != nil {
		return err
	}
	p, err := st.Subscriber(ctx, i.SubscriberID)
	if err != nil {
		return err
	}
	suppressed, err := st.suppressed(ctx, p.Key, i.ListID)
	if err != nil {
		return err
	}
	wished := i.Kind == bySignUp
	switch {
	case suppressed != "" && !(wished && liftable(suppressed)), sub.Status == Unsubscribed, sub.Left() && !wished, i.Kind != byReconfirm && sub.Status != Pending:
		return drop()
	}
	list, err := st.List(ctx, i.ListID)
	if err != nil {
		return err
	}
	if err := g.confirmer.Ready(ctx, tx, list); err != nil {
		return err
	}
	if !wished { // those have passed the limits of sign-ups
		if n, err := st.countSignup(ctx, tx, "invitations", time.Hour); err != nil {
			return err
		} else if n > perHour {
			return ErrSignupLimit
		}
	}
	// That they were asked is noted when the letter has been accepted, see [Store.Asked].
	if _, err := tx.Exec(ctx, `UPDATE invitations SET state = 'written' WHERE list_id = ? AND subscriber_id = ?`, i.ListID, i.SubscriberID); err != nil {
		return err
	}
	if wished {
		return g.confirmer.Confirm(ctx, tx, list, p)
	}
	return g.confirmer.Invite(ctx, tx, list, p, Invited{Again: i.Kind == byReconfirm, Lapse: Lapse(i.Lapse)})
}

// Lapse ends re-confirmations that were not answered within [PendingFor]; the
// others end with their pending subscription.
func (g *Greeter) Lapse(ctx context.Context, write func(context.Context, func(*database.Tx) error) error) error {
	var due []invitation
	err := g.db.Select(ctx, &due, `SELECT list_id, subscriber_id, kind, lapse FROM invitations WHERE state = 'asked' AND kind = 'reconfirm' AND asked_at < ? ORDER BY asked_at LIMIT 20`,
		g.db.Now().Add(-PendingFor).UnixMilli())
	if err != nil || len(due) == 0 {
		return err
	}
	return write(ctx, func(tx *database.Tx) error {
		if err := tx.No(ctx); err != nil {
			return err
		}
		for _, i := range due {
			n, err := tx.Exec(ctx, `DELETE FROM invitations WHERE list_id = ? AND subscriber_id = ? AND state = 'asked'`, i.ListID, i.SubscriberID)
			if err != nil {
				return err
			}
			if n == 1 && i.Lapse == string(LapseUnsubscribe) { // else they have answered this moment
				if _, err := g.store.With(tx).Leave(ctx, tx, i.SubscriberID, []int64{i.ListID}, "re-confirmation not answered"); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
