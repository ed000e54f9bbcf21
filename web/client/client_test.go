package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"facteur/web/client"
)

// server answers each call with what the path asks for.
func server(t *testing.T) *client.Client {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/lists", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" || r.Header.Get("Content-Type") != "application/json" {
			http.Error(w, "headers", http.StatusTeapot)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprint(w, `{"id":"7"}`)
	})
	mux.HandleFunc("GET /api/v1/lists/9", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprint(w, `{"status":404,"code":"not_found","detail":"there is no list 9"}`)
	})
	mux.HandleFunc("GET /api/v1/lists/8", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "a proxy's page", http.StatusBadGateway)
	})
	mux.HandleFunc("GET /api/v1/campaigns/5/events", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, "event: counts\ndata: {\"status\":\"sending\",\"rate\":3.5}\n\n: comment\n\nevent: counts\ndata: {\"status\":\"sent\",\"counts\":{\"recipients\":2,\"sent\":2}}\n\n")
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return &client.Client{Base: s.URL, Token: "secret"}
}

func TestClient_DecodesAnAnswer(t *testing.T) {
	var made struct{ ID string }
	if err := server(t).Call(t.Context(), http.MethodPost, "/lists", map[string]any{"name": "News"}, &made); err != nil || made.ID != "7" {
		t.Fatalf("made %+v, %v", made, err)
	}
}

func TestClient_TellsAProblemFromAPage(t *testing.T) {
	c := server(t)
	for path, want := range map[string]client.Problem{
		"/lists/9": {Status: 404, Code: "not_found", Detail: "there is no list 9"},
		"/lists/8": {Status: 502, Detail: "a proxy's page\n"},
	} {
		want.Method, want.Path = http.MethodGet, path
		var got *client.Problem
		if err := c.Call(t.Context(), http.MethodGet, path, nil, nil); !errors.As(err, &got) || *got != want {
			t.Errorf("%s: %v, want %+v", path, err, want)
		}
	}
}

func TestClient_FollowsACampaignToItsEnd(t *testing.T) {
	var seen []string
	err := server(t).Follow(t.Context(), "5", func(c client.Campaign) error {
		seen = append(seen, fmt.Sprintf("%s %g %t", c.Status, c.Rate, c.Counts.Balanced()))
		return nil
	})
	if want := "[sending 3.5 true sent 0 true]"; err != nil || fmt.Sprint(seen) != want {
		t.Fatalf("%v, %v, want %s", seen, err, want)
	}
}
