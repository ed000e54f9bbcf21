package throttle_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/throttle"

	"golang.org/x/net/dns/dnsmessage"
)

// dns answers MX questions on loopback and counts them by domain: for a domain
// that it does not know it fails.
type dns struct {
	mu    sync.Mutex
	hosts map[string]string
	asked map[string]int
}

func (d *dns) set(domain, host string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hosts[domain] = host
}

func (d *dns) forget(domain string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.hosts, domain)
}

func (d *dns) count(domain string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked[domain]
}

// answer makes the answer to a question of net.Resolver.
func (d *dns) answer(m *dnsmessage.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := m.Questions[0]
	domain := strings.TrimSuffix(q.Name.String(), ".")
	d.asked[domain]++
	m.Response, m.RCode = true, dnsmessage.RCodeServerFailure
	if host, ok := d.hosts[domain]; ok {
		m.RCode = dnsmessage.RCodeSuccess
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: dnsmessage.TypeMX, Class: dnsmessage.ClassINET, TTL: 60},
			Body:   &dnsmessage.MXResource{Pref: 10, MX: dnsmessage.MustNewName(host + ".")},
		}}
	}
}

func (d *dns) resolver(t *testing.T) *address.Resolver {
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
			d.answer(&m)
			if reply, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(reply, peer)
			}
		}
	}()
	r, err := address.NewResolver(address.ResolverOptions{Server: conn.LocalAddr().String(), Timeout: 2 * time.Second, TTL: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// learner is a store with domains to learn, a resolver, and one go of the duty.
type learner struct {
	*throttle.Store
	t   *testing.T
	db  *database.DB
	dns *dns
	r   *address.Resolver
}

func newLearner(t *testing.T, db *database.DB, s *throttle.Store, domains ...string) *learner {
	t.Helper()
	d := &dns{hosts: map[string]string{}, asked: map[string]int{}}
	l := &learner{s, t, db, d, d.resolver(t)}
	l.note(domains...)
	return l
}

// note writes domains down as a planner does.
func (l *learner) note(domains ...string) map[string]string {
	l.t.Helper()
	var known map[string]string
	err := write(l.t, l.db, func(ctx context.Context, tx *database.Tx) (err error) {
		known, err = l.ProvidersOf(ctx, tx, domains)
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return known
}

func (l *learner) learn(own bool) {
	l.t.Helper()
	err := l.Learn(l.t.Context(), l.r, own, func(ctx context.Context, change func(*database.Tx) error) error { return l.db.Write(ctx, change) })
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *learner) is(domain, want string) {
	l.t.Helper()
	known, err := l.Known(l.t.Context(), []string{domain})
	if err != nil || known[domain] != want {
		l.t.Errorf("%s is %s, %v, want %s", domain, known[domain], err, want)
	}
}

func TestLearn_KeepsAnswersForDaysAndAsksFailuresAgainEverMoreSeldom(t *testing.T) {
	eachAt(t, func(t *testing.T, db *database.DB, now *time.Time) {
		l := newLearner(t, db, throttle.NewStore(db), "acme.fr", "away.fr", "village.fr")
		l.dns.set("acme.fr", "aspmx.l.google.com")
		l.dns.set("village.fr", "mx.village.fr")
		l.learn(false)
		l.is("acme.fr", "google")
		l.is("village.fr", throttle.Other)
		l.is("away.fr", throttle.Other)
		failures := l.dns.count("away.fr") // net.Resolver repeats a question
		if failures == 0 {
			t.Fatal("DNS was not asked")
		}
		for i, wait := range []time.Duration{10 * time.Minute, 20 * time.Minute, 40 * time.Minute} {
			*now = now.Add(wait - time.Second)
			l.learn(false)
			if got := l.dns.count("away.fr"); got != failures {
				t.Errorf("failure %d: asked again before %s", i+1, wait)
			}
			*now = now.Add(time.Second)
			l.learn(false)
			if got := l.dns.count("away.fr"); got == failures {
				t.Errorf("failure %d: not asked again after %s", i+1, wait)
			}
			failures = l.dns.count("away.fr")
		}
		if l.dns.count("acme.fr") != 1 || l.dns.count("village.fr") != 1 {
			t.Errorf("what is known was asked %d and %d times", l.dns.count("acme.fr"), l.dns.count("village.fr"))
		}
		// DNS falls silent: what is known stays until it answers.
		*now = now.Add(8 * 24 * time.Hour)
		l.dns.forget("acme.fr")
		l.learn(false)
		l.is("acme.fr", "google")
		*now = now.Add(10 * time.Minute)
		l.dns.set("acme.fr", "acme-fr.mail.protection.outlook.com")
		l.learn(false)
		l.is("acme.fr", "microsoft")
	})
}

func TestLearn_AsksNobodyAboutReservedNamesNorWhatTheFileNames(t *testing.T) {
	eachAt(t, func(t *testing.T, db *database.DB, now *time.Time) {
		l := newLearner(t, db, throttle.NewStore(db), "acme.example", "www.example.com", "example.com", "myexample.com", "bluewin.ch")
		p, err := throttle.ParseProviders("", "bluewin bluewin.ch\n")
		if err != nil {
			t.Fatal(err)
		}
		l.Store = l.Knowing(p)
		l.learn(false)
		for domain, want := range map[string]bool{"acme.example": false, "www.example.com": false, "example.com": false, "bluewin.ch": false, "myexample.com": true} {
			if got := l.dns.count(domain) > 0; got != want {
				t.Errorf("%s: asked %v, want %v", domain, got, want)
			}
		}
		// A resolver of the operator's own may know them.
		*now = now.Add(8 * 24 * time.Hour)
		l.learn(true)
		if l.dns.count("acme.example") == 0 || l.dns.count("bluewin.ch") != 0 {
			t.Errorf("by one's own resolver: %d and %d questions", l.dns.count("acme.example"), l.dns.count("bluewin.ch"))
		}
	})
}

// Whose an exchanger is, the data file says: a provider that an operator adds
// has its domains at once.
func TestKnown_FollowsTheDataFile(t *testing.T) {
	eachAt(t, func(t *testing.T, db *database.DB, _ *time.Time) {
		l := newLearner(t, db, throttle.NewStore(db), "acme.ch")
		l.dns.set("acme.ch", "mx4.bluewin.ch")
		l.learn(false)
		l.is("acme.ch", throttle.Other)
		p, err := throttle.ParseProviders("", "bluewin mx:.bluewin.ch\n")
		if err != nil {
			t.Fatal(err)
		}
		l.Store = l.Knowing(p)
		l.is("acme.ch", "bluewin")
	})
}

// A page that was rolled back is planned again, and its domains must still be
// written down.
func TestProvidersOf_RemembersNothingOfARollback(t *testing.T) {
	eachAt(t, func(t *testing.T, db *database.DB, _ *time.Time) {
		l := newLearner(t, db, throttle.NewStore(db))
		undo := errors.New("undo")
		err := write(t, db, func(ctx context.Context, tx *database.Tx) error {
			if _, err := l.ProvidersOf(ctx, tx, []string{"acme.fr"}); err != nil {
				return err
			}
			return undo
		})
		if !errors.Is(err, undo) {
			t.Fatal(err)
		}
		l.note("acme.fr")
		l.dns.set("acme.fr", "aspmx.l.google.com")
		l.learn(false)
		l.is("acme.fr", "google")
	})
}
