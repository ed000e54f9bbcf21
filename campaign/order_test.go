package campaign_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending"
	"facteur/subscribers"
	"facteur/subscribers/consent"
	"facteur/throttle"
)

// draft is a campaign of a hall that is not launched.
func (h *hall) draft(t *testing.T) campaign.Campaign {
	t.Helper()
	like, err := h.campaigns.Campaign(t.Context(), h.mail)
	if err != nil {
		t.Fatal(err)
	}
	var c campaign.Campaign
	err = h.db.Write(t.Context(), func(tx *database.Tx) (err error) {
		c, err = h.campaigns.Create(t.Context(), tx, campaign.Campaign{Name: "June", Subject: "old", Text: "T", SenderID: like.SenderID, ListIDs: h.lists[:1]})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// An edit and a launch at the same moment: what is accepted is sent, and what
// would not be sent is refused.
func TestOrder_AnEditAndALaunch(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := newHall(t, db)
		for name, edit := range map[string]func(context.Context, *database.Tx, campaign.Campaign) error{
			"content": func(ctx context.Context, tx *database.Tx, c campaign.Campaign) error {
				c.Subject = "new"
				_, err := h.campaigns.Update(ctx, tx, c)
				return err
			},
			"file": func(ctx context.Context, tx *database.Tx, c campaign.Campaign) error {
				_, err := h.campaigns.AddFile(ctx, tx, campaign.File{CampaignID: c.ID, Name: "menu.txt", Placed: campaign.Attached}, []byte("soup"), false)
				return err
			},
		} {
			launch := func(ctx context.Context, tx *database.Tx, c campaign.Campaign) error {
				_, err := h.campaigns.Launch(ctx, tx, c.ID, time.Time{}, campaign.Canary{}, campaign.Clearance{})
				return err
			}
			for _, order := range [][2]func(context.Context, *database.Tx, campaign.Campaign) error{{launch, edit}, {edit, launch}} {
				c := h.draft(t)
				one, two := databasetest.OverlapBoth(t, db,
					func(ctx context.Context, tx *database.Tx) error { return order[0](ctx, tx, c) },
					func(ctx context.Context, tx *database.Tx) error { return order[1](ctx, tx, c) })
				h.expectFrozen(t, c.ID)
				if one != nil || two != nil && !errors.Is(two, campaign.ErrState) {
					t.Errorf("%s: %v, %v", name, one, two)
				}
				if db.Engine() == database.Postgres && two == nil {
					t.Errorf("%s: both were accepted side by side", name)
				}
			}
		}
	})
}

// expectFrozen wants what a launch froze to be what the campaign says.
func (h *hall) expectFrozen(t *testing.T, id int64) {
	t.Helper()
	c, err := h.campaigns.Campaign(t.Context(), id)
	if err != nil || c.Version == 0 {
		return
	}
	v, err := h.campaigns.Version(t.Context(), id, c.Version)
	if err != nil || v.Subject != c.Subject {
		t.Errorf("the campaign says %q, and %q is sent; %v", c.Subject, v.Subject, err)
	}
}

// Two edits in one millisecond are two campaigns: a clearance is of one of them.
func TestUpdate_EachIsAnother(t *testing.T) {
	at := time.Now()
	databasetest.EachAt(t, func() time.Time { return at }, func(t *testing.T, db *database.DB) {
		h := newHall(t, db)
		c := h.draft(t)
		seen := map[int64]bool{c.UpdatedAt: true}
		for range 2 {
			err := db.Write(t.Context(), func(tx *database.Tx) (err error) {
				c, err = h.campaigns.Update(t.Context(), tx, c)
				return err
			})
			if err != nil || seen[c.UpdatedAt] {
				t.Errorf("changed at %d, as before; %v", c.UpdatedAt, err)
			}
			seen[c.UpdatedAt] = true
		}
	})
}

// Two files for the last place.
func TestOrder_TwoFilesAndOnePlace(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := newHall(t, db)
		c := h.draft(t)
		add := func(name string) func(context.Context, *database.Tx) error {
			return func(ctx context.Context, tx *database.Tx) error {
				_, err := h.campaigns.AddFile(ctx, tx, campaign.File{CampaignID: c.ID, Name: name, Placed: campaign.Attached}, make([]byte, 3<<20), false)
				return err
			}
		}
		one, two := databasetest.OverlapBoth(t, db, add("a.bin"), add("b.bin"))
		var invalid *campaign.Invalid
		if one != nil || !errors.As(two, &invalid) {
			t.Errorf("%v, %v: both are 6 MB, and 5 may travel", one, two)
		}
	})
}

