package main

import (
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"facteur/internal/rig"
	"facteur/sending/sandbox"
)

// Killed again and again while it sends, it never begins more than a day's
// cap, and uses it up but for what is kept for letters.
func TestWarmup_KilledAgainAndAgainKeepsTheDaysCap(t *testing.T) {
	dir := t.TempDir()
	binary, err := rig.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	p, err := rig.New(binary, dir+"/data", []string{"FACTEUR_RETRY_FIRST=1s", "FACTEUR_RETRY_MOST=2s"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	box, err := sandbox.Start(sandbox.Options{Latency: 5 * time.Millisecond, PlainNames: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	host, text, _ := net.SplitHostPort(box.Addr())
	port, _ := strconv.Atoi(text)
	api := p.API()
	call := func(method, path string, body, answer any) {
		t.Helper()
		if err := api.Call(t.Context(), method, path, body, answer); err != nil {
			t.Fatal(err)
		}
	}
	setup, err := api.SetUp(t.Context(), host, port, 5)
	if err != nil {
		t.Fatal(err)
	}
	const daily, most = 1500, 1500 - 1500/20
	call(http.MethodPut, "/warmups/news.example.com", map[string]any{"warmup": "own", "ramp": []int{daily}}, nil)
	call(http.MethodPut, "/throttles/all", map[string]any{"per_second": 400}, nil)
	if _, err := api.ImportCSV(t.Context(), setup.List, rig.CSVAt(6000, "gmail.com", "yahoo.com")); err != nil {
		t.Fatal(err)
	}
	if _, err := api.Launch(t.Context(), setup, "<p>Hello</p>", ""); err != nil {
		t.Fatal(err)
	}
	kills := int64(0)
	var w struct {
		Providers []struct {
			Provider       string
			Cap, Used      int64
			Reserved, Left int64
		}
	}
	eventually(t, "the day's caps are used", func() bool {
		if kills < 6 && box.Count().Distinct > 300*(kills+1) {
			kills++
			if err := p.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := p.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		call(http.MethodGet, "/warmups/news.example.com", nil, &w)
		return w.Providers[0].Used >= most && w.Providers[1].Used >= most
	})
	time.Sleep(time.Second) // what is under way ends
	call(http.MethodGet, "/warmups/news.example.com", nil, &w)
	for _, l := range w.Providers[:2] {
		if l.Cap != daily || l.Used > most {
			t.Errorf("%+v", l)
		}
	}
	arrived := map[string]int64{}
	box.Deliveries(func(d sandbox.Delivery) bool {
		arrived[d.Recipient[len(d.Recipient)-len("gmail.com"):]] += int64(d.Count)
		return true
	})
	for domain, n := range arrived {
		if n > daily {
			t.Errorf("%d mails arrived at %s on a day with a cap of %d", n, domain, daily)
		}
	}
	if kills != 6 {
		t.Errorf("killed %d times", kills)
	}
}
