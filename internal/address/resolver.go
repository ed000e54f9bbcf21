package address

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"
)

// What a question to DNS may come back with instead of records.
var (
	// ErrNoSuchName is a sure no: DNS answered that there is no such name, or none
	// with this kind of record; net.Resolver does not tell the two apart.
	ErrNoSuchName = errors.New("no such name")
	// ErrNoAnswer means that nothing was learned: time ran out, the server refused
	// or failed. Ask again later and conclude nothing.
	ErrNoAnswer = errors.New("no answer from DNS")
	// ErrNullMX is the domain's own word that it takes no mail (RFC 7505).
	ErrNullMX = errors.New("the domain takes no mail (null MX)")
)

// ResolverOptions are the bounds of a [Resolver]; a zero field takes its default.
type ResolverOptions struct {
	Server string // host:port that gets every question; "" is the system's choice

	Timeout     time.Duration // for one question with its repetitions: 10 s
	Try         time.Duration // for one of them, after which the next or another server is tried: the system's choice, mostly 5 s
	Concurrency int           // questions under way at once: 64

	CacheSize   int           // answers kept, the least used leaves first: 10 000
	TTL         time.Duration // how long records are kept: 10 min
	NegativeTTL time.Duration // how long "no such name" is kept: 1 min

	Now func() time.Time // time.Now
}

// Resolver asks DNS, never the same question twice at once, and remembers the
// answers. net.Resolver hides the records' own TTL, so an answer is kept for the
// fixed times of the options; [Resolver.Forget] serves those who need a fresh one.
// ErrNoAnswer is not kept. It is safe for concurrent use.
type Resolver struct {
	dns     *net.Resolver
	opt     ResolverOptions
	slots   chan struct{}
	flights singleflight.Group
	cache   *cache
}

// MX is one mail exchanger of a domain.
type MX struct {
	Host       string // lower case, without the final dot
	Preference uint16 // the lowest is tried first
}

// NewResolver fails only if Server is not host:port.
func NewResolver(opt ResolverOptions) (*Resolver, error) {
	orDefault(&opt.Timeout, 10*time.Second)
	orDefault(&opt.Concurrency, 64)
	orDefault(&opt.CacheSize, 10_000)
	orDefault(&opt.TTL, 10*time.Minute)
	orDefault(&opt.NegativeTTL, time.Minute)
	if opt.Now == nil {
		opt.Now = time.Now
	}
	r := &Resolver{
		dns:   &net.Resolver{PreferGo: true},
		opt:   opt,
		slots: make(chan struct{}, opt.Concurrency),
		cache: newCache(opt.CacheSize),
	}
	if opt.Server != "" {
		if _, _, err := net.SplitHostPort(opt.Server); err != nil {
			return nil, fmt.Errorf("DNS server %q is not host:port, as in 127.0.0.1:53: %w", opt.Server, err)
		}
	}
	if opt.Server != "" || opt.Try > 0 {
		r.dns.Dial = opt.dial
	}
	return r, nil
}

// dial reaches the server of the options, or the system's.
func (o ResolverOptions) dial(ctx context.Context, network, server string) (net.Conn, error) {
	if o.Server != "" {
		server = o.Server
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, server)
	if udp, ok := conn.(*net.UDPConn); ok && o.Try > 0 {
		return hasty{udp, o.Try}, err
	}
	return conn, err
}

// hasty is a connection that waits no longer than it may; net.Resolver has no
// other way to be told.
type hasty struct {
	*net.UDPConn
	most time.Duration
}

// SetDeadline brings a later deadline forward.
func (c hasty) SetDeadline(t time.Time) error {
	if latest := time.Now().Add(c.most); t.After(latest) {
		t = latest
	}
	return c.UDPConn.SetDeadline(t)
}

