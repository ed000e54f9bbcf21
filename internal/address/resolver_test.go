package address_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"facteur/internal/address"
	"facteur/internal/dnstest"

	"golang.org/x/net/dns/dnsmessage"
)

func mx(preference uint16, host string) dnsmessage.ResourceBody {
	return &dnsmessage.MXResource{Pref: preference, MX: dnsmessage.MustNewName(host)}
}

func example() *zone {
	return &zone{
		records: map[string][]dnsmessage.ResourceBody{
			"MX example.com.":             {mx(20, "Mx2.Example.com."), mx(10, "mx1.example.com.")},
			"MX nomail.example.":          {mx(0, ".")},
			"MX web.example.":             {},
			"A mx1.example.com.":          {&dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}},
			"AAAA mx1.example.com.":       {&dnsmessage.AAAAResource{AAAA: netip.MustParseAddr("2001:db8::1").As16()}},
			"TXT _dmarc.example.com.":     {&dnsmessage.TXTResource{TXT: []string{"v=DMARC1; ", "p=none"}}},
			"PTR 1.2.0.192.in-addr.arpa.": {&dnsmessage.PTRResource{PTR: dnsmessage.MustNewName("Mx1.example.com.")}},
		},
		broken: map[string]bool{"broken.example.": true},
		silent: map[string]bool{"silent.example.": true},
	}
}

