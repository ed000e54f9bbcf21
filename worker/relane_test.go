package worker_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending/sandbox"
	"facteur/throttle"

	"golang.org/x/net/dns/dnsmessage"
)

// exchangers answers MX questions on loopback: hosts by domain; for the rest
// it fails.
func exchangers(t *testing.T, hosts map[string]string) *address.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, peer, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.RCode = true, dnsmessage.RCodeServerFailure
			q := m.Questions[0]
			if host, ok := hosts[strings.TrimSuffix(q.Name.String(), ".")]; ok {
				m.RCode = dnsmessage.RCodeSuccess
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: dnsmessage.TypeMX, Class: dnsmessage.ClassINET, TTL: 60},
					Body:   &dnsmessage.MXResource{Pref: 10, MX: dnsmessage.MustNewName(host + ".")},
				}}
			}
			if reply, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(reply, peer)
			}
		}
	}()
	r, err := address.NewResolver(address.ResolverOptions{Server: conn.LocalAddr().String(), Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// books are a campaign's books by provider, without what is 0, and by its rows.
func books(t *testing.T, db *database.DB, id int64) (kept, counted map[string]int64) {
	t.Helper()
	read := func(query string) map[string]int64 {
		t.Helper()
		var rows []struct {
			Provider string `db:"provider"`
			Status   string `db:"status"`
			N        int64  `db:"n"`
		}
		if err := db.Select(context.Background(), &rows, query, id); err != nil {
			t.Fatal(err)
		}
		of := map[string]int64{}
		for _, r := range rows {
			if r.N != 0 {
				of[r.Provider+" "+r.Status] = r.N
			}
		}
		return of
	}
	kept = read(`SELECT provider, status, SUM(n) AS n FROM campaign_counts WHERE campaign_id = ? GROUP BY provider, status`)
	counted = read(`SELECT l.provider, d.status, COUNT(*) AS n FROM deliveries d JOIN lanes l ON l.id = d.lane WHERE d.campaign_id = ? GROUP BY l.provider, d.status`)
	return kept, counted
}

// Whoever belongs to Google's lane does not wait for what the lane of the
// unknown may send, which may take days.
func TestRelane_DoesNotWaitForTheLaneOfTheUnknown(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := box(t, sandbox.Options{})
		e := start(t, db)
		var emails []string
		for i := range 600 {
			emails = append(emails, fmt.Sprintf("person%d@acme.example", i), fmt.Sprintf("person%d@village.example", i))
		}
		e.limit("lane:news.example.com/other", throttle.Limit{PerDay: 20})
		id := e.launch(e.sender(s, 5), e.list("all", emails...))
		e.await(id, 60*time.Second, func(c campaign.Campaign, n campaign.Counts) bool { return c.Planned && n.Sent == 20 && n.Sending == 0 })
		r := exchangers(t, map[string]string{"acme.example": "aspmx.l.google.com", "village.example": "mx.village.example"})
		write := func(ctx context.Context, change func(*database.Tx) error) error { return db.Write(ctx, change) }
		if err := e.pace.Learn(context.Background(), r, true, write); err != nil {
			t.Fatal(err)
		}
		if err := e.scheduler.Relane(context.Background(), write); err != nil {
			t.Fatal(err)
		}
		e.scheduler.Nudge()
		e.await(id, 60*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool { return n.Sent >= 600 && n.Sending == 0 })
		kept, counted := books(t, db, id)
		if !maps.Equal(kept, counted) || kept["google queued"] != 0 || kept["google sent"]+kept["other sent"]+kept["other queued"] != 1200 {
			t.Errorf("books %v, rows %v", kept, counted)
		}
		if kept["other queued"] < 580 || kept["google sent"] < 580 {
			t.Errorf("books %v: want google's people sent and the others waiting", kept)
		}
	})
}

// A company whose mail exchanger is Google's is Google, even if that is
// learned only after its people were planned.
func TestRelane_WhoseProviderIsLearnedLateGoesToItsLane(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := box(t, sandbox.Options{})
		e := start(t, db)
		var emails []string
		for i := range 200 {
			emails = append(emails, fmt.Sprintf("person%d@acme.example", i), fmt.Sprintf("person%d@village.example", i), fmt.Sprintf("person%d@away.example", i))
		}
		e.limit("all", throttle.Limit{PerSecond: 100})
		id := e.launch(e.sender(s, 5), e.list("all", emails...))
		e.await(id, 30*time.Second, func(c campaign.Campaign, n campaign.Counts) bool { return c.Planned && n.Sent > 0 })
		r := exchangers(t, map[string]string{"acme.example": "aspmx.l.google.com", "village.example": "mx.village.example"})
		write := func(ctx context.Context, change func(*database.Tx) error) error { return db.Write(ctx, change) }
		if err := e.pace.Learn(context.Background(), r, true, write); err != nil {
			t.Fatal(err)
		}
		known, err := e.pace.Known(context.Background(), []string{"acme.example", "village.example", "away.example"})
		if err != nil || known["acme.example"] != "google" || known["village.example"] != throttle.Other || known["away.example"] != throttle.Other {
			t.Fatalf("learned %v, %v", known, err)
		}
		e.sent(id, 60*time.Second)
		lanes, err := e.pace.LanesOf(context.Background(), "news.example.com")
		if err != nil || len(lanes) != 2 {
			t.Fatalf("lanes %v, %v", lanes, err)
		}
		if kept, counted := books(t, db, id); !maps.Equal(kept, counted) {
			t.Errorf("books %v, rows %v", kept, counted)
		}
		day := throttle.Day(db.Now())
		rates, err := e.pace.Rates(context.Background(), throttle.RateFilter{From: day - 1, To: day + 1, CampaignID: id}, "provider")
		if err != nil || len(rates) != 2 || rates[0].Provider != "google" || rates[0].Accepted < 50 || rates[0].Accepted+rates[1].Accepted != 600 {
			t.Errorf("rates %+v, %v", rates, err)
		}
		// What DNS did not answer is asked again, not at once.
		if err := e.pace.Learn(context.Background(), r, true, write); err != nil {
			t.Fatal(err)
		}
	})
}
