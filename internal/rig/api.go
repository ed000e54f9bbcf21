package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// API speaks to a facteur as a client would.
type API struct {
	Base string // http://host:port
}

// API is the process's.
func (p *Process) API() *API { return &API{Base: "http://" + p.Addr} }

// Refused is an answer that is not a success.
type Refused struct {
	Status int
	Body   string
}

func (e *Refused) Error() string { return fmt.Sprintf("answer %d: %s", e.Status, e.Body) }

// Call sends body as JSON (an io.Reader as it is) and decodes the answer into out, if not nil.
func (a *API) Call(ctx context.Context, method, path string, body, out any) error {
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case io.Reader:
		reader = b
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return err
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.Base+"/api/v1"+path, reader)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+Token)
	req.Header.Set("Content-Type", "application/json")
	if _, ok := body.(io.Reader); ok {
		req.Header.Set("Content-Type", "text/csv")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %w", method, path, &Refused{res.StatusCode, string(text)})
	}
	if out == nil || len(text) == 0 {
		return nil
	}
	return json.Unmarshal(text, out)
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
	if err := a.Call(ctx, http.MethodPost, "/lists/"+list+"/imports?"+q.Encode(), csv, &im); err != nil {
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

// Campaign is a campaign's state and books.
type Campaign struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Planned bool   `json:"planned"`
	Counts  struct {
		Recipients, Queued, Sending, Sent, Deferred, Failed, Skipped, Uncertain, Doubted int64
	} `json:"counts"`
}

// Balanced tells whether the seven states add up to the recipients.
func (c Campaign) Balanced() bool {
	n := c.Counts
	return n.Recipients == n.Queued+n.Sending+n.Sent+n.Deferred+n.Failed+n.Skipped+n.Uncertain
}

// Launch makes a campaign with this content and launches it.
func (a *API) Launch(ctx context.Context, s Setup, html string) (string, error) {
	id, err := a.id(ctx, "/campaigns", map[string]any{"name": "Drill", "subject": "Hello {{ name }}", "html": html, "list_ids": []string{s.List}, "sender_id": s.Sender})
	if err != nil {
		return "", err
	}
	return id, a.Call(ctx, http.MethodPost, "/campaigns/"+id+"/launch", map[string]any{}, nil)
}

// Campaign reads a campaign.
func (a *API) Campaign(ctx context.Context, id string) (c Campaign, err error) {
	err = a.Call(ctx, http.MethodGet, "/campaigns/"+id, nil, &c)
	return c, err
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
