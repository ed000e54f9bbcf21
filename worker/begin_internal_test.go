package worker

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/feedback"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/keyring"
	"facteur/sending"
	"facteur/sending/smtp"
	"facteur/subscribers"
	"facteur/subscribers/consent"
	"facteur/throttle"
)

// door is a recorder with one message that asks to begin, and nothing beside
// it that would ask politely beforehand.
type door struct {
	*testing.T
	*Worker
	ctx      context.Context
	delivery *delivery
	list     int64
	released chan int64
}

// Release and Letters make it the scheduler's queue.
func (d *door) Release(_ context.Context, ids []int64) error {
	for _, id := range ids {
		select {
		case d.released <- id:
		default:
		}
	}
	return nil
}

func (d *door) Letters(context.Context, []int64) error { return nil }

func (d *door) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *door) write(change func(tx *database.Tx) error) {
	d.Helper()
	d.must(d.db.Write(d.ctx, change))
}

func (d *door) exec(query string, args ...any) {
	d.Helper()
	d.write(func(tx *database.Tx) error {
		_, err := tx.Exec(d.ctx, query, args...)
		return err
	})
}

// newDoor launches a campaign to one person from a domain that warms up, and
// takes its batch.
func newDoor(t *testing.T, db *database.DB) *door {
	d := &door{T: t, ctx: context.Background(), released: make(chan int64, 1)}
	log := slog.New(slog.DiscardHandler)
	process, err := database.Join(d.ctx, db, t.TempDir())
	d.must(err)
	keys, err := keyring.Open(d.ctx, db, "a secret of the tests")
	d.must(err)
	people := subscribers.NewStore(db).Keyed(keys)
	senders, pace := sending.NewStore(db, keys), throttle.NewStore(db)
	campaigns := campaign.NewStore(db, people, senders, pace)
	embedded, err := StartEmbedded()
	d.must(err)
	r := embedded.Client()
	noes := subscribers.NewNoes(people)
	d.Worker = New(Options{
		DB: db, Process: process, Redis: r, Campaigns: campaigns, People: people, Senders: senders, Pace: pace, Noes: noes, Log: log,
		Composer: NewComposer(campaigns, people, keys, senders, "http://127.0.0.1:8080"), Patience: campaign.DefaultPatience(),
		Feedback: feedback.NewProcessor(feedback.Options{DB: db, Keys: keys, People: people, Campaigns: campaigns, Sending: senders, Pace: pace, Noes: noes, Log: log}),
	})
	d.recorder.start()
	t.Cleanup(func() {
		d.recorder.close()
		_ = process.Leave(d.ctx)
		_ = r.Close()
		embedded.Close()
	})
	var id int64
	var relay sending.Relay
	d.write(func(tx *database.Tx) error {
		relay, err = senders.CreateRelay(d.ctx, tx, sending.Relay{Host: "127.0.0.1", Security: smtp.None}, nil)
		d.must(err)
		_, err = senders.CreateDomain(d.ctx, tx, sending.Domain{Name: "news.example.com", Warmup: "conservative"})
		d.must(err)
		v, err := senders.CreateSender(d.ctx, tx, sending.Sender{FromEmail: "hello@news.example.com", PostalAddress: "here", RelayIDs: []int64{relay.ID}})
		d.must(err)
		l, err := people.CreateList(d.ctx, tx, subscribers.List{Name: "all"})
		d.must(err)
		d.list = l.ID
		to, err := address.Parse("ada@example.org")
		d.must(err)
		_, err = people.Enroll(d.ctx, tx, l.ID, []subscribers.Person{{Address: to}}, consent.Statement{Basis: consent.OptIn, Source: "test", At: db.Now().Add(-time.Hour)}, false)
		d.must(err)
		c, err := campaigns.Create(d.ctx, tx, campaign.Campaign{Name: "c", Subject: "s", Text: "t", SenderID: v.ID, ListIDs: []int64{l.ID}})
		d.must(err)
		id = c.ID
		_, err = campaigns.Launch(d.ctx, tx, id, time.Time{}, campaign.Canary{}, campaign.Clearance{})
		return err
	})
	scheduling, stop := context.WithCancel(d.ctx)
	ended := make(chan struct{})
	scheduler := campaign.NewScheduler(campaigns, process, d, campaign.DefaultPatience(), log)
	go func() { defer close(ended); scheduler.Run(scheduling) }()
	taken, ok, err := campaigns.Take(d.ctx, <-d.released, process.Session(), db.NewID())
	stop()
	<-ended
	if d.must(err); !ok || taken.Date == 0 {
		t.Fatalf("no batch of a day of warm-up: %+v", taken)
	}
	b := &batch{Batch: taken, worker: d.Worker, ctx: d.ctx, changed: make(chan struct{}, 1), line: &line{relay: relay}}
	d.must(b.prepare(d.ctx))
	rows, err := campaigns.Load(d.ctx, taken)
	d.must(err)
	list, err := b.meet(d.ctx, rows)
	if d.must(err); len(list) != 1 {
		t.Fatal(len(list), "deliveries")
	}
	d.delivery = list[0]
	return d
}

