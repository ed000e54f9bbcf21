package rig

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"facteur/web/client"
)

// API speaks to a facteur as a client would.
type API struct{ client.Client }

// API is the process's.
func (p *Process) API() *API {
	return &API{client.Client{Base: "http://" + p.Addr, Token: Token}}
}

// id calls and returns the new object's id.
func (a *API) id(ctx context.Context, path string, body any) (string, error) {
	var made struct {
		ID string `json:"id"`
	}
	err := a.Call(ctx, http.MethodPost, path, body, &made)
	return made.ID, err
}

// Setup is what a campaign needs.
type Setup struct{ List, Relay, Sender string }

// SetUp makes a list, a relay to host:port, a domain and a sender, with no limits.
func (a *API) SetUp(ctx context.Context, host string, port, connections int) (s Setup, err error) {
	if s.List, err = a.id(ctx, "/lists", map[string]any{"name": "Drill"}); err != nil {
		return s, err
	}
	if s.Relay, err = a.id(ctx, "/relays", map[string]any{"name": "sandbox", "host": host, "port": port, "security": "none", "max_connections": connections}); err != nil {
		return s, err
	}
	if _, err = a.id(ctx, "/domains", map[string]any{"name": "news.example.com", "warmup": "none", "dkim": false}); err != nil {
		return s, err
	}
	s.Sender, err = a.id(ctx, "/senders", map[string]any{"from_email": "hello@news.example.com", "from_name": "Les Nouvelles", "postal_address": "1 rue de la Poste, 69001 Lyon", "relay_ids": []string{s.Relay}})
	if err != nil {
		return s, err
	}
	return s, a.Call(ctx, http.MethodPut, "/throttles/default", map[string]any{}, nil)
}

// List makes a further list.
func (a *API) List(ctx context.Context, name string) (string, error) {
	return a.id(ctx, "/lists", map[string]any{"name": name})
}

// Import is the state of an import.
type Import struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Error   string `json:"error"`
	Rows    int64  `json:"rows"`
	Created int64  `json:"created"`
	Refused int64  `json:"refused"`
}

// ImportCSV uploads a CSV and waits until it is done.
func (a *API) ImportCSV(ctx context.Context, list string, csv io.Reader) (Import, error) {
	q := url.Values{"basis": {"opt_in"}, "source": {"drill"}, "at": {time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)}}
	var im Import
	if err := a.Upload(ctx, http.MethodPost, "/lists/"+list+"/imports?"+q.Encode(), "text/csv", csv, &im); err != nil {
		return im, err
	}
	for {
		if err := a.Call(ctx, http.MethodGet, "/imports/"+im.ID, nil, &im); err != nil {
			return im, err
		}
		switch im.Status {
		case "done":
			return im, nil
		case "failed":
			return im, fmt.Errorf("import failed: %s", im.Error)
		}
		select {
		case <-ctx.Done():
			return im, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Launch makes a campaign with this content and launches it.
// text may be empty: it is then made from the HTML.
func (a *API) Launch(ctx context.Context, s Setup, html, text string) (string, error) {
	id, err := a.id(ctx, "/campaigns", map[string]any{"name": "Drill", "subject": "Hello {{ name }}", "html": html, "text": text, "list_ids": []string{s.List}, "sender_id": s.Sender})
	if err != nil {
		return "", err
	}
	return id, a.Client.Launch(ctx, id)
}

// Deliveries lists the addresses of a campaign's deliveries that a query such
// as "doubted=true" or "status=uncertain" names.
func (a *API) Deliveries(ctx context.Context, id, query string) (emails map[string]bool, err error) {
	emails = map[string]bool{}
	for cursor := ""; ; {
		var page struct {
			Items []struct {
				SubscriberID string `json:"subscriber_id"`
			} `json:"items"`
			Next *string `json:"next"`
		}
		if err := a.Call(ctx, http.MethodGet, "/campaigns/"+id+"/deliveries?"+query+"&limit=200&cursor="+url.QueryEscape(cursor), nil, &page); err != nil {
			return nil, err
		}
		for _, d := range page.Items {
			var p struct {
				Email string `json:"email"`
			}
			if err := a.Call(ctx, http.MethodGet, "/subscribers/"+d.SubscriberID, nil, &p); err != nil {
				return nil, err
			}
			emails[p.Email] = true
		}
		if page.Next == nil {
			return emails, nil
		}
		cursor = *page.Next
	}
}