// Nothing of a campaign that is being cancelled is put back into the queue.
func TestOrder_ACancelAndAResend(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := newHall(t, db)
		h.fill(t, 30)
		one, two := databasetest.Overlap(t, db, h.cancel(h.mail), func() error {
			n, err := h.campaigns.ResendFailed(t.Context(), h.mail)
			if n != 0 {
				t.Errorf("%d put back", n)
			}
			return err
		})
		if one != nil || !errors.Is(two, campaign.ErrState) {
			t.Errorf("%v, %v", one, two)
		}
	})
}

func (h *hall) cancel(id int64) func(context.Context, *database.Tx) error {
	return func(ctx context.Context, tx *database.Tx) error {
		_, err := h.campaigns.Cancel(ctx, tx, id, "")
		return err
	}
}

// Nor is anybody planned.
func TestOrder_ACancelAndThePlanning(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := newHall(t, db)
		c := h.draft(t)
		err := db.Write(t.Context(), func(tx *database.Tx) error {
			person := subscribers.Person{Address: parsed(t, "ada@example.org")}
			yes := consent.Statement{Basis: consent.OptIn, Source: "test", At: time.Now().Add(-time.Hour)}
			if _, err := h.people.Enroll(t.Context(), tx, h.lists[0], []subscribers.Person{person}, yes, false); err != nil {
				return err
			}
			_, err := h.campaigns.Launch(t.Context(), tx, c.ID, time.Time{}, campaign.Canary{}, campaign.Clearance{})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		process, err := database.Join(t.Context(), db, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		scheduler := campaign.NewScheduler(h.campaigns, process, nothing{}, campaign.DefaultPatience(), slog.New(slog.DiscardHandler))
		one, two := databasetest.Overlap(t, db, h.cancel(c.ID), func() error { return scheduler.TickOnce(t.Context()) })
		rows, err := h.campaigns.Deliveries(t.Context(), c.ID, "", false, 0, 10)
		if err := errors.Join(one, two, err, process.Leave(context.WithoutCancel(t.Context()))); err != nil || len(rows) != 0 {
			t.Errorf("%d planned for a cancelled campaign; %v", len(rows), err)
		}
	})
}

func parsed(t *testing.T, email string) address.Address {
	t.Helper()
	a, err := address.Parse(email)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A ramp that is chosen while a day of warm-up opens holds for that day.
func TestOrder_ANewRampAndTheDayThatOpens(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := newHall(t, db)
		senders, pace := sending.NewStore(db, nil), throttle.NewStore(db)
		err := db.Write(t.Context(), func(tx *database.Tx) error {
			person := subscribers.Person{Address: parsed(t, "ada@example.org")}
			yes := consent.Statement{Basis: consent.OptIn, Source: "test", At: time.Now().Add(-time.Hour)}
			_, err := h.people.Enroll(t.Context(), tx, h.lists[0], []subscribers.Person{person}, yes, false)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		c := h.draft(t)
		err = db.Write(t.Context(), func(tx *database.Tx) error {
			_, err := h.campaigns.Launch(t.Context(), tx, c.ID, time.Time{}, campaign.Canary{}, campaign.Clearance{})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		process, err := database.Join(t.Context(), db, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		scheduler := campaign.NewScheduler(h.campaigns, process, nothing{}, campaign.DefaultPatience(), slog.New(slog.DiscardHandler))
		one, two := databasetest.Overlap(t, db, func(ctx context.Context, tx *database.Tx) error {
			d, err := senders.HoldDomain(ctx, tx, "example.com")
			if err != nil {
				return err
			}
			d.Warmup, d.Ramp = sending.OwnWarmup, "[7]"
			if d, err = senders.SetWarmup(ctx, tx, d); err != nil {
				return err
			}
			ramp, err := campaign.RampOf(d)
			if err != nil {
				return err
			}
			return pace.Recap(ctx, tx, d.Name, ramp)
		}, func() error { return scheduler.TickOnce(t.Context()) })
		days, err := pace.Todays(t.Context(), time.Now().UnixMilli())
		if err := errors.Join(one, two, err, process.Leave(context.WithoutCancel(t.Context()))); err != nil || len(days) != 1 {
			t.Fatalf("%v; %v", days, err)
		}
		for _, d := range days {
			if d.Cap != 7 {
				t.Errorf("today's cap is %d, and the ramp says 7", d.Cap)
			}
		}
	})
}

// nothing is a queue that nobody works on.
type nothing struct{}

func (nothing) Release(context.Context, []int64) error { return nil }
func (nothing) Letters(context.Context, []int64) error { return nil }
