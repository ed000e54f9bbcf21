package unsubscribe

import (
	"context"
	"fmt"

	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/subscribers"
)

// OptOut ends subscriptions at a person's word.
type OptOut struct {
	db     *database.DB
	people *subscribers.Store
	noes   *subscribers.Noes
}

// NewOptOut writes through people; noes, the senders' courtesy memory, hears of each at once.
func NewOptOut(db *database.DB, people *subscribers.Store, noes *subscribers.Noes) *OptOut {
	return &OptOut{db: db, people: people, noes: noes}
}

// Leave ends the person's subscriptions to the lists and returns when that is
// durable. Saying it again changes nothing. source says by which door: one_click, page.
func (o *OptOut) Leave(ctx context.Context, subscriberID int64, lists []int64, source string) error {
	ctx = journal.WithActor(ctx, "recipient")
	err := o.db.Write(ctx, func(tx *database.Tx) error {
		_, err := o.people.Leave(ctx, tx, subscriberID, lists, source)
		return err
	})
	if err != nil {
		return fmt.Errorf("opt out: %w", err)
	}
	o.noes.Add(subscriberID)
	return nil
}
