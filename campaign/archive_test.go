package campaign_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/feedback"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/keyring"
	"facteur/sending"
	"facteur/subscribers"
	"facteur/subscribers/segment"
	"facteur/throttle"
	"facteur/unsubscribe"
)

const archivePage = 7

// ended lets the hall's campaign have ended long ago: people of two lists with
// deliveries of every kind, and the books that belong to them.
func (h *hall) ended(t *testing.T, n int) (people []int64) {
	t.Helper()
	h.fill(t, n)
	all, err := h.people.Subscribers(t.Context(), 0, n)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().AddDate(-3, 0, 0).UnixMilli()
	states := []string{"sent", "failed", "skipped", "uncertain", "sent"}
	err = h.db.Write(t.Context(), func(tx *database.Tx) error {
		exec := func(query string, args ...any) {
			if _, err := tx.Exec(t.Context(), query, args...); err != nil {
				t.Fatal(err)
			}
		}
		exec(`DELETE FROM deliveries`)
		exec(`UPDATE versions SET list_ids = ?`, database.FormatIDs(h.lists))
		for i, p := range all {
			people = append(people, p.ID)
			attempts, doubts := 1, 0
			if states[i%5] == "skipped" {
				attempts = 0
			}
			if states[i%5] == "uncertain" {
				doubts = 2
			}
			exec(`INSERT INTO deliveries (campaign_id, subscriber_id, status, wait, lane, rank, not_before, batch_id, lists, run, attempts, doubts,
					relay_id, code, enhanced, answer, reason, first_at, begun_at, settled_at, deferred_at)
				VALUES (?, ?, ?, 0, 1, 0, 0, 0, ?, 0, ?, ?, 0, 250, '', '', '', ?, ?, ?, 0)`,
				h.mail, p.ID, states[i%5], 1+i%3, attempts, doubts, at, at, at)
			exec(`INSERT INTO attempts (id, campaign_id, subscriber_id, attempt, relay_id, outcome, code, enhanced, answer, at)
				VALUES (?, ?, ?, 1, 0, 'failed', 550, '', '', ?)`, h.db.NewID(), h.mail, p.ID, at)
			for status, n := range map[string]int{states[i%5]: 1, "doubted": doubts / 2} {
				exec(`INSERT INTO campaign_counts (campaign_id, provider, status, shard, n) VALUES (?, 'other', ?, 0, ?)
					ON CONFLICT (campaign_id, provider, status, shard) DO UPDATE SET n = campaign_counts.n + excluded.n`, h.mail, status, n)
			}
		}
		exec(`UPDATE campaigns SET status = 'sent', launched_at = ?, finished_at = ?, recipients = ?, planned = ? WHERE id = ?`,
			at, at, len(all), true, h.mail)
		return nil
	})
	if err == nil {
		err = h.campaigns.SumUp(t.Context(), h.db.Write)
	}
	if err != nil {
		t.Fatal(err)
	}
	return people
}

// archive condenses all that ended before a time, and says how many.
func (h *hall) archive(t *testing.T, before time.Time) (all int64) {
	t.Helper()
	for {
		var n int64
		err := h.db.Write(t.Context(), func(tx *database.Tx) (err error) {
			n, err = h.campaigns.Archive(t.Context(), tx, before.UnixMilli(), archivePage)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if all += n; n == 0 {
			return all
		}
	}
}

// known is all that is asked about old mail.
func (h *hall) known(t *testing.T, people []int64) string {
	t.Helper()
	ctx := t.Context()
	counts, err := h.campaigns.Counts(ctx, h.mail)
	recount, err2 := h.campaigns.Recount(ctx, h.mail)
	sent, err3 := h.campaigns.SentTo(ctx, people, segment.Needs{Sent: true, Campaigns: []int64{h.mail}})
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	if counts != recount || counts.Balance() != 0 {
		t.Errorf("the books say %+v, the deliveries %+v", counts, recount)
	}
	text := fmt.Sprint(counts)
	for _, id := range people {
		d, err := h.campaigns.Delivery(ctx, h.mail, id)
		lists, err2 := h.campaigns.ReachedBy(ctx, h.mail, id)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintln(id, d.Status, d.Lists, d.Attempts > 0, d.Doubts > 0, lists, sent[id])
	}
	return text
}

// Of campaigns that ended long ago the single answers go. The books, what was
// sent to people, segments and the way out stay as they are.
func TestArchive_ChangesNothingThatIsAsked(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := newHall(t, db)
		people := h.ended(t, 40)
		before := h.known(t, people)
		if n := h.archive(t, time.Now().AddDate(-4, 0, 0)); n != 0 {
			t.Errorf("%d of a campaign that ended later", n)
		}
		if n := h.archive(t, time.Now().AddDate(-2, 0, 0)); n != 40 {
			t.Errorf("%d of 40", n)
		}
		for _, table := range []string{"deliveries", "attempts"} {
			var n int64
			if err := db.Get(t.Context(), &n, `SELECT COUNT(*) FROM `+table); err != nil || n != 0 {
				t.Errorf("%s: %d rows; %v", table, n, err)
			}
		}
		if after := h.known(t, people); after != before {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
		if _, err := h.campaigns.Delivery(t.Context(), h.mail, people[3]+1); !errors.Is(err, database.ErrNotFound) {
			t.Errorf("somebody who was not mailed: %v", err)
		}
		if n, err := h.campaigns.ResendFailed(t.Context(), h.mail); n != 0 || !errors.Is(err, campaign.ErrState) {
			t.Errorf("%d sent again of what is condensed; %v", n, err)
		}
		if d, err := h.campaigns.Dossier(t.Context(), people[0]); err != nil || len(d.Mails) != 1 || d.Mails[0].Status != "sent" {
			t.Errorf("%+v %v", d.Mails, err)
		}
	})
}

// Half-way through, after a crash, the same holds.
func TestArchive_MayBeInterrupted(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := newHall(t, db)
		people := h.ended(t, 20)
		before := h.known(t, people)
		err := db.Write(t.Context(), func(tx *database.Tx) error {
			_, err := h.campaigns.Archive(t.Context(), tx, time.Now().UnixMilli(), archivePage)
			return err
		})
		if after := h.known(t, people); err != nil || after != before {
			t.Errorf("before:\n%s\nafter:\n%s\n%v", before, after, err)
		}
	})
}

