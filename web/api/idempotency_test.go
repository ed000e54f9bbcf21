package api_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
)

func (h *house) count(t *testing.T, query string, args ...any) (n int) {
	t.Helper()
	if err := h.db.Get(t.Context(), &n, query, args...); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestIdempotencyKey_GivesTheSameAnswerAgain(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db)
		s := h.furnish()
		for i, w := range []wish{
			{path: "/lists", body: `{"name":"<once> & only"}`},
			{path: "/lists/LIST/subscribers", body: `{"email":"once@example.org"}`},
			{path: "/relays", body: `{"name":"once","host":"h.example"}`},
			{path: "/domains", body: `{"name":"once.example"}`},
			{path: "/senders", body: `{"from_email":"once@example.com","postal_address":"x","relay_ids":["RELAY"]}`},
			{path: "/campaigns", body: s.draft("once")},
			{path: "/tokens", body: `{"name":"once","scopes":["*"]}`},
			{path: "/campaigns/CAMPAIGN/test", body: `{"to":["a@example.org"]}`},
			{path: "/campaigns/CAMPAIGN/launch"},
			{path: "/campaigns/CAMPAIGN/pause", body: `{"reason":"x"}`},
			{path: "/campaigns/CAMPAIGN/resume"},
			{path: "/campaigns/CAMPAIGN/resend-failed"},
			{path: "/campaigns/CAMPAIGN/cancel"},
			{path: "/stop", body: `{"reason":"x"}`},
			{path: "/lists/LIST/imports?basis=customer&source=shop&at=2025-01-01T00:00:00Z", body: "email\nimported@example.org\n"},
		} {
			key := fmt.Sprintf("Idempotency-Key: key %d", i)
			first := h.do("POST", s.path(w.path), s.path(w.body), key)
			if first.status >= 300 || first.header.Get("Idempotency-Replayed") != "" {
				t.Fatalf("%s: %d %s", w.path, first.status, first.body)
			}
			nudged, letters, before := h.nudged.Load(), h.letters.Load(), dump(t, h.db)
			again := h.do("POST", s.path(w.path), s.path(w.body), key)
			if again.status != first.status || again.body != first.body || again.header.Get("Idempotency-Replayed") != "true" {
				t.Errorf("%s: first %d %s\nagain %d %s %q", w.path, first.status, first.body, again.status, again.body, again.header.Get("Idempotency-Replayed"))
			}
			if dump(t, h.db) != before || h.nudged.Load() != nudged || h.letters.Load() != letters {
				t.Errorf("%s: the repetition had an effect", w.path)
			}
			body := strings.NewReplacer("once", "other", "a@", "b@", `"x"}`, `"y"}`, "imported", "other").Replace(w.body)
			if body == "" {
				body = "{}"
			}
			if a := h.do("POST", s.path(w.path), s.path(body), key); a.status != 422 || a.get("code") != "idempotency_key_reused" {
				t.Errorf("%s: another body: %d %s", w.path, a.status, a.body)
			}
			if a := h.do("POST", "/lists", `{"name":"elsewhere"}`, key); a.status != 422 || a.get("code") != "idempotency_key_reused" {
				t.Errorf("%s: another call: %d %s", w.path, a.status, a.body)
			}
		}
	})
}

func TestIdempotencyKey_HasOneEffectHoweverManyAskAtOnce(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db)
		s := h.furnish()
		for _, w := range []struct {
			path, body, count string
			busy              bool // an effect with transactions of its own answers who comes too early with 409
		}{
			{"/campaigns", s.draft("at once"), `SELECT COUNT(*) FROM campaigns WHERE name = 'at once'`, false},
			{"/lists/LIST/subscribers", `{"email":"at-once@example.org"}`, `SELECT COUNT(*) FROM consents WHERE subscriber_id = (SELECT id FROM subscribers WHERE key = 'at-once@example.org')`, false},
			{"/lists/LIST/imports?basis=customer&source=shop&at=2025-01-01T00:00:00Z", "email\nimported@example.org\n", `SELECT COUNT(*) FROM imports`, true},
		} {
			answers := make([]answer, 20)
			var all sync.WaitGroup
			for i := range answers {
				all.Go(func() { answers[i] = h.do("POST", s.path(w.path), w.body, "Idempotency-Key: "+w.path) })
			}
			all.Wait()
			fresh, body := 0, ""
			for _, a := range answers {
				if a.status == 409 && w.busy && a.get("code") == "idempotency_key_busy" {
					continue
				}
				if a.status >= 300 {
					t.Errorf("%s: %d %s", w.path, a.status, a.body)
				}
				if body == "" {
					body = a.body
				}
				if a.body != body {
					t.Errorf("%s: answers differ:\n%s\n%s", w.path, a.body, body)
				}
				if a.header.Get("Idempotency-Replayed") == "" {
					fresh++
				}
			}
			if n := h.count(t, w.count); n != 1 || fresh != 1 {
				t.Errorf("%s: %d effects, %d fresh answers", w.path, n, fresh)
			}
		}
	})
}

