package unsubscribe

import (
	"context"
	"fmt"
	"time"

	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/subscribers"

	"github.com/prometheus/client_golang/prometheus"
)

// OptOut ends subscriptions at a person's word.
type OptOut struct {
	db     *database.DB
	people *subscribers.Store
	noes   *subscribers.Noes
	taken  *prometheus.HistogramVec
}

// NewOptOut writes through people; noes, the senders' courtesy memory, hears of each at once.
func NewOptOut(db *database.DB, people *subscribers.Store, noes *subscribers.Noes) *OptOut {
	return &OptOut{db: db, people: people, noes: noes, taken: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "facteur_opt_out_seconds", Help: "From an opt-out's arrival until it is durable: from then on nothing begins for this person.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 13), // 1 ms to 4 s
	}, []string{"source"})}
}

// Metrics are what the opt-outs count.
func (o *OptOut) Metrics() []prometheus.Collector { return []prometheus.Collector{o.taken} }

// Word is a no: whose, and by which door it came.
type Word struct {
	Reference        // the mail that the way out was in; campaign 0: none
	Source    string // one_click, page, preferences
	All       bool   // no mail at all, from any list
}

// Leave ends the person's subscriptions to the lists and returns when that is
// durable. Saying it again changes nothing.
func (o *OptOut) Leave(ctx context.Context, w Word, lists []int64) error {
	asked := time.Now()
	askedAt := o.db.Now().UnixMilli()
	err := o.write(ctx, w.SubscriberID, func(ctx context.Context, tx *database.Tx) error {
		return o.people.LeaveBy(ctx, tx, subscribers.Leaving{SubscriberID: w.SubscriberID, CampaignID: w.CampaignID, Source: w.Source, AskedAt: askedAt}, lists, w.All)
	})
	if err != nil {
		return fmt.Errorf("opt out: %w", err)
	}
	o.taken.WithLabelValues(w.Source).Observe(time.Since(asked).Seconds())
	return nil
}

// Pause lets the lists rest for [subscribers.PauseFor].
func (o *OptOut) Pause(ctx context.Context, subscriberID int64, lists []int64) error {
	return o.write(ctx, subscriberID, func(ctx context.Context, tx *database.Tx) error { return o.people.Pause(ctx, tx, subscriberID, lists) })
}

// Undo takes a leaving back within [subscribers.UndoFor] and returns the lists
// that are as before; [database.ErrNotFound] when there is nothing to undo.
func (o *OptOut) Undo(ctx context.Context, ref Reference) (back []int64, err error) {
	err = o.db.Write(journal.WithActor(ctx, "recipient"), func(tx *database.Tx) error {
		var err error
		back, err = o.people.Undo(journal.WithActor(ctx, "recipient"), tx, ref.SubscriberID, ref.CampaignID)
		return err
	})
	return back, err
}

// Explain adds a reason to the leaving of the last hour.
func (o *OptOut) Explain(ctx context.Context, ref Reference, reason, note string) error {
	return o.db.Write(ctx, func(tx *database.Tx) error {
		return o.people.Explain(ctx, tx, ref.SubscriberID, ref.CampaignID, reason, note)
	})
}

// write is a change that may forbid a mail: the senders of this process hear
// of it as soon as it is durable.
func (o *OptOut) write(ctx context.Context, subscriberID int64, change func(context.Context, *database.Tx) error) error {
	ctx = journal.WithActor(ctx, "recipient")
	if err := o.db.Write(ctx, func(tx *database.Tx) error { return change(ctx, tx) }); err != nil {
		return err
	}
	o.noes.Add(subscriberID)
	return nil
}
