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
	if s.Sender, err = a.Sender(ctx, s, "news.example.com"); err != nil {
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
	im, err := a.StartImport(ctx, list, false, csv)
	if err != nil {
		return im, err
	}
	for {
		if im, err = a.Import(ctx, im.ID); err != nil || im.Status == "done" {
			return im, err
		}
		select {
		case <-ctx.Done():
			return im, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// StartImport hands in a CSV and does not wait: of people who have agreed, or who
// are asked for their yes.
func (a *API) StartImport(ctx context.Context, list string, ask bool, csv io.Reader) (im Import, err error) {
	q := url.Values{"source": {"drill"}}
	if ask {
		q.Set("confirm", "true")
	} else {
		q.Set("basis", "opt_in")
		q.Set("at", time.Now().Add(-time.Hour).UTC().Format(time.RFC3339))
	}
	return im, a.Upload(ctx, http.MethodPost, "/lists/"+list+"/imports?"+q.Encode(), "text/csv", csv, &im)
}

// Import reads how far an import has come; one that failed is an error.
func (a *API) Import(ctx context.Context, id string) (im Import, err error) {
	if err := a.Call(ctx, http.MethodGet, "/imports/"+id, nil, &im); err != nil {
		return im, err
	}
	if im.Status == "failed" {
		return im, fmt.Errorf("import failed: %s", im.Error)
	}
	return im, nil
}

// Sender adds a sending domain, with no limits, and a sender of it by the set-up's relay.
func (a *API) Sender(ctx context.Context, s Setup, domain string) (string, error) {
	if _, err := a.id(ctx, "/domains", map[string]any{"name": domain, "warmup": "none", "dkim": false}); err != nil {
		return "", err
	}
	return a.id(ctx, "/senders", map[string]any{
		"from_email": "hello@" + domain, "from_name": "Les Nouvelles", "postal_address": "1 rue de la Poste, 69001 Lyon", "relay_ids": []string{s.Relay},
	})
}

// Launch makes a campaign with this content and launches it.
// text may be empty: it is then made from the HTML.
func (a *API) Launch(ctx context.Context, s Setup, html, text string) (string, error) {
	id, err := a.Draft(ctx, s, html, text)
	if err != nil {
		return "", err
	}
	return id, a.Client.Launch(ctx, id)
}

// Draft makes a campaign with this content.
func (a *API) Draft(ctx context.Context, s Setup, html, text string) (string, error) {
	return a.id(ctx, "/campaigns", map[string]any{"name": "Drill", "subject": "Hello {{ name }}", "html": html, "text": text, "list_ids": []string{s.List}, "sender_id": s.Sender})
}

// Delivery is what became of one person's mail.
type Delivery struct {
	Email   string     `json:"email"`
	Status  string     `json:"status"`
	Reason  string     `json:"reason"`
	Doubts  int        `json:"doubts"`
	BegunAt *time.Time `json:"begun_at"`
}

// Deliveries lists those of a campaign that a query such as "doubted=true" or
// "status=uncertain" names, by address.
func (a *API) Deliveries(ctx context.Context, id, query string) (all map[string]Delivery, err error) {
	all = map[string]Delivery{}
	for cursor := ""; ; {
		var page struct {
			Items []Delivery `json:"items"`
			Next  *string    `json:"next"`
		}
		if err := a.Call(ctx, http.MethodGet, "/campaigns/"+id+"/deliveries?"+query+"&limit=500&cursor="+url.QueryEscape(cursor), nil, &page); err != nil {
			return nil, err
		}
		for _, d := range page.Items {
			all[d.Email] = d
		}
		if page.Next == nil {
			return all, nil
		}
		cursor = *page.Next
	}
}
