package main

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"facteur/campaign"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/internal/keyring"
	"facteur/sending"
	"facteur/subscribers"
	"facteur/subscribers/consent"
	"facteur/subscribers/hygiene"
	"facteur/throttle"
	"facteur/worker"

	"github.com/prometheus/client_golang/prometheus"
)

// sealEvery keeps the rows of the consent ledger from waiting longer than a second.
const sealEvery = 400 * time.Millisecond

// ledgerWatch is what the daily check of the consent ledger found last.
type ledgerWatch struct {
	at, faults, entries, unsealed atomic.Int64
}

// Metrics are what the checks found.
func (w *ledgerWatch) Metrics() []prometheus.Collector {
	gauge := func(name, help string, v *atomic.Int64, scale float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(v.Load()) * scale })
	}
	return []prometheus.Collector{
		gauge("facteur_consent_ledger_checked_timestamp_seconds", "When the consent ledger was checked last by this process; 0: not yet.", &w.at, 0.001),
		gauge("facteur_consent_ledger_faults", "What the last check found wrong; anything but 0 calls for facteur doctor --ledger.", &w.faults, 1),
		gauge("facteur_consent_ledger_entries", "Sealed rows that the last check went through.", &w.entries, 1),
		gauge("facteur_consent_ledger_unsealed", "Rows that waited for their seal at the last check.", &w.unsealed, 1),
	}
}

// duties gives the leader what it does beside scheduling.
func (a *App) duties(ctx context.Context, keys *keyring.Keyring, senders *sending.Store, scribe *worker.Scribe, examiner *subscribers.Examiner, pace *throttle.Store, resolver *address.Resolver) error {
	key, trusted, err := keys.SigningKey(ctx, "ledger")
	if err != nil {
		return err
	}
	sealer := consent.NewSealer(a.db, key)
	duty := func(name string, every time.Duration, do func(context.Context, campaign.Fenced) error) campaign.Duty {
		return campaign.Duty{Name: name, Every: every, Do: func(ctx context.Context, write campaign.Fenced) (any, error) { return nil, do(ctx, write) }}
	}
	plain := func(name string, every time.Duration, do func(context.Context, campaign.Fenced) error) {
		a.scheduler.Also(duty(name, every, do))
	}
	final := func(name string, every time.Duration, do func(context.Context, campaign.Fenced) error) {
		d := duty(name, every, do)
		d.Final = true
		a.scheduler.Also(d)
	}
	plain("seal the consent ledger", sealEvery, func(ctx context.Context, write campaign.Fenced) error {
		_, err := sealer.Seal(ctx, write)
		return err
	})
	plain("invite", time.Second, func(ctx context.Context, write campaign.Fenced) error {
		return a.greeter.Invite(ctx, int64(a.config.InvitationRate), write)
	})
	final("end what was not answered", time.Second, func(ctx context.Context, write campaign.Fenced) error { return a.greeter.Lapse(ctx, write) })
	final("expire sign-ups", time.Minute, a.expire)
	final("prune sign-up counts", time.Hour, func(ctx context.Context, _ campaign.Fenced) error { return a.people.PruneSignups(ctx) })
	plain("sum up what was sent", 5*time.Second, a.campaigns.SumUp)
	plain("look for the way home", probePause, a.probe(senders, scribe))
	plain("learn providers", 2*time.Second, a.learn(pace, resolver))
	plain("recovered lanes", 10*time.Second, a.recovered(pace))
	plain("forgive a clock that was ahead", time.Minute, a.scheduler.Forgive)
	plain("relane", time.Second, a.scheduler.Relane)
	plain("hygiene reports", time.Second, func(ctx context.Context, write campaign.Fenced) error { return examiner.Examine(ctx, write) })
	a.scheduler.Also(campaign.Duty{Name: ledgerDuty, Daily: true, Do: func(ctx context.Context, _ campaign.Fenced) (any, error) {
		return a.checkLedger(ctx, trusted)
	}})
	a.scheduler.Also(campaign.Duty{Name: retentionDuty, Daily: true, Final: true, Do: func(ctx context.Context, write campaign.Fenced) (any, error) {
		removed, err := a.people.Retain(ctx, a.removals(senders, pace), a.campaigns.Erase, write)
		if len(removed) > 0 {
			a.log.Info("retention", "removed", fmt.Sprint(removed))
		}
		return removed, err
	}})
	return nil
}

// removals are what goes with time and is no part of a person's data.
func (a *App) removals(senders *sending.Store, pace *throttle.Store) func(subscribers.Retention) []subscribers.Removal {
	return func(keep subscribers.Retention) []subscribers.Removal {
		return []subscribers.Removal{
			{What: "letter_bodies", Days: keep.LetterBodyDays, Remove: senders.ForgetBodies},
			{What: "letters", Days: keep.LetterDays, Remove: senders.ForgetLetters},
			{What: "unmatched", Days: keep.UnmatchedDays, Remove: a.feedback.Store().ForgetUnmatched},
			{What: "events", Days: keep.EventDays, Remove: a.feedback.Store().Forget},
			{What: "webhook_calls", Days: keep.WebhookCallDays, Remove: journal.ForgetCalls},
			{What: "journal", Days: keep.JournalDays, Remove: journal.Forget},
			{What: "rates", Days: keep.RateDays, Remove: pace.ForgetRates},
			{What: "duties", Days: keep.ReportDays, Remove: a.campaigns.ForgetReports},
			{What: "interactions", Days: keep.InteractionDays, Remove: a.campaigns.Unlink},
			{What: "deliveries", Days: keep.DeliveryDays, Remove: a.campaigns.Archive},
		}
	}
}

