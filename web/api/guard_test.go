package api_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"facteur/internal/database/databasetest"
	"facteur/web/api"
)

func TestGuard_AsksForAToken(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	for _, auth := range []string{"Authorization: ", "Authorization: Basic Zm9vOmJhcg==", "Authorization: Bearer", "Authorization: Bearer wrong", "Authorization: Bearer fct_wrong"} {
		for _, path := range []string{"/lists", "/nowhere"} {
			a := h.do("GET", path, "", auth)
			if a.status != 401 || a.get("code") != "unauthorized" || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%q: %d %s", auth, a.status, a.body)
			}
		}
	}
	if a := h.do("GET", "/lists", "", "Authorization: bearer "+adminToken); a.status != 200 {
		t.Errorf("the scheme in lower case: %d", a.status)
	}
}

func TestGuard_WithoutAdminTokenEmptyIsNoToken(t *testing.T) {
	h := newHouse(t, databasetest.New(t), func(o *api.Options) { o.Access = newAccess(t, o.DB, "") })
	for _, auth := range []string{"Authorization: Bearer ", "Authorization: Bearer  ", "Authorization: "} {
		if a := h.do("GET", "/lists", "", auth); a.status != 401 {
			t.Errorf("%q: %d", auth, a.status)
		}
	}
}

func TestGuard_NamesTheMissingScope(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	reader := h.token("lists:read")
	if a := h.do("GET", "/lists", "", reader); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	for path, scope := range map[string]string{"/lists": "lists:write", "/tokens": "tokens:write", "/campaigns/1/launch": "campaigns:write", "/stop": "stop:write", "/lists/1/imports": "subscribers:write"} {
		if a := h.do("POST", path, `{`, reader); a.status != 403 || a.get("code") != "scope_missing" || !strings.HasSuffix(a.get("detail"), scope) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	maker := h.token("tokens:write", "lists:read")
	if a := h.do("POST", "/tokens", `{"name":"x","scopes":["lists:write"]}`, maker); a.status != 422 || a.get("field") != "scopes" {
		t.Errorf("a token gave on more than it has: %d %s", a.status, a.body)
	}
	if a := h.do("POST", "/tokens", `{"name":"x","scopes":["lists:read"]}`, maker); a.status != 201 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestGuard_ForgetsARevokedTokenAtOnce(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	made := h.must("POST", "/tokens", `{"name":"x","scopes":["lists:read"]}`)
	bearer := "Authorization: Bearer " + made.get("token")
	if a := h.do("GET", "/lists", "", bearer); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := h.do("DELETE", "/tokens/"+made.get("id"), ""); a.status != 200 || a.get("revoked_at") == "<nil>" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := h.do("GET", "/lists", "", bearer); a.status != 401 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if strings.Contains(dump(t, h.db), made.get("token")) {
		t.Error("the token stands in the database")
	}
}

func TestGuard_StopsListeningToWhoGuesses(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).Unix())
	h := newHouse(t, databasetest.At(t, func() time.Time { return time.Unix(now.Load(), 0) }))
	for i := range 10 {
		if a := h.do("GET", "/lists", "", "Authorization: Bearer guess"); a.status != 401 {
			t.Fatalf("guess %d: %d", i, a.status)
		}
	}
	a := h.do("GET", "/lists", "", "Authorization: Bearer guess")
	if a.status != 429 || a.get("code") != "too_many_wrong_tokens" || a.header.Get("Retry-After") != "6" {
		t.Errorf("%d %s %v", a.status, a.body, a.header)
	}
	now.Add(60)
	if a := h.do("GET", "/lists", ""); a.status != 200 {
		t.Errorf("a minute later: %d", a.status)
	}
}

func TestGuard_BoundsBodies(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	a := h.do("POST", "/lists", `{"name":"`+strings.Repeat("x", 2<<20)+`"}`)
	if a.status != 413 || a.get("code") != "too_large" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := h.do("POST", "/lists", `name=x`, "Content-Type: application/x-www-form-urlencoded"); a.status != 415 || a.get("code") != "unsupported_media_type" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := h.do("POST", "/lists", `{"name":"typed"}`, "Content-Type: application/json; charset=utf-8"); a.status != 201 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := h.do("POST", "/lists", `{"name":"untyped"}`, "Content-Type: "); a.status != 201 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestGuard_NeverEchoesASecret(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	for _, body := range []string{`{"host":7,"password":"hunter22"}`, `{"host":"x","password":["hunter22"]}`, `{"host":"x","password":"hunter22"`, `{"host":"h.example","username":"u","password":"hunter22"}`} {
		if a := h.do("POST", "/relays", body); strings.Contains(a.body, "hunter22") {
			t.Errorf("%s", a.body)
		}
	}
	if strings.Contains(h.log.String(), "hunter22") || strings.Contains(dump(t, h.db), "hunter22") {
		t.Error("the password stands in the log or the database")
	}
}

func TestGuard_KnowsNothingOutsideItsCalls(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	for _, path := range []string{"/api", "/api/", "/api/v2/lists", "/api/v1"} {
		if a := h.send("GET", path, ""); a.status != 404 || path != "/api" && a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if a := h.do("PUT", "/lists", ""); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("%d %v", a.status, a.header)
	}
	if a := h.do("HEAD", "/lists", ""); a.status != 200 || a.body != "" {
		t.Errorf("%d %q", a.status, a.body)
	}
}

func TestChanges_AreWrittenDownWithTheirActor(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	made := h.must("POST", "/tokens", `{"name":"x","scopes":["lists:write"]}`)
	h.do("POST", "/lists", `{"name":"by a token"}`, "Authorization: Bearer "+made.get("token"))
	h.must("POST", "/lists", `{"name":"by the admin"}`)
	for actor, name := range map[string]string{"token:" + made.get("id"): "by a token", "admin": "by the admin"} {
		var n int
		if err := h.db.Get(t.Context(), &n, `SELECT COUNT(*) FROM journal WHERE actor = ? AND details LIKE ?`, actor, "%"+name+"%"); err != nil || n != 1 {
			t.Errorf("%s: %d %v", actor, n, err)
		}
	}
}
