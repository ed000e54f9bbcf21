package worker_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending"
	"facteur/sending/sandbox"
	"facteur/sending/smtp"
)

// senderOver makes a sender over relays to the sandboxes with these weights.
func (e *engine) senderOver(weights map[*sandbox.Server]int, connections int) (senderID int64, relays map[*sandbox.Server]int64) {
	e.t.Helper()
	relays = map[*sandbox.Server]int64{}
	e.write(func(ctx context.Context, tx *database.Tx) error {
		if _, err := e.senders.CreateDomain(ctx, tx, sending.Domain{Name: "news.example.com", Warmup: "none"}); err != nil {
			return err
		}
		var ids []int64
		for s, weight := range weights {
			host, port, _ := net.SplitHostPort(s.Addr())
			n, _ := strconv.Atoi(port)
			r, err := e.senders.CreateRelay(ctx, tx, sending.Relay{Name: s.Addr(), Host: host, Port: n, Security: smtp.None, MaxConnections: connections, Weight: weight}, nil)
			if err != nil {
				return err
			}
			relays[s] = r.ID
			ids = append(ids, r.ID)
		}
		v, err := e.senders.CreateSender(ctx, tx, sending.Sender{FromEmail: "hello@news.example.com", PostalAddress: "1 rue de la Poste", RelayIDs: ids})
		senderID = v.ID
		return err
	})
	return senderID, relays
}

func TestWorker_RelaysShareByWeight(t *testing.T) {
	large, small := box(t, sandbox.Options{}), box(t, sandbox.Options{})
	e := start(t, databasetest.New(t))
	from, _ := e.senderOver(map[*sandbox.Server]int{large: 3, small: 1}, 4)
	n := e.sent(e.launch(from, e.list("all", addresses("person", 4000)...)), 60*time.Second)
	if n.Sent != 4000 {
		t.Errorf("counts %+v", n)
	}
	if got := large.Count().Distinct; got < 2800 || got > 3200 || got+small.Count().Distinct != 4000 {
		t.Errorf("the relay of weight 3 got %d of 4000", got)
	}
	for name, s := range map[string]*sandbox.Server{"large": large, "small": small} {
		if c := s.Count(); c.MaxOpen > 4 {
			t.Errorf("%s had %d connections at once, may have 4", name, c.MaxOpen)
		}
	}
}

// One relay of two dies in the middle: the other takes its share, and gives
// it back when the first has recovered.
func TestWorker_AnotherRelayTakesOverAndTheFirstComesBack(t *testing.T) {
	t.Parallel()
	first, second := box(t, sandbox.Options{Latency: 15 * time.Millisecond}), box(t, sandbox.Options{Latency: 15 * time.Millisecond})
	e := start(t, databasetest.New(t))
	const connections = 5
	from, relays := e.senderOver(map[*sandbox.Server]int{first: 1, second: 1}, connections)
	id := e.launch(from, e.list("all", addresses("person", 8000)...))
	until := func(s *sandbox.Server, n int64) {
		t.Helper()
		e.await(id, 40*time.Second, func(campaign.Campaign, campaign.Counts) bool { return s.Count().Distinct >= n })
	}
	until(first, 200)
	first.Suspend()
	before := second.Count().Distinct
	until(second, before+500) // goes on alone
	if err := first.Resume(); err != nil {
		t.Fatal(err)
	}
	back := first.Count().Distinct
	until(first, back+200) // has its share again
	n := e.sent(id, 90*time.Second)
	if n.Sent != 8000 || n.Failed != 0 || n.Doubted > connections {
		t.Errorf("counts %+v", n)
	}
	a, b := first.Count(), second.Count()
	if a.Distinct+b.Distinct-8000 > connections || a.Duplicates+b.Duplicates > connections {
		t.Errorf("%d and %d mails for 8000 people; %d and %d twice", a.Distinct, b.Distinct, a.Duplicates, b.Duplicates)
	}
	r, err := e.senders.Relay(context.Background(), relays[first])
	if err != nil || r.State != sending.Healthy {
		t.Errorf("the relay that came back: %+v, %v", r, err)
	}
}

// A relay that was set up wrongly is mended while a campaign waits for it.
func TestWorker_UsesAMendedRelayAtOnce(t *testing.T) {
	wrong, right := box(t, sandbox.Options{Rules: []sandbox.Rule{{Fraction: 1, Action: "sender-blocked"}}}), box(t, sandbox.Options{})
	e := start(t, databasetest.New(t))
	from, relays := e.senderOver(map[*sandbox.Server]int{wrong: 1}, 3)
	id := e.launch(from, e.list("all", addresses("person", 50)...))
	e.await(id, 20*time.Second, func(campaign.Campaign, campaign.Counts) bool {
		r, err := e.senders.Relay(context.Background(), relays[wrong])
		return err == nil && r.State == sending.Resting
	})
	host, port, _ := net.SplitHostPort(right.Addr())
	n, _ := strconv.Atoi(port)
	e.write(func(ctx context.Context, tx *database.Tx) error {
		_, err := e.senders.MendRelay(ctx, tx, relays[wrong], sending.Relay{Host: host, Port: n, Security: smtp.None, MaxConnections: 3}, nil, nil)
		return err
	})
	e.scheduler.Nudge()
	if counts := e.sent(id, 20*time.Second); counts.Sent != 50 || right.Count().Distinct != 50 {
		t.Errorf("counts %+v, the right relay got %d", counts, right.Count().Distinct)
	}
}