// Law 3: each guard of the begin alone keeps the door shut, whatever was asked
// before politely.
func TestBegin_EachGuardAloneRefuses(t *testing.T) {
	t.Parallel()
	for name, forbid := range map[string]func(d *door){
		"nothing": nil,
		"a pause": func(d *door) {
			d.write(func(tx *database.Tx) error {
				_, err := d.campaigns.Pause(d.ctx, tx, d.delivery.row.CampaignID, "lunch")
				return err
			})
		},
		"a stop": func(d *door) {
			d.write(func(tx *database.Tx) error {
				_, err := d.campaigns.StopAll(d.ctx, tx, "wrong price")
				return err
			})
		},
		"a batch of another execution": func(d *door) { d.exec(`UPDATE batches SET execution = execution + 1`) },
		"a batch that is gone":         func(d *door) { d.exec(`DELETE FROM batches`) },
		"a delivery of another batch":  func(d *door) { d.exec(`UPDATE deliveries SET batch_id = batch_id + 1`) },
		"a held lane":                  func(d *door) { d.trip(d.delivery.batch.lane.Scope()) },
		"a held domain":                func(d *door) { d.trip(throttle.DomainScope(d.delivery.batch.lane.Domain)) },
		"one who has left": func(d *door) {
			d.write(func(tx *database.Tx) error {
				_, err := d.people.Leave(d.ctx, tx, d.delivery.person.ID, []int64{d.list}, "test")
				return err
			})
		},
		"one who is suppressed": func(d *door) {
			d.write(func(tx *database.Tx) error {
				return d.people.Suppress(d.ctx, tx, d.delivery.to, 0, "complaint", "test")
			})
		},
		"one who is suppressed and still listed": func(d *door) {
			d.write(func(tx *database.Tx) error {
				return d.people.Suppress(d.ctx, tx, d.delivery.to, 0, "complaint", "test")
			})
			d.exec(`UPDATE subscriptions SET status = 'confirmed'`)
		},
		"a pause at their wish": func(d *door) {
			d.write(func(tx *database.Tx) error { return d.people.Pause(d.ctx, tx, d.delivery.person.ID, []int64{d.list}) })
		},
		"a wish for fewer": func(d *door) {
			d.write(func(tx *database.Tx) error { return d.people.Frequency(d.ctx, tx, d.delivery.person.ID, 7) })
			now := d.db.Now().UnixMilli()
			d.write(func(tx *database.Tx) error { // another campaign has reached them
				c, err := d.campaigns.With(tx).Campaign(d.ctx, d.delivery.row.CampaignID)
				d.must(err)
				other, err := d.campaigns.Create(d.ctx, tx, campaign.Campaign{Name: "other", Subject: "s", Text: "t", SenderID: c.SenderID, ListIDs: c.ListIDs})
				d.must(err)
				_, err = tx.Exec(d.ctx, `UPDATE campaigns SET status = 'sending', launched_at = ? WHERE id = ?`, now, other.ID)
				d.must(err)
				_, err = tx.Exec(d.ctx, `INSERT INTO deliveries (campaign_id, subscriber_id, status, wait, lane, rank, not_before, batch_id, lists, run, attempts, doubts, relay_id, code, enhanced, answer, reason, first_at, begun_at, settled_at, deferred_at)
					SELECT ?, subscriber_id, 'sent', 0, lane, rank, 0, 0, lists, run, 1, 0, relay_id, 250, '', '', '', ?, ?, ?, 0 FROM deliveries`, other.ID, now, now, now)
				return err
			})
		},
		"a day's cap that is spent": func(d *door) { d.exec(`UPDATE warmup_days SET used = cap`) },
		"an hour's limit that is spent": func(d *door) {
			d.write(func(tx *database.Tx) error {
				_, err := d.pace.SetLimit(d.ctx, tx, throttle.AllScope, throttle.Limit{PerHour: 1})
				d.must(err)
				return d.pace.CountBegins(d.ctx, tx, map[throttle.Begun]int64{{Lane: d.delivery.batch.Lane}: 1})
			})
			d.repace()
		},
	} {
		t.Run(name, func(t *testing.T) {
			databasetest.Each(t, func(t *testing.T, db *database.DB) {
				d := newDoor(t, db)
				if forbid != nil {
					forbid(d)
				}
				if ok := d.recorder.turn(d.delivery.batch.line, nil, d.delivery); ok != (forbid == nil) {
					t.Errorf("begun: %v", ok)
				}
			})
		})
	}
}

func (d *door) trip(scope string) {
	d.Helper()
	d.write(func(tx *database.Tx) error {
		d.must(tx.Gate(d.ctx, true))
		_, err := d.pace.Trip(d.ctx, tx, scope, throttle.Bounces, "the test says so")
		return err
	})
}
