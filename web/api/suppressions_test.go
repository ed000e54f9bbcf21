package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
)

func TestSuppressions_AreKeptListedAndUndone(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db)
		s := h.furnish()
		for _, body := range []string{
			`{"email":"ADA@example.org"}`, `{"email":"bob@exämple.org","reason":"hard_bounce"}`, fmt.Sprintf(`{"email":"eve@example.org","list_id":%q}`, s.list), `{"email":"zoe@example.org","reason":"complaint"}`,
		} {
			if a := h.must("POST", "/suppressions", body); a.get("source") != "admin" {
				t.Error(a.body)
			}
		}
		if a := h.must("POST", "/suppressions", `{"email":"ada@EXAMPLE.org"}`); a.get("address") != "ada@example.org" {
			t.Error(a.body)
		}
		a := h.must("GET", "/suppressions?limit=3", "")
		if a.get("items.0.address") != "ada@example.org" || a.get("items.1.address") != "bob@xn--exmple-cua.org" || a.get("items.2.list_id") != s.list || a.get("next") == "<nil>" {
			t.Error(a.body)
		}
		if a = h.must("GET", "/suppressions?limit=3&cursor="+a.get("next"), ""); a.get("items.0.address") != "zoe@example.org" || a.get("next") != "<nil>" {
			t.Error(a.body)
		}
		for query, n := range map[string]int{"reason=hard_bounce": 1, "list_id=0": 3, "list_id=" + s.list: 1, "email=zoe@example.org": 1, "source=admin": 4, "from=2999-01-01T00:00:00Z": 0} {
			if a := h.must("GET", "/suppressions?"+query, ""); strings.Count(a.body, `"address"`) != n {
				t.Errorf("%s: %s", query, a.body)
			}
		}
		export := h.must("GET", "/suppressions/export", "").body
		if lines := strings.Split(strings.TrimSpace(export), "\n"); len(lines) != 5 || !strings.HasPrefix(lines[1], "ada@example.org,,manual,admin,20") {
			t.Error(export)
		}
		// The same file elsewhere gives the same suppressions.
		a = h.must("POST", "/suppressions/import?source=from+elsewhere", "email,reason\nnew@example.org,hard_bounce\nnot an address,\nother@example.org,whim\nplain@example.org,\n")
		if a.get("rows") != "4" || a.get("suppressed") != "2" || a.get("refused") != "2" || a.get("problems.0.line") != "3" || a.get("problems.1.reason") != "unknown_reason" {
			t.Error(a.body)
		}
		if a := h.must("POST", "/suppressions/import?source=a+list", "one@example.org\ntwo@example.org\n"); a.get("suppressed") != "2" {
			t.Error(a.body)
		}
		// A wrong day is undone by its source; a complaint is not.
		span := fmt.Sprintf(`"from":%q,"to":%q`, time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		if a := h.must("POST", "/suppressions/undo", `{"source":"from elsewhere",`+span+`}`); a.get("undone") != "2" {
			t.Error(a.body)
		}
		if a := h.must("POST", "/suppressions/undo", `{"source":"admin",`+span+`}`); a.get("undone") != "3" {
			t.Error(a.body)
		}
		if a := h.must("GET", "/suppressions?source=admin", ""); a.get("items.0.address") != "zoe@example.org" || a.get("items.1") != "<nothing>" {
			t.Error(a.body)
		}
		if a := h.must("DELETE", "/suppressions?email=one@example.org", ""); a.get("undone") != "1" {
			t.Error(a.body)
		}
		for _, w := range []wish{
			{"DELETE", "/suppressions?email=one@example.org", "", 404, "code=not_found"},
			{"DELETE", "/suppressions?email=zoe@example.org", "", 409, "code=own_word"},
			{"DELETE", "/suppressions", "", 422, "code=invalid field=email"},
			{"POST", "/suppressions", `{"email":"a@"}`, 422, "code=invalid_address field=email"},
			{"POST", "/suppressions", `{"email":"a@example.org","reason":"mood"}`, 422, "code=invalid field=reason"},
			{"POST", "/suppressions", `{"email":"a@example.org","list_id":"1"}`, 404, "code=not_found field=list_id"},
			{"POST", "/suppressions/undo", `{` + span + `}`, 422, "code=invalid field=source"},
			{"POST", "/suppressions/undo", `{"source":"x","from":"2026-01-02T00:00:00Z","to":"2026-01-01T00:00:00Z"}`, 422, "code=invalid field=to"},
			{"GET", "/suppressions?cursor=x", "", 422, "code=invalid field=cursor"},
		} {
			h.grant(t, s, w)
		}
	})
}

func TestSuppression_EndsWhatItSays(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	s := h.furnish()
	h.must("POST", "/suppressions", `{"email":"ada@example.org","reason":"hard_bounce"}`)
	if a := h.must("GET", "/subscribers/"+s.subscriber, ""); a.get("subscriptions.0.status") != "confirmed" { // as it was, once it is undone
		t.Error(a.body)
	}
	h.must("POST", "/suppressions", `{"email":"ada@example.org","reason":"complaint"}`)
	if a := h.must("GET", "/subscribers/"+s.subscriber, ""); a.get("subscriptions.0.status") != "unsubscribed" {
		t.Error(a.body)
	}
	if a := h.must("GET", "/suppressions", ""); a.get("items.0.reason") != "complaint" { // the person's word outweighs a machine's
		t.Error(a.body)
	}
}
