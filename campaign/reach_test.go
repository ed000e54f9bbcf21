package campaign_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/keyring"
	"facteur/sending"
	"facteur/subscribers"
	"facteur/subscribers/consent"
	"facteur/throttle"

	"pgregory.net/rapid"
)

// hall is a database with two lists, whose people are the same on each engine.
type hall struct {
	db        *database.DB
	people    *subscribers.Store
	campaigns *campaign.Store
	lists     []int64
	mail      int64 // a campaign
}

func newHall(t *testing.T, db *database.DB) *hall {
	keys, err := keyring.Open(t.Context(), db, "0123456789abcdef0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	h := &hall{db: db, people: subscribers.NewStore(db).Keyed(keys)}
	senders := sending.NewStore(db, keys)
	h.campaigns = campaign.NewStore(db, h.people, senders, throttle.NewStore(db))
	err = db.Write(t.Context(), func(tx *database.Tx) error {
		for _, name := range []string{"first", "second"} {
			l, err := h.people.CreateList(t.Context(), tx, subscribers.List{Name: name})
			if err != nil {
				return err
			}
			h.lists = append(h.lists, l.ID)
		}
		relay, err := senders.CreateRelay(t.Context(), tx, sending.Relay{Name: "out", Host: "127.0.0.1", Security: "none"}, nil)
		if err != nil {
			return err
		}
		if _, err := senders.CreateDomain(t.Context(), tx, sending.Domain{Name: "example.com"}); err != nil {
			return err
		}
		from, err := senders.CreateSender(t.Context(), tx, sending.Sender{FromEmail: "news@example.com", PostalAddress: "1 Street", RelayIDs: []int64{relay.ID}})
		if err != nil {
			return err
		}
		c, err := h.campaigns.Create(t.Context(), tx, campaign.Campaign{Name: "May", Subject: "S", Text: "T", SenderID: from.ID, ListIDs: h.lists[:1]})
		if err != nil {
			return err
		}
		h.mail = c.ID
		_, err = h.campaigns.Launch(t.Context(), tx, c.ID, time.Time{}, campaign.Canary{}, campaign.Clearance{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// fill adds people with attributes of every kind, and mails some of them.
func (h *hall) fill(t *testing.T, n int) {
	values := []any{"Lyon", "lyon", "LYON ", "Évry", "E\u0301vry", "", nil, 0, 42, 42.5, -1, 1e15, "42", "042", "42.0", true, false, "true", "no", "2026-01-31", "2026-01-31T10:00:00Z", 1769853600, []any{"a", 1}, map[string]any{"zip": "69001"}, "ß", "\"quoted\"", "a\\b"}
	yes := consent.Statement{Basis: consent.OptIn, Source: "test", At: time.Now().Add(-time.Hour)}
	err := h.db.Write(t.Context(), func(tx *database.Tx) error {
		for i := range n {
			attributes := map[string]any{"a": values[i%len(values)], "b": values[(i/len(values)+i)%len(values)], "n": fmt.Sprint(i % 7)}
			text, err := json.Marshal(attributes)
			if err != nil {
				return err
			}
			a, err := address.Parse(fmt.Sprintf("P%d@example-%d.org", i, i%3))
			if err != nil {
				return err
			}
			p := subscribers.Person{Address: a, Name: []string{"Ada", "", "Évelyne"}[i%3], Locale: []string{"fr", "fr-CA", "en", ""}[i%4], Attributes: string(text)}
			done, err := h.people.Enroll(t.Context(), tx, h.lists[0], []subscribers.Person{p}, yes, false)
			if err != nil {
				return err
			}
			if i%2 == 0 {
				if _, err := h.people.Enroll(t.Context(), tx, h.lists[1], []subscribers.Person{p}, yes, false); err != nil {
					return err
				}
			}
			if i%6 == 0 {
				if _, err := h.people.Leave(t.Context(), tx, done[0].ID, h.lists[1:], "page"); err != nil {
					return err
				}
			}
			if i%5 == 0 {
				_, err = tx.Exec(t.Context(), `INSERT INTO deliveries (campaign_id, subscriber_id, status, wait, lane, rank, not_before, batch_id, lists, run, attempts, doubts,
					relay_id, code, enhanced, answer, reason, first_at, begun_at, settled_at, deferred_at) VALUES (?, ?, ?, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 250, '', '', '', 1, 1, ?, 0)`,
					h.mail, done[0].ID, []string{"sent", "failed"}[i%10/5], time.Now().Add(-time.Duration(i)*time.Hour).UnixMilli())
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// meant are the addresses that a segment of the first list means.
func (h *hall) meant(t *rapid.T, text string) string {
	text = strings.NewReplacer("LIST", fmt.Sprint(h.lists[1]), "MAIL", fmt.Sprint(h.mail)).Replace(text)
	r, err := h.campaigns.Reach(context.Background(), h.lists[:1], text, 1000)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var emails []string
	for _, p := range r.Sample {
		emails = append(emails, p.Email)
	}
	slices.Sort(emails)
	return fmt.Sprint(r.Recipients, r.Excluded, emails)
}

func genSegment(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if depth > 0 && rapid.Bool().Draw(t, "join") {
			a, b := genSegment(depth-1).Draw(t, "a"), genSegment(depth-1).Draw(t, "b")
			return rapid.SampledFrom([]string{"(" + a + " and " + b + ")", "(" + a + " or " + b + ")", "not (" + a + ")"}).Draw(t, "how")
		}
		subject := rapid.SampledFrom([]string{"attributes.a", "attributes.b", "attributes.n", "attributes.a.zip"}).Draw(t, "subject")
		text := rapid.SampledFrom([]string{`"lyon"`, `"évry"`, `"SS"`, `"42"`, `"a"`, `"\"Quoted\""`, `"true"`}).Draw(t, "text")
		number := rapid.SampledFrom([]string{"0", "42", "42.5", "-1", "1000000000000000", "3"}).Draw(t, "number")
		return rapid.SampledFrom([]string{
			subject + " = " + text, subject + " != " + text, subject + " contains " + text, subject + " starts with " + text, subject + " ends with " + text, subject + " in (" + text + ", " + number + ")",
			subject + " not in (" + number + ")", subject + " < " + number, subject + " >= " + number, subject + " = " + number, subject + " is true", subject + " is false", subject + " is set", subject + " is not set",
			subject + " < 2026-02-01", subject + " = 2026-01-31", subject + " contains " + number, subject + " = true",
			`locale = "fr"`, `name is set`, `name = "ÉVELYNE"`, `domain = "example-1.org"`, `email starts with "p1"`, `created_at > 1 hour ago`, "list(LIST) is confirmed", "list(LIST) is absent", "list(LIST).confirmed_at is set",
			"sent(MAIL)", "sent_count = 1", "last_sent_at < 3 days ago", "first_sent_at is set",
		}).Draw(t, "comparison")
	})
}

// The same people on both databases, whatever is asked.
func TestReach_IsTheSameOnBothEngines(t *testing.T) {
	var halls []*hall
	for _, url := range []string{databasetest.SQLite(t), databasetest.Postgres(t)} {
		h := newHall(t, databasetest.Open(t, url))
		h.fill(t, 400)
		halls = append(halls, h)
	}
	met := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		text := genSegment(3).Draw(t, "segment")
		a, b := halls[0].meant(t, text), halls[1].meant(t, text)
		if a != b {
			t.Fatalf("%s\nSQLite:     %s\nPostgreSQL: %s", text, a, b)
		}
		met[strings.HasPrefix(a, "0 ")]++
	})
	if met[false] < met[true]/4 {
		t.Errorf("%d conditions meant nobody, %d somebody: the test asks too little", met[true], met[false])
	}
}

// What was sent is the same before, while and after it is summed up.
func TestSumUp_ChangesNothingThatIsAsked(t *testing.T) {
	c := time.Now()
	databasetest.EachAt(t, func() time.Time { return c }, func(t *testing.T, db *database.DB) {
		h := newHall(t, db)
		h.fill(t, 100)
		asked := func() string {
			t.Helper()
			r, err := h.campaigns.Reach(t.Context(), h.lists[:1], "sent_count = 1 and last_sent_at < 25 hours ago and first_sent_at is set", 1000)
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprint(r.Recipients)
		}
		want := asked()
		if want != "7" { // of the 10 that were sent, those longer ago
			t.Error(want)
		}
		sumUp := func() {
			t.Helper()
			if err := h.campaigns.SumUp(t.Context(), func(ctx context.Context, change func(*database.Tx) error) error { return db.Write(ctx, change) }); err != nil {
				t.Fatal(err)
			}
		}
		sumUp() // it has not ended
		if _, err := db.Exec(t.Context(), `UPDATE campaigns SET status = 'sent', finished_at = ? WHERE id = ?`, c.UnixMilli(), h.mail); err != nil {
			t.Fatal(err)
		}
		sumUp() // it ended only now
		var n int
		if err := db.Get(t.Context(), &n, `SELECT COUNT(*) FROM mailed`); err != nil || n != 0 {
			t.Errorf("%d summed up, %v", n, err)
		}
		before := c
		c = c.Add(11 * time.Minute)
		for range 2 {
			sumUp()
			if got := asked(); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		if err := db.Get(t.Context(), &n, `SELECT SUM(sent) FROM mailed`); err != nil || n != 10 {
			t.Errorf("%d summed up, %v", n, err)
		}
		// A late send after the end is added by the next pass, once.
		_, err := db.Exec(t.Context(), `UPDATE deliveries SET status = 'sent', settled_at = ? WHERE status = 'failed' AND campaign_id = ?`, c.Add(time.Minute).UnixMilli(), h.mail)
		if err != nil {
			t.Fatal(err)
		}
		c = c.Add(2 * time.Minute)
		if _, err := db.Exec(t.Context(), `UPDATE campaigns SET finished_at = ? WHERE id = ?`, c.UnixMilli(), h.mail); err != nil {
			t.Fatal(err)
		}
		all := func() string {
			t.Helper()
			r, err := h.campaigns.Reach(t.Context(), h.lists[:1], "sent_count = 1", 1000)
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprint(r.Recipients)
		}
		if got := all(); got != "20" {
			t.Error(got)
		}
		c = c.Add(11 * time.Minute)
		sumUp()
		if got := all(); got != "20" {
			t.Error(got)
		}
		c = before
	})
}
