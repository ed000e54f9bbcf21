package call_test

import (
	"context"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"facteur/web/call"
)

func TestAddress_BelievesOnlyOurProxies(t *testing.T) {
	o := call.Origin{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}}
	for _, c := range []struct{ peer, forwarded, want string }{
		{"203.0.113.9:1", "", "203.0.113.9"},
		{"203.0.113.9:1", "198.51.100.1", "203.0.113.9"},
		{"10.1.1.1:1", "", "10.1.1.1"},
		{"10.1.1.1:1", "198.51.100.1", "198.51.100.1"},
		{"10.1.1.1:1", "6.6.6.6, 198.51.100.1", "198.51.100.1"},
		{"10.1.1.1:1", "198.51.100.1, 10.2.2.2", "198.51.100.1"},
		{"10.1.1.1:1", "nonsense", "10.1.1.1"},
		{"[::1]:1", "::ffff:198.51.100.1", "198.51.100.1"},
		{"[2001:db8:1:2:3:4:5:6]:1", "", "2001:db8:1:2::"},
		{"[::ffff:203.0.113.9]:1", "", "203.0.113.9"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{}}
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := o.Address(r); got != netip.MustParseAddr(c.want) {
			t.Errorf("%s by %q: %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
	if got := o.Address(&http.Request{RemoteAddr: "@"}); got.IsValid() {
		t.Error(got)
	}
}

func TestLimiter_GivesABurstAndThenTheRate(t *testing.T) {
	now := time.Unix(1000, 0)
	l := call.NewLimiter(call.Rate{PerSecond: 2, Burst: 3}, func() time.Time { return now })
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for range 3 {
		if _, ok := l.Take(a); !ok {
			t.Fatal("refused within the burst")
		}
	}
	if wait, ok := l.Take(a); ok || wait != 500*time.Millisecond {
		t.Error(wait, ok)
	}
	if _, ok := l.Take(b); !ok {
		t.Error("one address is held for another's")
	}
	now = now.Add(500 * time.Millisecond)
	if _, ok := l.Look(a); !ok {
		t.Error("refused after the wait")
	}
	if _, ok := l.Take(a); !ok {
		t.Error("looking used it up")
	}
	now = now.Add(-time.Hour) // a clock that steps back takes nothing and gives nothing
	if _, ok := l.Take(a); ok {
		t.Error("given by a clock that stepped back")
	}
}

func TestLimiter_WithoutARateLetsEverythingPass(t *testing.T) {
	l := call.NewLimiter(call.Rate{}, time.Now)
	for range 1000 {
		if _, ok := l.Take(netip.Addr{}); !ok {
			t.Fatal("refused")
		}
	}
}

func TestLimiter_KeepsItsMemoryBounded(t *testing.T) {
	now := time.Unix(1000, 0)
	l := call.NewLimiter(call.Rate{PerSecond: 1, Burst: 1}, func() time.Time { return now })
	address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	refused := 0
	for i := range 100_100 {
		if _, ok := l.Take(address(i)); !ok {
			refused++
		}
	}
	if refused != 99 { // those beyond share a bucket of one
		t.Errorf("%d refused", refused)
	}
	now = now.Add(time.Hour)
	if _, ok := l.Take(address(200_000)); !ok {
		t.Error("the quiet ones were not forgotten")
	}
}

func TestCall_IsFoundInItsContext(t *testing.T) {
	ctx, c := call.With(context.Background())
	call.Of(ctx).Route = "GET /x"
	if c.Route != "GET /x" || len(c.ID) < 10 {
		t.Errorf("%+v", c)
	}
	if _, d := call.With(ctx); d.ID == c.ID {
		t.Error("two calls with one id")
	}
	call.Of(context.Background()).Route = "nobody reads this"
	if call.Ending(context.Background()) != nil {
		t.Error("an end that nobody announced")
	}
}
