package feedback

import (
	"context"
	"log/slog"
	"slices"

	"facteur/campaign"
	"facteur/feedback/provider"
	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/internal/keyring"
	"facteur/sending"
	"facteur/sending/reply"
	"facteur/subscribers"
	"facteur/throttle"

	"github.com/prometheus/client_golang/prometheus"
)

// Sighting is what somebody says became of a mail.
type Sighting struct {
	Kind       Kind
	Class      reply.Class // of a bounce
	Status     string      // RFC 3463; "" when it is not said
	Code       int         // SMTP; 0 when it is not said
	Diagnostic string
	Recipient  string // as it is named
	Signs      Signs
	Once       string // tells one that finds nobody from another

	others bool // the same mail speaks about other recipients too
}

// Options are what a processor works with; all are needed.
type Options struct {
	DB        *database.DB
	Keys      *keyring.Keyring
	People    *subscribers.Store
	Campaigns *campaign.Store
	Sending   *sending.Store
	Pace      *throttle.Store
	Noes      *subscribers.Noes
	Providers *provider.Readers
	Log       *slog.Logger
}

// Processor turns what came back into events and what follows of them. Safe
// for concurrent use.
type Processor struct {
	Options
	store *Store
	taken *prometheus.CounterVec
}

// NewProcessor works with o.
func NewProcessor(o Options) *Processor {
	return &Processor{Options: o, store: NewStore(o.DB), taken: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "facteur_feedback_total", Help: "What came back, by what it is and what followed.",
	}, []string{"kind", "class", "effect"})}
}

// Store is where the events are.
func (p *Processor) Store() *Store { return p.store }

// Metrics are what the processor counts.
func (p *Processor) Metrics() []prometheus.Collector { return []prometheus.Collector{p.taken} }

// Take writes what was seen, all of it in one durable transaction, and returns
// what became of each. source is the door it came by. To take the same twice
// changes nothing.
func (p *Processor) Take(ctx context.Context, source string, seen []Sighting) ([]Event, error) {
	ctx = journal.WithActor(ctx, "feedback")
	var events []Event
	var changed []int64
	err := p.DB.Write(ctx, func(tx *database.Tx) error {
		events, changed = events[:0], changed[:0]
		w := p.work(tx, source)
		if err := w.order(ctx, seen); err != nil {
			return err
		}
		for _, s := range seen {
			e, err := w.take(ctx, s)
			if err != nil {
				return err
			}
			events = append(events, e)
		}
		changed = append(changed, w.changed...)
		return w.count(ctx)
	})
	if err != nil {
		return nil, err
	}
	for _, id := range changed {
		p.Noes.Add(id)
	}
	p.counted(events)
	return events, nil
}

// order asks for the locks before any row: a no of the person's own waits for
// every begin and every yes, anything else only for an erasure.
func (w *work) order(ctx context.Context, seen []Sighting) error {
	if slices.ContainsFunc(seen, func(s Sighting) bool { return s.Kind == Complaint || s.Kind == Unsubscribe }) {
		return w.tx.No(ctx)
	}
	return w.tx.Gate(ctx, false)
}

func (p *Processor) counted(events []Event) {
	for _, e := range events {
		p.taken.WithLabelValues(string(e.Kind), e.Class, string(e.Effect)).Inc()
		if e.Kind == Bounce && reply.Class(e.Class).AboutUs() && e.Effect == Noted {
			p.Log.Warn("a report says that we are refused", "campaign", e.CampaignID, "class", e.Class, "status", e.Status, "answer", e.Diagnostic)
		}
	}
}

// work is one transaction's share.
type work struct {
	*Processor
	tx      *database.Tx
	source  string
	rates   throttle.RateTally
	books   campaign.Tally
	changed []int64 // people who are not mailed any more
}

func (p *Processor) work(tx *database.Tx, source string) *work {
	return &work{Processor: p, tx: tx, source: source, rates: throttle.RateTally{}, books: campaign.Tally{}}
}

// count writes the sums, last of all.
func (w *work) count(ctx context.Context) error {
	if err := w.Pace.CountRates(ctx, w.tx, w.rates); err != nil {
		return err
	}
	if err := w.Campaigns.Count(ctx, w.tx, w.books); err != nil {
		return err
	}
	for _, o := range w.rates {
		if o.Complained > 0 { // it may trip a breaker, which acts before this commits
			return w.Campaigns.Brake(ctx, w.tx)
		}
	}
	return nil
}