func orDefault[T int | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

// MX returns the exchangers of a domain, best first. On ErrNoSuchName the domain
// may still take mail at its own addresses (RFC 5321 section 5.1): ask Host.
func (r *Resolver) MX(ctx context.Context, domain string) ([]MX, error) {
	return ask(ctx, r, "MX", domain, func(ctx context.Context, name string) ([]MX, error) {
		records, err := r.dns.LookupMX(ctx, name)
		if len(records) == 0 {
			return nil, err
		}
		// An error beside records only says that others had malformed names.
		if len(records) == 1 && records[0].Host == "." {
			return nil, ErrNullMX
		}
		hosts := make([]MX, len(records))
		for i, mx := range records {
			hosts[i] = MX{Host: canonical(mx.Host), Preference: mx.Pref}
		}
		return hosts, nil
	})
}

// TXT returns the texts at a name, each joined from its strings as RFC 7208
// section 3.3 wants it.
func (r *Resolver) TXT(ctx context.Context, name string) ([]string, error) {
	return ask(ctx, r, "TXT", name, r.dns.LookupTXT)
}

// Host returns the IPv4 and IPv6 addresses of a name. The system's hosts file is
// read before DNS is asked. ErrNoSuchName is a no to both kinds.
func (r *Resolver) Host(ctx context.Context, name string) ([]netip.Addr, error) {
	return ask(ctx, r, "A and AAAA", name, func(ctx context.Context, name string) ([]netip.Addr, error) {
		// One after the other through net.Resolver would take the failure of one
		// kind beside the lack of the other for a sure no.
		type found struct {
			ips []netip.Addr
			err error
		}
		six := make(chan found, 1)
		go func() {
			ips, err := r.dns.LookupNetIP(ctx, "ip6", name)
			six <- found{ips, err}
		}()
		ips, err := r.dns.LookupNetIP(ctx, "ip4", name)
		more := <-six
		if ips = append(unmapped(ips), unmapped(more.ips)...); len(ips) > 0 {
			return ips, nil
		}
		var no *net.DNSError
		if errors.As(err, &no) && no.IsNotFound {
			err = more.err
		}
		return nil, err
	})
}

// IPv4 returns the IPv4 addresses of a name, which is how block lists answer.
func (r *Resolver) IPv4(ctx context.Context, name string) ([]netip.Addr, error) {
	return ask(ctx, r, "A", name, func(ctx context.Context, name string) ([]netip.Addr, error) {
		ips, err := r.dns.LookupNetIP(ctx, "ip4", name)
		return unmapped(ips), err
	})
}

func unmapped(ips []netip.Addr) []netip.Addr {
	for i := range ips {
		ips[i] = ips[i].Unmap()
	}
	return ips
}

// Alias returns the name at the end of the CNAME records that begin at a name;
// the name itself when it is no alias.
func (r *Resolver) Alias(ctx context.Context, name string) (string, error) {
	to, err := ask(ctx, r, "CNAME", name, func(ctx context.Context, name string) ([]string, error) {
		to, err := r.dns.LookupCNAME(ctx, name)
		return []string{canonical(to)}, err
	})
	if err != nil {
		return "", err
	}
	return to[0], nil
}

// PTR returns the names an IP address claims; whoever trusts one asks Host back.
func (r *Resolver) PTR(ctx context.Context, ip netip.Addr) ([]string, error) {
	return ask(ctx, r, "PTR", ip.Unmap().String(), func(ctx context.Context, _ string) ([]string, error) {
		names, err := r.dns.LookupAddr(ctx, ip.Unmap().String())
		for i := range names {
			names[i] = canonical(names[i])
		}
		return names, err
	})
}

// Forget drops what is remembered of a name, so that the next question reaches DNS.
func (r *Resolver) Forget(name string) {
	name = canonical(name)
	for _, kind := range []string{"MX", "TXT", "A and AAAA", "A", "CNAME", "PTR"} {
		r.cache.drop(question{kind, name})
	}
}

// ask puts one question: to the cache, to the flight that is under way, or to DNS.
// A caller who leaves does not cut the flight short for the others.
func ask[T any](ctx context.Context, r *Resolver, kind, name string, look func(context.Context, string) ([]T, error)) ([]T, error) {
	q := question{kind, canonical(name)}
	a, known := r.cache.get(q, r.opt.Now())
	if !known {
		flight := r.flights.DoChan(q.kind+" "+q.name, func() (any, error) {
			r.slots <- struct{}{}
			defer func() { <-r.slots }()
			if a, known := r.cache.get(q, r.opt.Now()); known {
				return a, nil
			}
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.opt.Timeout)
			defer cancel()
			records, err := look(ctx, q.name+".") // rooted: no search domains
			return r.learn(q, records, err), nil
		})
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s of %q: %w: %w", q.kind, q.name, ErrNoAnswer, context.Cause(ctx))
		case landed := <-flight:
			a = landed.Val.(answer)
		}
	}
	if a.err != nil {
		return nil, fmt.Errorf("%s of %q: %w", q.kind, q.name, a.err)
	}
	return slices.Clone(a.records.([]T)), nil
}

// learn turns what came back into an answer and keeps it if it is one.
func (r *Resolver) learn(q question, records any, err error) answer {
	a := answer{records: records, until: r.opt.Now().Add(r.opt.TTL)}
	var dns *net.DNSError
	switch {
	case err == nil:
	case errors.Is(err, ErrNullMX):
		a.err = err
	case errors.As(err, &dns) && dns.IsNotFound:
		a.err = fmt.Errorf("%w: %w", ErrNoSuchName, err)
		a.until = r.opt.Now().Add(r.opt.NegativeTTL)
	default:
		a.err = fmt.Errorf("%w: %w", ErrNoAnswer, err)
		return a
	}
	r.cache.put(q, a)
	return a
}

func canonical(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, "."))
}
