package api_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"facteur/internal/database/databasetest"
)

func TestDocument_HasEveryCall(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	a := h.send("GET", "/openapi.json", "", "Authorization: ")
	if a.status != 200 || a.header.Get("Content-Type") != "application/json" || a.get("openapi") != "3.1.0" || a.get("servers.0.url") != "/api/v1" {
		t.Fatalf("%d %v", a.status, a.header)
	}
	paths := a.fields["paths"].(map[string]any)
	for _, line := range []string{
		"GET /lists", "POST /lists", "GET /lists/{id}", "GET /lists/{id}/subscribers", "POST /lists/{id}/subscribers", "POST /lists/{id}/imports", "GET /imports/{id}",
		"GET /subscribers", "GET /subscribers/{id}", "GET /relays", "POST /relays", "GET /relays/{id}", "PUT /relays/{id}", "POST /relays/{id}/test", "POST /relays/{id}/resume", "GET /domains", "POST /domains",
		"GET /senders", "POST /senders", "GET /throttles/{scope}", "PUT /throttles/{scope}", "GET /campaigns", "POST /campaigns", "GET /campaigns/{id}", "PUT /campaigns/{id}",
		"POST /campaigns/{id}/launch", "POST /campaigns/{id}/pause", "POST /campaigns/{id}/resume", "POST /campaigns/{id}/cancel", "POST /campaigns/{id}/resend-failed",
		"POST /campaigns/{id}/test", "GET /campaigns/{id}/letters", "GET /letters/held", "POST /letters/{id}/resend", "GET /campaigns/{id}/deliveries", "GET /campaigns/{id}/events", "GET /stop", "POST /stop", "DELETE /stop",
		"PUT /lists/{id}", "GET /lists/{id}/wordings", "POST /lists/{id}/wordings", "POST /lists/{id}/reconfirm", "POST /lists/{id}/hygiene", "POST /lists/{id}/hygiene/decide", "GET /hygiene/{id}",
		"GET /imports/{id}/refused", "DELETE /subscribers/{id}", "GET /subscribers/{id}/export", "GET /subscribers/{id}/consents", "GET /subscribers/{id}/consent-proof",
		"GET /consent-ledger", "POST /consent-ledger/check", "GET /retention", "PUT /retention", "GET /retention/runs", "GET /register", "POST /keys/rotate",
		"GET /suppressions", "POST /suppressions", "DELETE /suppressions", "POST /suppressions/undo", "GET /suppressions/export", "POST /suppressions/import",
		"GET /templates", "GET /templates/{name}", "GET /unsubscribes", "POST /segments/preview", "POST /campaigns/{id}/preview",
		"GET /status", "GET /tokens", "POST /tokens", "DELETE /tokens/{id}",
	} {
		method, path, _ := strings.Cut(line, " ")
		op, ok := paths[path].(map[string]any)[strings.ToLower(method)].(map[string]any)
		if !ok {
			t.Errorf("%s is missing", line)
			continue
		}
		if op["summary"] == "" || !strings.Contains(op["description"].(string), "Scope: ") {
			t.Errorf("%s is not described", line)
		}
		responses := op["responses"].(map[string]any)
		if responses["default"] == nil || len(responses) < 2 {
			t.Errorf("%s: responses %v", line, responses)
		}
	}
	if strings.Contains(a.body, "ErrorModel") || strings.Contains(a.body, "$schema") {
		t.Error("huma's own things are in it")
	}
	for _, ref := range regexp.MustCompile(`"\$ref":"#/components/schemas/(\w+)"`).FindAllStringSubmatch(a.body, -1) {
		if a.fields["components"].(map[string]any)["schemas"].(map[string]any)[ref[1]] == nil {
			t.Errorf("%s is referred to and missing", ref[1])
		}
	}
	if !json.Valid([]byte(a.body)) {
		t.Error("not JSON")
	}
}

func TestAnswers_HaveNoSchemaMember(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	if a := h.must("POST", "/lists", `{"name":"x"}`); strings.Contains(a.body, "$schema") || a.header.Get("Link") != "" {
		t.Error(a.body, a.header)
	}
}

func TestDocs_AskNobodyElse(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	for _, path := range []string{"/docs", "/docs/theme.js", "/docs/rapidoc-min.js"} {
		a := h.send("GET", path, "", "Authorization: ")
		policy := a.header.Get("Content-Security-Policy")
		if a.status != 200 || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "http") || strings.Contains(policy, "font-src") {
			t.Errorf("%s: %d %q", path, a.status, policy)
		}
		if path != "/docs/rapidoc-min.js" && regexp.MustCompile(`(?i)https?://|//[a-z]+\.`).MatchString(a.body) {
			t.Errorf("%s refers to another host", path)
		}
	}
	if a := h.send("GET", "/docs/nothing.js", ""); a.status != 404 {
		t.Error(a.status)
	}
}
