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

// Leave ends the person's subscriptions to the lists and returns when that is
// durable. Saying it again changes nothing. source says by which door: one_click, page.
func (o *OptOut) Leave(ctx context.Context, subscriberID int64, lists []int64, source string) error {
	ctx = journal.WithActor(ctx, "recipient")
	asked := time.Now()
	err := o.db.Write(ctx, func(tx *database.Tx) error {
		_, err := o.people.Leave(ctx, tx, subscriberID, lists, source)
		return err
	})
	if err != nil {
		return fmt.Errorf("opt out: %w", err)
	}
	o.noes.Add(subscriberID)
	o.taken.WithLabelValues(source).Observe(time.Since(asked).Seconds())
	return nil
}