func resolver(t *testing.T, z *zone, opt address.ResolverOptions) *address.Resolver {
	t.Helper()
	opt.Server = z.serve(t)
	r, err := address.NewResolver(opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestResolver_AnswersEachKind(t *testing.T) {
	r, ctx := resolver(t, example(), address.ResolverOptions{}), t.Context()

	exchangers, err := r.MX(ctx, "Example.COM.")
	if want := []address.MX{{"mx1.example.com", 10}, {"mx2.example.com", 20}}; err != nil || !reflect.DeepEqual(exchangers, want) {
		t.Errorf("MX: %v, %v", exchangers, err)
	}
	texts, err := r.TXT(ctx, "_dmarc.example.com")
	if want := []string{"v=DMARC1; p=none"}; err != nil || !reflect.DeepEqual(texts, want) {
		t.Errorf("TXT: %q, %v", texts, err)
	}
	ips, err := r.Host(ctx, "mx1.example.com")
	if err != nil || len(ips) != 2 || !ips[0].IsValid() || ips[0].Is4In6() || ips[1].Is4In6() {
		t.Errorf("Host: %v, %v", ips, err)
	}
	names, err := r.PTR(ctx, netip.MustParseAddr("192.0.2.1"))
	if want := []string{"mx1.example.com"}; err != nil || !reflect.DeepEqual(names, want) {
		t.Errorf("PTR: %v, %v", names, err)
	}
}

func TestResolver_TellsNoFromNoAnswer(t *testing.T) {
	r := resolver(t, example(), address.ResolverOptions{Timeout: 100 * time.Millisecond})
	for name, want := range map[string]error{
		"missing.example": address.ErrNoSuchName, // NXDOMAIN
		"web.example":     address.ErrNoSuchName, // the name exists, without MX
		"broken.example":  address.ErrNoAnswer,
		"silent.example":  address.ErrNoAnswer,
		"nomail.example":  address.ErrNullMX,
		"":                address.ErrNoSuchName,
		"not a name":      address.ErrNoSuchName,
	} {
		records, err := r.MX(t.Context(), name)
		if !errors.Is(err, want) || records != nil {
			t.Errorf("MX of %q: %v, %v; want %v", name, records, err, want)
		}
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("MX of %q", name)) {
			t.Errorf("MX of %q: the error does not say what was asked: %v", name, err)
		}
	}
}

func TestResolver_RemembersRecordsLongerThanNoes(t *testing.T) {
	z, now := example(), time.Unix(0, 0)
	r := resolver(t, z, address.ResolverOptions{
		TTL: time.Hour, NegativeTTL: time.Minute,
		Now: func() time.Time { return now },
	})
	ask := func(after time.Duration, wantFound, wantMissing int) {
		t.Helper()
		now = now.Add(after)
		r.MX(t.Context(), "example.com")
		r.MX(t.Context(), "missing.example")
		found, missing := z.questions("MX example.com."), z.questions("MX missing.example.")
		if found != wantFound || missing != wantMissing {
			t.Errorf("after %v: asked %d and %d times, want %d and %d", after, found, missing, wantFound, wantMissing)
		}
	}
	ask(0, 1, 1)
	ask(59*time.Second, 1, 1)
	ask(time.Second, 1, 2)
	ask(58*time.Minute, 1, 3)
	ask(time.Minute, 2, 4)

	r.Forget("EXAMPLE.com.")
	ask(0, 3, 4)
}

func TestResolver_DoesNotRememberNoAnswer(t *testing.T) {
	z := example()
	r := resolver(t, z, address.ResolverOptions{})
	if _, err := r.MX(t.Context(), "broken.example"); !errors.Is(err, address.ErrNoAnswer) {
		t.Fatal(err)
	}
	z.mu.Lock()
	z.broken = nil
	z.records["MX broken.example."] = []dnsmessage.ResourceBody{mx(1, "mended.example.")}
	z.mu.Unlock()
	if got, err := r.MX(t.Context(), "broken.example"); err != nil || got[0].Host != "mended.example" {
		t.Errorf("after the server mended: %v, %v", got, err)
	}
}

func TestResolver_KeepsNoMoreThanItsSize(t *testing.T) {
	z := example()
	r := resolver(t, z, address.ResolverOptions{CacheSize: 2})
	for _, name := range []string{"example.com", "a.example", "example.com", "b.example", "example.com", "a.example"} {
		r.MX(t.Context(), name)
	}
	// b.example pushed out a.example, which was used least; example.com stayed.
	for k, want := range map[string]int{"MX example.com.": 1, "MX a.example.": 2, "MX b.example.": 1} {
		if got := z.questions(k); got != want {
			t.Errorf("%s was asked %d times, want %d", k, got, want)
		}
	}
}

func TestResolver_CallersCannotChangeWhatIsRemembered(t *testing.T) {
	r := resolver(t, example(), address.ResolverOptions{})
	first, _ := r.MX(t.Context(), "example.com")
	first[0].Host = "changed"
	if second, err := r.MX(t.Context(), "example.com"); err != nil || second[0].Host != "mx1.example.com" {
		t.Errorf("%v, %v", second, err)
	}
}

func TestResolver_AsksTheSameQuestionOnce(t *testing.T) {
	z := example()
	z.hold, z.arrived = make(chan struct{}), make(chan string, 100)
	r := resolver(t, z, address.ResolverOptions{})
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			if got, err := r.MX(t.Context(), "example.com"); err != nil || len(got) != 2 {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	<-z.arrived
	close(z.hold)
	callers.Wait()
	if n := z.questions("MX example.com."); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestResolver_BoundsQuestionsUnderWay(t *testing.T) {
	z := example()
	z.hold, z.arrived = make(chan struct{}), make(chan string, 100)
	r := resolver(t, z, address.ResolverOptions{Concurrency: 2})
	var callers sync.WaitGroup
	for i := range 6 {
		callers.Go(func() { r.MX(t.Context(), fmt.Sprintf("n%d.example", i)) })
	}
	for answered := range 6 {
		if answered == 0 {
			<-z.arrived
		}
		if answered < 5 {
			<-z.arrived // the next one comes at once, a third never before a reply
		}
		if len(z.arrived) != 0 {
			t.Errorf("more than 2 questions under way after %d replies", answered)
		}
		z.hold <- struct{}{}
	}
	callers.Wait()
}

func TestResolver_LetsACallerLeave(t *testing.T) {
	z := example()
	z.hold, z.arrived = make(chan struct{}), make(chan string, 100)
	r := resolver(t, z, address.ResolverOptions{})

	impatient, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { _, err := r.MX(impatient, "example.com"); left <- err }()
	<-z.arrived
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) || !errors.Is(err, address.ErrNoAnswer) {
		t.Errorf("who left got %v", err)
	}
	stayed := make(chan error)
	go func() { _, err := r.MX(t.Context(), "example.com"); stayed <- err }()
	close(z.hold)
	if err := <-stayed; err != nil {
		t.Errorf("who stayed got %v", err)
	}
	if n := z.questions("MX example.com."); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestNewResolver_RefusesAServerWithoutPort(t *testing.T) {
	_, err := address.NewResolver(address.ResolverOptions{Server: "127.0.0.1"})
	if err == nil || !strings.Contains(err.Error(), "host:port") {
		t.Errorf("got %v", err)
	}
}

func TestResolver_HostIsMissingOnlyIfBothKindsAre(t *testing.T) {
	server := dnstest.Serve(t, `four.example. IN A 192.0.2.1
alias.example. IN CNAME end.example.
end.example. IN A 192.0.2.2
`, map[string]dnstest.Fault{"AAAA four.example.": dnstest.Broken, "AAAA half.example.": dnstest.Broken, "A flah.example.": dnstest.Refused})
	r, err := address.NewResolver(address.ResolverOptions{Server: server.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	if ips, err := r.Host(t.Context(), "four.example"); err != nil || len(ips) != 1 {
		t.Errorf("one kind is there, the other fails: %v, %v", ips, err)
	}
	for _, name := range []string{"half.example", "flah.example"} {
		if _, err := r.Host(t.Context(), name); !errors.Is(err, address.ErrNoAnswer) {
			t.Errorf("%s: one kind is missing, the other fails: %v", name, err)
		}
	}
	if _, err := r.Host(t.Context(), "none.example"); !errors.Is(err, address.ErrNoSuchName) {
		t.Errorf("both are missing: %v", err)
	}
	if ips, err := r.IPv4(t.Context(), "end.example"); err != nil || len(ips) != 1 || server.Asked("AAAA end.example.") != 0 {
		t.Errorf("IPv4: %v, %v, AAAA asked %d times", ips, err, server.Asked("AAAA end.example."))
	}
	for name, want := range map[string]string{"alias.example": "end.example", "end.example": "end.example"} {
		if got, err := r.Alias(t.Context(), name); got != want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// A long answer comes by TCP; a server that is slow over UDP is asked again in time.
func TestResolver_GoesOverToTCPAndTriesAgain(t *testing.T) {
	long := strings.Repeat("k", 250)
	server := dnstest.Serve(t, fmt.Sprintf("long.example. IN TXT %q %q %q %q %q %q\n", long, long, long, long, long, long),
		map[string]dnstest.Fault{"cut.example.": dnstest.Deaf, "silent.example.": dnstest.Silent})
	r, err := address.NewResolver(address.ResolverOptions{Server: server.Addr(), Timeout: 2 * time.Second, Try: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if texts, err := r.TXT(t.Context(), "long.example"); err != nil || len(texts) != 1 || len(texts[0]) != 1500 || server.Asked("TXT long.example.") != 2 {
		t.Errorf("%d texts, %v, asked %d times", len(texts), err, server.Asked("TXT long.example."))
	}
	if _, err := r.TXT(t.Context(), "cut.example"); !errors.Is(err, address.ErrNoAnswer) {
		t.Errorf("cut and no TCP: %v", err)
	}
	if _, err := r.TXT(t.Context(), "silent.example"); !errors.Is(err, address.ErrNoAnswer) || server.Asked("TXT silent.example.") < 2 {
		t.Errorf("silent: %v, asked %d times", err, server.Asked("TXT silent.example."))
	}
}
