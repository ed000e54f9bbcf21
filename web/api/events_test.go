package api_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"facteur/internal/database/databasetest"
	"facteur/web/api"
)

// listener reads a campaign's events.
type listener struct {
	t     *testing.T
	lines *bufio.Scanner
	close func() error
}

func (h *house) listen(t *testing.T, campaign string) *listener {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), "GET", h.url+api.Prefix+"/campaigns/"+campaign+"/events", nil)
	req.Header.Set("Authorization", "Bearer "+adminToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	return &listener{t, bufio.NewScanner(res.Body), res.Body.Close}
}

// next is the next event; false at the end.
func (l *listener) next() (e struct {
	ID, Status string
	Planned    bool
	Counts     map[string]int64
	Rate       *float64
}, ok bool,
) {
	l.t.Helper()
	name := ""
	for l.lines.Scan() {
		line := l.lines.Text()
		if rest, is := strings.CutPrefix(line, "event: "); is {
			name = rest
		}
		if rest, is := strings.CutPrefix(line, "data: "); is {
			if err := json.Unmarshal([]byte(rest), &e); err != nil || name != "counts" {
				l.t.Fatalf("%q %q: %v", name, rest, err)
			}
			return e, true
		}
	}
	return e, false
}

func TestEvents_TellHowFarACampaignIsAndThatItHasEnded(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	s := h.furnish()
	l := h.listen(t, s.campaign)
	if e, ok := l.next(); !ok || e.Status != "draft" || e.ID != s.campaign || e.Rate == nil || e.Counts["recipients"] != 0 {
		t.Fatalf("%+v %v", e, ok)
	}
	h.must("POST", s.path("/campaigns/CAMPAIGN/launch"), "")
	for range 3 { // they keep coming while it sends
		if e, ok := l.next(); !ok || e.Status != "sending" {
			t.Fatalf("%+v %v", e, ok)
		}
	}
	h.must("POST", s.path("/campaigns/CAMPAIGN/cancel"), "")
	last := ""
	for e, ok := l.next(); ok; e, ok = l.next() {
		last = e.Status
	}
	if last != "cancelled" {
		t.Errorf("the last event said %q", last)
	}
}

func TestEvents_OfAnEndedCampaignAreOne(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	s := h.furnish()
	h.must("POST", s.path("/campaigns/CAMPAIGN/cancel"), "")
	l := h.listen(t, s.campaign)
	if e, ok := l.next(); !ok || e.Status != "cancelled" {
		t.Errorf("%+v %v", e, ok)
	}
	if e, ok := l.next(); ok {
		t.Errorf("one more: %+v", e)
	}
}

func TestEvents_AreNotSentToHEAD(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	a := h.do("HEAD", h.furnish().path("/campaigns/CAMPAIGN/events"), "")
	if a.status != 200 || a.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%d %v", a.status, a.header)
	}
}
