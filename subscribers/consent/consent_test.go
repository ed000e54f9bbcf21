package consent_test

import (
	"strings"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/subscribers/consent"
)

func TestParseBasis_KnowsFive(t *testing.T) {
	for _, name := range []string{"double_opt_in", "opt_in", "customer", "contract", "legitimate_interest_b2b"} {
		if got, err := consent.ParseBasis(name); err != nil || string(got) != name {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "Opt_In", "optin", " opt_in", "bought"} {
		if got, err := consent.ParseBasis(name); err == nil || got != "" || !strings.Contains(err.Error(), "legitimate_interest_b2b") {
			t.Errorf("%q: %q, %v, want an error that lists what there is", name, got, err)
		}
	}
}

func TestStatement_MustBeOneThatCanBeShown(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, c := range []struct {
		about     string // "" if it is fine
		statement consent.Statement
	}{
		{"", consent.Statement{Basis: consent.OptIn, Source: "a fair", At: now}},
		{"", consent.Statement{Basis: consent.Contract, Source: "shop", At: now.Add(time.Minute)}}, // clocks differ
		{"", consent.Statement{Basis: consent.Customer, Source: "shop", At: now.AddDate(-20, 0, 0), Wording: "Yes, please."}},
		{"basis", consent.Statement{Source: "a fair", At: now}},
		{"basis", consent.Statement{Basis: "bought", Source: "a fair", At: now}},
		{"source", consent.Statement{Basis: consent.OptIn, Source: " \t", At: now}},
		{"at is missing", consent.Statement{Basis: consent.OptIn, Source: "a fair"}},
		{"future", consent.Statement{Basis: consent.OptIn, Source: "a fair", At: now.Add(time.Minute + time.Nanosecond)}},
	} {
		err := c.statement.Check(now)
		if (err == nil) != (c.about == "") || err != nil && !strings.Contains(err.Error(), c.about) {
			t.Errorf("%+v: %v, want an error about %q", c.statement, err, c.about)
		}
	}
}

func TestRecord_OnlyEverAdds(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		at := time.UnixMilli(1_700_000_000_000)
		entries := []consent.Entry{
			{SubscriberID: 1, ListID: 2, Act: consent.Given, Statement: consent.Statement{Basis: consent.OptIn, Source: "a fair", At: at, Wording: `Yes, "please"`}},
			{SubscriberID: 1, ListID: 2, Act: consent.Withdrawn, Statement: consent.Statement{Source: "page", At: at.Add(time.Second)}},
			{SubscriberID: 1, ListID: 2, Act: consent.Withdrawn, Statement: consent.Statement{Source: "page", At: at.Add(time.Second)}},
		}
		before := time.Now().UnixMilli()
		err := db.Write(t.Context(), func(tx *database.Tx) error {
			if err := consent.Record(t.Context(), tx, nil); err != nil {
				return err
			}
			return consent.Record(t.Context(), tx, entries)
		})
		if err != nil {
			t.Fatal(err)
		}
		rows, err := consent.Of(t.Context(), db, 1)
		if err != nil || len(rows) != len(entries) {
			t.Fatalf("%d rows, %v, want %d", len(rows), err, len(entries))
		}
		for i, r := range rows {
			e := entries[i]
			if r.Act != e.Act || r.Basis != e.Basis || r.Said.Source != e.Source || r.StatedAt != e.At.UnixMilli() || r.Said.Wording != e.Wording || r.RecordedAt < before {
				t.Errorf("row %d: %+v, want %+v", i, r, e)
			}
		}
		for _, change := range []string{`UPDATE consents SET act = 'given'`, `DELETE FROM consents`, `UPDATE statements SET text = ''`, `DELETE FROM statements`} {
			if _, err := db.Exec(t.Context(), change); err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: %v, want it refused", change, err)
			}
		}
	})
}

func TestRecord_TakesAWholePage(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		entries := make([]consent.Entry, 1234)
		for i := range entries {
			entries[i] = consent.Entry{SubscriberID: int64(i), ListID: 2, Act: consent.Given, Statement: consent.Statement{Basis: consent.OptIn, Source: "a fair", At: time.Now()}}
		}
		if err := db.Write(t.Context(), func(tx *database.Tx) error { return consent.Record(t.Context(), tx, entries) }); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := db.Get(t.Context(), &n, `SELECT COUNT(DISTINCT subscriber_id) FROM consents`); err != nil || n != len(entries) {
			t.Errorf("%d people, %v, want %d", n, err, len(entries))
		}
	})
}
