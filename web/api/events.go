package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"facteur/campaign"
	"facteur/web/call"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

const (
	eventStream  = "text/event-stream"
	eventEvery   = 500 * time.Millisecond // while sending
	commentEvery = 15 * time.Second       // while nothing happens, so that nobody hangs up
	rateOver     = 5 * time.Second
	eventTimeout = 10 * time.Second // for a client to take an event
)

// Progress is how far a campaign has come: the data of an event "counts".
type Progress struct {
	ID           ID              `json:"id"`
	Status       string          `json:"status"`
	StatusReason string          `json:"status_reason"`
	Planned      bool            `json:"planned"`
	Counts       campaign.Counts `json:"counts"`
	Rate         float64         `json:"rate" doc:"Messages sent a second, over the last five."`
}

// live registers the stream of events.
func (c *calls) live(api huma.API, op huma.Operation) {
	op.Description += "\n\nServer-sent events named `counts`, at least one a second while the campaign is sending, and a last one when it is sent or cancelled."
	data := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Progress](), true, "")
	op.Responses["200"] = &huma.Response{Description: "Each event's data is a Progress.", Content: map[string]*huma.MediaType{
		eventStream: {Schema: &huma.Schema{Type: huma.TypeString, Extensions: map[string]any{"contentMediaType": "application/json", "contentSchema": data}}},
	}}
	huma.Register(api, op, func(ctx context.Context, in *ByID) (*huma.StreamResponse, error) {
		first, err := c.progress(ctx, in.id())
		if err != nil {
			return nil, c.explain(ctx, err)
		}
		return &huma.StreamResponse{Body: func(h huma.Context) {
			r, w := humago.Unwrap(h)
			if r.Method == http.MethodHead {
				w.Header().Set("Content-Type", eventStream)
				return
			}
			c.follow(r.Context(), w, in.id(), first)
		}}, nil
	})
}

func (c *calls) progress(ctx context.Context, id int64) (Progress, error) {
	found, err := c.Campaigns.Campaign(ctx, id)
	if err != nil {
		return Progress{}, err
	}
	counts, err := c.Campaigns.Counts(ctx, id)
	return Progress{ID: idOf(id), Status: string(found.Status), StatusReason: found.StatusReason, Planned: found.Planned, Counts: counts}, err
}

// follow sends events until the campaign has ended, the client has gone or the
// server is ending.
func (c *calls) follow(ctx context.Context, w http.ResponseWriter, id int64, now Progress) {
	w.Header().Set("Content-Type", eventStream)
	w.Header().Set("X-Accel-Buffering", "no") // proxies must not gather events
	tick := time.NewTicker(eventEvery)
	defer tick.Stop()
	var pace meter
	var said Progress
	heard := time.Now()
	for {
		now.Rate = pace.read(time.Now(), now.Counts.Sent)
		text := ""
		switch {
		case now != said || now.Status == string(campaign.Sending):
			data, _ := json.Marshal(now) // numbers and texts
			text = "event: counts\ndata: " + string(data) + "\n\n"
		case time.Since(heard) >= commentEvery:
			text = ": nothing new\n\n"
		}
		if text != "" {
			if !send(w, text) {
				return
			}
			said, heard = now, time.Now()
		}
		if now.Status == string(campaign.Sent) || now.Status == string(campaign.Cancelled) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-call.Ending(ctx):
			return
		}
		var err error
		if now, err = c.progress(ctx, id); err != nil { // the client asks anew and is told
			return
		}
	}
}

// send writes to the client at once; false when it does not listen any more.
func send(w http.ResponseWriter, text string) bool {
	to := http.NewResponseController(w)
	_ = to.SetWriteDeadline(time.Now().Add(eventTimeout)) // not every writer can
	_, err := fmt.Fprint(w, text)
	return err == nil && to.Flush() == nil
}

// meter tells how fast a count has grown lately.
type meter struct {
	seen []reading
}

type reading struct {
	at time.Time
	n  int64
}

// read takes in the count at a time and returns its growth per second.
func (m *meter) read(now time.Time, n int64) float64 {
	m.seen = append(m.seen, reading{now, n})
	for len(m.seen) > 2 && now.Sub(m.seen[1].at) >= rateOver {
		m.seen = m.seen[1:]
	}
	first := m.seen[0]
	took := now.Sub(first.at).Seconds()
	if took <= 0 {
		return 0
	}
	return max(0, float64(n-first.n)/took)
}
