package web_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"facteur/access"
	"facteur/internal/database"
	"facteur/web"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// metrics asks for /metrics with these headers and returns the status and the answer.
func (s *site) metrics(t *testing.T, headers ...string) (int, string) {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/metrics", nil)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}

// token makes one with this scope and returns its secret.
func (s *site) token(t *testing.T, store *access.Store, scope string) (secret string) {
	t.Helper()
	err := s.db.Write(t.Context(), func(tx *database.Tx) (err error) {
		_, secret, err = store.CreateToken(t.Context(), tx, access.Actor{Scopes: []string{access.All}}, "t", []string{scope})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func TestMetrics_AreForThoseWhoAreNear(t *testing.T) {
	s := newSite(t, func(o *web.Options) { o.MetricsFrom = loopback })
	s.ask(t, "GET", "/api/v1/lists/7", "")
	status, text := s.metrics(t)
	if status != 200 || !strings.Contains(text, `facteur_http_requests_total{route="GET /api/v1/lists/{id}",status="404"} 1`) {
		t.Errorf("%d %s", status, text)
	}
	for _, proxied := range []string{"X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1", "X-Real-IP: 127.0.0.1", "Via: 1.1 proxy"} {
		if status, text := s.metrics(t, proxied); status != 401 || strings.Contains(text, "facteur_http") {
			t.Errorf("%s: %d", proxied, status)
		}
	}
}

func TestMetrics_AskOthersForAToken(t *testing.T) {
	var store *access.Store
	s := newSite(t, func(o *web.Options) { store = o.API.Access })
	for _, c := range []struct {
		header string
		status int
	}{
		{"Accept: text/plain", 401},
		{"Authorization: Bearer " + s.token(t, store, "lists:read"), 403},
		{"Authorization: Bearer " + s.token(t, store, "metrics:read"), 200},
		{"Authorization: Bearer " + adminToken, 200},
	} {
		if status, text := s.metrics(t, c.header); status != c.status {
			t.Errorf("%.30s: %d, want %d: %.100s", c.header, status, c.status, text)
		}
	}
	for range 10 {
		if status, _ := s.metrics(t, "Authorization: Bearer fct_guessed"); status != 401 {
			t.Error("a wrong token got", status)
		}
	}
	if status, _ := s.metrics(t, "Authorization: Bearer "+adminToken); status != 429 {
		t.Error("after ten wrong tokens:", status)
	}
	if strings.Contains(s.log.String(), "guessed") {
		t.Error("the log holds a token")
	}
}

func TestHealth_ServesMetricsToo(t *testing.T) {
	server := httptest.NewServer(web.Health(web.Options{Log: slog.New(slog.DiscardHandler), MetricsFrom: loopback}))
	defer server.Close()
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/api/v1/lists": 404} {
		res, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}
