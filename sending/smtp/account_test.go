package smtp_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"facteur/sending/sandbox"
	"facteur/sending/smtp"
)

// books counts what a pool told about its mails.
type books struct {
	mu       sync.Mutex
	accepted map[string]bool
	refused  int
	doubted  int
	returned int
	downs    int
}

func (b *books) turn(ended []smtp.Ended, _ smtp.Mail) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range ended {
		m := e.Mail.(*letter)
		m.ends.Add(1)
		switch {
		case e.Accepted():
			b.accepted[m.name] = true
		case e.Err != nil:
			b.doubted++
		default:
			b.refused++
		}
	}
	return true
}

// sendAll sends mails by several senders at once until each has ended.
func (b *books) sendAll(t *testing.T, pool *smtp.Pool, mails []*letter) {
	t.Helper()
	queue := make(chan *letter, len(mails))
	for _, m := range mails {
		queue <- m
	}
	close(queue)
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for m := range queue {
				m.back = func(why error) {
					b.mu.Lock()
					defer b.mu.Unlock()
					b.returned++
					if !errors.Is(why, smtp.ErrLost) {
						t.Errorf("%s returned: %v", m.name, why)
					}
				}
				if err := pool.Send(t.Context(), m, false); err != nil {
					t.Errorf("send %s: %v", m.name, err)
				}
			}
		})
	}
	senders.Wait()
	pool.Close(context.Background())
	for _, m := range mails {
		if n := m.ends.Load(); n != 1 {
			t.Errorf("%s ended %d times", m.name, n)
		}
	}
}

func newBooks() *books { return &books{accepted: map[string]bool{}} }

func (b *books) pool(server smtp.Server, most int) *smtp.Pool {
	return smtp.NewPool(smtp.Options{Server: server, MaxConnections: most, Turn: b.turn, Down: func(smtp.Result) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.downs++
	}})
}

// TestPool_AccountsForEveryMail sends through a relay that misbehaves in
// every way: each mail ends once, what the relay took was either told so or is
// in doubt, and the relay saw not one mistake of ours.
func TestPool_AccountsForEveryMail(t *testing.T) {
	rules := []sandbox.Rule{
		{Fraction: 0.1, Action: "unknown", Seed: 1},
		{Fraction: 0.02, Action: "busy", Seed: 2},
		{Fraction: 0.05, Action: "content", Seed: 3},
		{Fraction: 0.02, Action: "rate", Seed: 4},
		{Fraction: 0.02, Action: "drop-after-body", Seed: 5},
		{Fraction: 0.02, Action: "swallow", Seed: 6},
	}
	for name, o := range map[string]sandbox.Options{
		"calm":                    {},
		"pipelined":               {Rules: rules},
		"DATA without recipients": {Rules: rules, DataWithoutRecipients: true},
		"stepwise":                {Rules: rules, NoPipelining: true},
		"few messages each":       {MaxMessages: 7},
		"fewer connections":       {MaxConnections: 2},
	} {
		t.Run(name, func(t *testing.T) {
			box := relay(t, o)
			b := newBooks()
			mails := make([]*letter, 500)
			for i := range mails {
				mails[i] = &letter{name: fmt.Sprintf("p%d", i)}
			}
			b.sendAll(t, b.pool(serverOf(t, box, smtp.Server{}), 4), mails)
			noGoroutines(t)
			count := box.Count()
			if count.Mistakes != 0 || count.Duplicates != 0 {
				t.Errorf("the relay saw %d mistakes and %d duplicates", count.Mistakes, count.Duplicates)
			}
			if got := len(b.accepted); int64(got) != count.Accepted-count.Unanswered {
				t.Errorf("%d told as accepted, the relay took %d and withheld %d answers", got, count.Accepted, count.Unanswered)
			}
			if int64(b.doubted) != count.Unanswered+count.Lost {
				t.Errorf("%d doubts, the relay withheld %d answers and lost %d", b.doubted, count.Unanswered, count.Lost)
			}
			if sum := len(b.accepted) + b.refused + b.doubted + b.returned; sum != len(mails) || b.downs != 0 {
				t.Errorf("%d of %d accounted for, %d times down", sum, len(mails), b.downs)
			}
			// Where connections end early, the relay counts some that it has not yet seen closed.
			if name == "calm" && (count.MaxOpen > 4 || len(b.accepted) != len(mails)) {
				t.Errorf("%d accepted on %d connections at once, want all on at most 4", len(b.accepted), count.MaxOpen)
			}
		})
	}
}

func TestPool_FindsTheRelayByItsOwnLookup(t *testing.T) {
	box := relay(t, sandbox.Options{})
	server := serverOf(t, box, smtp.Server{})
	server.Host = "relay.invalid"
	server.Lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
		if host != "relay.invalid" {
			t.Errorf("asked for %q", host)
		}
		return []netip.Addr{netip.MustParseAddr("127.255.255.254"), netip.MustParseAddr("127.0.0.1")}, nil
	}
	if res, down := try(t, server); down || !res.Accepted() {
		t.Errorf("down %v with %+v, want accepted at the second address", down, res)
	}
	for name, lookup := range map[string]func(context.Context, string) ([]netip.Addr, error){
		"error":      func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no such name") },
		"no address": func(context.Context, string) ([]netip.Addr, error) { return nil, nil },
	} {
		server.Lookup = lookup
		if res, down := try(t, server); !down || res.Stage != smtp.Connect || res.Err == nil {
			t.Errorf("%s: down %v with %+v", name, down, res)
		}
	}
}