func TestSubscribe_SurvivesTheSamePersonAtOnce(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db)
		s := h.furnish()
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if a := h.do("POST", s.path("/lists/LIST/subscribers"), `{"email":"twin@example.org"}`); a.status != 201 {
					t.Errorf("%d %s", a.status, a.body)
				}
			})
		}
		all.Wait()
		if n := h.count(t, `SELECT COUNT(*) FROM subscribers WHERE key = 'twin@example.org'`); n != 1 {
			t.Errorf("%d of them", n)
		}
	})
}

func TestIdempotencyKey_KeepsNothingOfAFailure(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	s := h.furnish()
	key := "Idempotency-Key: after the mistake"
	if a := h.do("POST", s.path("/lists/DOUBLE/subscribers"), `{"email":"a@"}`, key); a.status != 422 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := h.do("POST", s.path("/lists/LIST/subscribers"), `{"email":"a@example.org"}`, key); a.status != 201 {
		t.Errorf("%d %s", a.status, a.body)
	}
	key = "Idempotency-Key: after the wrong state"
	path := s.path("/campaigns/CAMPAIGN/resend-failed")
	if a := h.do("POST", path, "", key); a.status != 409 || a.get("code") != "wrong_state" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	h.must("POST", s.path("/campaigns/CAMPAIGN/launch"), "")
	if a := h.do("POST", path, "", key); a.status != 202 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestIdempotencyKey_BelongsToTheActor(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	key, body := "Idempotency-Key: mine", `{"name":"x"}`
	first := h.do("POST", "/lists", body, key)
	second := h.do("POST", "/lists", body, key, h.token("lists:write"))
	if second.status != 201 || second.get("id") == first.get("id") {
		t.Errorf("%d %s", second.status, second.body)
	}
}

func TestIdempotencyKey_IsForgottenAfterADay(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).Unix())
	h := newHouse(t, databasetest.At(t, func() time.Time { return time.Unix(now.Load(), 0) }))
	key := "Idempotency-Key: daily"
	first := h.do("POST", "/lists", `{"name":"x"}`, key)
	now.Add(24*3600 - 1)
	if a := h.do("POST", "/lists", `{"name":"x"}`, key); a.body != first.body {
		t.Errorf("a second before: %d %s", a.status, a.body)
	}
	now.Add(2)
	if a := h.do("POST", "/lists", `{"name":"x"}`, key); a.body != first.body {
		t.Errorf("a day later, not forgotten yet: %d %s", a.status, a.body)
	}
	if err := h.access.PruneReplies(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := h.do("POST", "/lists", `{"name":"y"}`, key); a.status != 201 || a.get("name") != "y" {
		t.Errorf("once forgotten: %d %s", a.status, a.body)
	}
	now.Add(24*3600 + 1)
	if err := h.access.PruneReplies(t.Context()); err != nil || h.count(t, `SELECT COUNT(*) FROM replies`) != 0 {
		t.Error("answers were not forgotten", err)
	}
}

func TestIdempotencyKey_IsPrintableAndNotTooLong(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	for _, key := range []string{strings.Repeat("k", 201), "clé"} {
		if a := h.do("POST", "/lists", `{"name":"x"}`, "Idempotency-Key: "+key); a.status != 422 || a.get("field") != "Idempotency-Key" {
			t.Errorf("%q: %d %s", key, a.status, a.body)
		}
	}
	if a := h.do("POST", "/lists", `{"name":"x"}`, "Idempotency-Key: "+strings.Repeat("k", 200)); a.status != 201 {
		t.Errorf("%d %s", a.status, a.body)
	}
}