// The daily duties' names, by which their runs are found.
const (
	ledgerDuty    = "check the consent ledger"
	retentionDuty = "retention"
)

// learn looks up whose exchangers recipient domains have.
func (a *App) learn(pace *throttle.Store, resolver *address.Resolver) func(context.Context, campaign.Fenced) error {
	own := resolver != nil
	if !own {
		resolver, _ = address.NewResolver(address.ResolverOptions{}) // only a server's name can be wrong
	}
	return func(ctx context.Context, write campaign.Fenced) error { return pace.Learn(ctx, resolver, own, write) }
}

// recovered says which lanes have recovered from what providers answered.
func (a *App) recovered(pace *throttle.Store) func(context.Context, campaign.Fenced) error {
	return func(ctx context.Context, write campaign.Fenced) error {
		lanes, err := pace.EndSlowdowns(ctx, write)
		for _, l := range lanes {
			a.log.Info("a lane has recovered", "domain", l.Domain, "provider", l.Provider)
		}
		return err
	}
}

// expire ends sign-ups that nobody confirmed.
func (a *App) expire(ctx context.Context, write campaign.Fenced) error {
	for {
		var n int
		err := write(ctx, func(tx *database.Tx) (err error) {
			n, err = a.people.ExpirePending(ctx, tx, 20) // they hold up all begins
			return err
		})
		if err != nil || n == 0 {
			return err
		}
		a.log.Info("sign-ups expired", "people", n)
	}
}

// checkLedger goes through the whole chain and says loudly when it is broken.
func (a *App) checkLedger(ctx context.Context, trusted []string) (consent.LedgerReport, error) {
	r, err := a.people.CheckLedger(ctx, trusted)
	if err != nil {
		return r, err
	}
	a.ledger.at.Store(a.db.Now().UnixMilli())
	a.ledger.faults.Store(int64(len(r.Faults)))
	a.ledger.entries.Store(r.Entries)
	a.ledger.unsealed.Store(r.Unsealed)
	for _, f := range r.Faults {
		a.log.Error("the consent ledger is not as it was written", "fault", f.String())
	}
	return r, nil
}

// examiner reports on the health of lists.
func (a *App) examiner(resolver *address.Resolver) (*subscribers.Examiner, error) {
	var disposable *hygiene.Disposable
	if name := a.config.DisposableFile; name != "" {
		file, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("FACTEUR_DISPOSABLE_FILE: %w", err)
		}
		defer func() { _ = file.Close() }() // it was only read
		if disposable, err = hygiene.ReadDisposable(file); err != nil {
			return nil, fmt.Errorf("FACTEUR_DISPOSABLE_FILE %s: %w", name, err)
		}
	}
	if resolver == nil {
		var err error
		if resolver, err = address.NewResolver(address.ResolverOptions{}); err != nil {
			return nil, err
		}
	}
	return subscribers.NewExaminer(a.db, a.people, a.campaigns.SentTo, a.campaigns.Erase, resolver, disposable, a.log), nil
}

// tell lets the leader tell the webhooks.
func (a *App) tell(hooks *journal.Webhooks, resolver *address.Resolver) error {
	allowed, err := networks("FACTEUR_WEBHOOK_NETWORKS", a.config.WebhookNets)
	if err != nil {
		return err
	}
	o := journal.TellerOptions{Networks: allowed, Log: a.log}
	if resolver != nil {
		o.Lookup = resolver.Host
	}
	a.teller = journal.NewTeller(hooks, o)
	a.scheduler.Also(campaign.Duty{Name: "forgive waits of the webhooks", Every: time.Minute, Do: func(ctx context.Context, write campaign.Fenced) (any, error) {
		return nil, write(ctx, func(tx *database.Tx) error { return hooks.Forgive(ctx, tx) })
	}})
	a.scheduler.Also(campaign.Duty{Name: "tell the webhooks", Every: time.Second, Do: func(ctx context.Context, write campaign.Fenced) (any, error) {
		return nil, a.teller.Tell(ctx, write)
	}})
	return nil
}

// refreshKeys takes in keys that another process has added.
func (a *App) refreshKeys(keys *keyring.Keyring) {
	tick := time.NewTicker(30 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-a.background.Done():
			return
		case <-tick.C:
			if err := keys.Refresh(a.background); err != nil && a.background.Err() == nil {
				a.log.Warn("read the keys", "error", err)
			}
		}
	}
}
