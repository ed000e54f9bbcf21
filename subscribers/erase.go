package subscribers

import (
	"context"
	"fmt"

	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/subscribers/consent"
)

// Erase removes all that this package holds about a person. What stays: their
// rows in the ledger, which say nothing about anybody without the salt, and a
// keyed hash of the address, so that no import brings them back. Nothing
// begins for them once this has committed.
func (s *Store) Erase(ctx context.Context, tx *database.Tx, subscriberID int64, source string) error {
	if err := tx.No(ctx); err != nil {
		return err
	}
	st := s.With(tx)
	p, err := st.Subscriber(ctx, subscriberID)
	if err != nil {
		return err
	}
	who, err := st.persons(ctx, []int64{p.ID})
	if err != nil {
		return err
	}
	if err := st.bury(ctx, tx, p.Key); err != nil {
		return err
	}
	err = consent.Record(ctx, tx, []consent.Entry{{
		SubscriberID: p.ID, Act: consent.Erased, Person: who[p.ID], Statement: consent.Statement{Source: source, At: s.db.Now()},
	}})
	if err != nil {
		return err
	}
	if _, err := consent.Erase(ctx, tx, p.ID); err != nil {
		return err
	}
	for _, d := range []struct {
		query string
		arg   any
	}{
		{`DELETE FROM subscriptions WHERE subscriber_id = ?`, p.ID},
		{`DELETE FROM invitations WHERE subscriber_id = ?`, p.ID},
		{`DELETE FROM leavings WHERE subscriber_id = ?`, p.ID},
		{`DELETE FROM tracking_choices WHERE subscriber_id = ?`, p.ID},
		{`DELETE FROM suppressions WHERE key = ?`, p.Key},
		{`DELETE FROM refusals WHERE address = ?`, p.Key},
		{`DELETE FROM signups WHERE email = ?`, p.Email},
		{`DELETE FROM signup_counts WHERE scope = ?`, "address:" + p.Key},
		{`DELETE FROM subscribers WHERE id = ?`, p.ID},
	} {
		if _, err := tx.Exec(ctx, d.query, d.arg); err != nil {
			return fmt.Errorf("erase: %w", err)
		}
	}
	if err := s.noted(ctx, tx, p.ID); err != nil {
		return err
	}
	return journal.Write(ctx, tx, "erase", "subscriber", p.ID, map[string]any{"source": source})
}