// What the campaign sent since it was summed up last is summed up first.
func TestArchive_WaitsForThePeoplesSums(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := newHall(t, db)
		h.ended(t, 10)
		if _, err := db.Exec(t.Context(), `UPDATE campaigns SET summed_to = finished_at - 1`); err != nil {
			t.Fatal(err)
		}
		if n := h.archive(t, time.Now()); n != 0 {
			t.Errorf("%d before their sums", n)
		}
	})
}

// A report about a mail of years ago still counts against the address, and a
// mail to its way out still ends the lists that it came by.
func TestArchive_WhatComesBackLateIsFound(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := newHall(t, db)
		people := h.ended(t, 10)
		h.archive(t, time.Now())
		keys, err := keyring.Open(t.Context(), db, "0123456789abcdef0123456789abcdef")
		if err != nil {
			t.Fatal(err)
		}
		processor := feedback.NewProcessor(feedback.Options{
			DB: db, Keys: keys, People: h.people, Campaigns: h.campaigns, Sending: sending.NewStore(db, keys),
			Pace: throttle.NewStore(db), Noes: subscribers.NewNoes(h.people), Log: slog.New(slog.DiscardHandler),
		})
		about := func(person int) feedback.Signs {
			ref := unsubscribe.Reference{CampaignID: h.mail, SubscriberID: people[person]}
			return feedback.Signs{Return: []string{ref.ReturnAddress(keys, "bounces.example.com")}}
		}
		events, err := processor.Take(t.Context(), "listener", []feedback.Sighting{
			{Kind: feedback.Bounce, Class: "dead_address", Signs: about(0), Once: "1"},
			{Kind: feedback.Complaint, Signs: about(1), Once: "2"},
			{Kind: feedback.Unsubscribe, Signs: about(6), Once: "3"},
			{Kind: feedback.Bounce, Class: "dead_address", Signs: about(2), Once: "4"}, // was never sent
		})
		if err != nil || len(events) != 4 {
			t.Fatalf("%+v %v", events, err)
		}
		var effects []feedback.Effect
		for _, e := range events {
			effects = append(effects, e.Effect)
		}
		if !slices.Equal(effects, []feedback.Effect{feedback.Suppressed, feedback.Suppressed, feedback.Unsubscribed, feedback.Unmatched}) {
			t.Error(effects)
		}
		subs, err := h.people.Subscriptions(t.Context(), people[6])
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range subs { // it came by the first list alone
			if left := s.Status == subscribers.Unsubscribed; s.ListID == h.lists[0] && !left || s.ListID == h.lists[1] && left != (s.LeftAt > 0) {
				t.Errorf("%+v", s)
			}
		}
		var rates int64
		if err := db.Get(t.Context(), &rates, `SELECT COUNT(*) FROM rates`); err != nil || rates != 0 {
			t.Errorf("%d rates of a day that nobody knows any more; %v", rates, err)
		}
	})
}

// What was seen of people is summed up and forgotten, and nothing is noted after it.
func TestUnlink_KeepsTheSums(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := newHall(t, db)
		people := h.ended(t, 10)
		err := db.Write(t.Context(), func(tx *database.Tx) error {
			for i, id := range people {
				if err := h.people.Track(t.Context(), tx, id, true, "test", "yes"); err != nil {
					return err
				}
				_, err := tx.Exec(t.Context(), `INSERT INTO interactions (campaign_id, subscriber_id, link, first_at, last_at, times)
					VALUES (?, ?, ?, 1, 1, ?)`, h.mail, id, i%2, i)
				if err != nil {
					return err
				}
			}
			_, err := tx.Exec(t.Context(), `UPDATE versions SET tracking = ?, html = '<a href="https://shop.example.com/">x</a>'`, true)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		count := func() string {
			t.Helper()
			n, err := h.campaigns.Interactions(t.Context(), h.mail)
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprint(n)
		}
		before := count()
		for n := int64(-1); n != 0; {
			err := db.Write(t.Context(), func(tx *database.Tx) (err error) {
				n, err = h.campaigns.Unlink(t.Context(), tx, time.Now().UnixMilli(), 3)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if after := count(); after != before {
				t.Errorf("%s, before %s", after, before)
			}
		}
		to, err := h.campaigns.Follow(context.WithoutCancel(t.Context()), h.mail, people[0], 1)
		if err != nil || to != "https://shop.example.com/" || count() != before {
			t.Errorf("%s %v; %s, before %s", to, err, count(), before)
		}
		var rows int64
		if err := db.Get(t.Context(), &rows, `SELECT COUNT(*) FROM interactions`); err != nil || rows != 0 {
			t.Errorf("%d rows; %v", rows, err)
		}
	})
}
