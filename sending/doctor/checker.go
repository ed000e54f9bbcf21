package doctor

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"facteur/internal/address"
	"facteur/internal/panics"

	"golang.org/x/net/publicsuffix"
)

// Subject is what to examine, as its owner knows it.
type Subject struct {
	Domain     string       // of the From addresses, an A-label
	ReturnPath string       // domain of the envelope senders; "" is Domain
	Egress     []netip.Addr // from which mail leaves; none: unknown
	Relays     []Relay
	Keys       []Key // with which mail is signed; none: unknown
}

// Key is a DKIM key that receivers must find.
type Key struct {
	Selector string
	Domain   string // the d= of the signatures; "" is the subject's
	Type     string // rsa or ed25519; "" when only the selector is known
	Public   string // the p= that must be published; "" when only the selector is known
}

// Options are the bounds of a [Checker]; a zero field takes its default.
type Options struct {
	DNS  string // host:port that gets every question; "" is the system's choice
	HELO string // given to relays; "" is the host's name

	Patience time.Duration  // for the whole check: 9 s
	Lists    []Blocklist    // those of the embedded file
	Roots    *x509.CertPool // whom relays' certificates are to be signed by: the system's
	Now      func() time.Time
}

// Checker examines domains. It is safe for concurrent use.
type Checker struct{ opt Options }

// How much of what a subject names is looked at, so that a check stays bounded.
const (
	mostEgress = 32
	mostKeys   = 16
	mostRelays = 10
	mostHosts  = 12
)

// New fails only if DNS is not host:port.
func New(opt Options) (*Checker, error) {
	if opt.Patience <= 0 {
		opt.Patience = 9 * time.Second
	}
	if opt.Lists == nil {
		opt.Lists = DefaultBlocklists()
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	_, err := address.NewResolver(address.ResolverOptions{Server: opt.DNS})
	return &Checker{opt}, err
}

// examination is one check of one subject.
type examination struct {
	Subject
	opt Options
	dns *address.Resolver // of this check alone: it asks everything anew, and nothing twice
}

// Check examines a subject. It ends within the patience of the options,
// whatever servers do.
func (c *Checker) Check(ctx context.Context, s Subject) Report {
	began, at := time.Now(), c.opt.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, c.opt.Patience, fmt.Errorf("the check's %s are over", c.opt.Patience))
	defer cancel()
	if s.ReturnPath == "" {
		s.ReturnPath = s.Domain
	}
	dns, _ := address.NewResolver(address.ResolverOptions{Server: c.opt.DNS, Timeout: c.opt.Patience / 2, Try: c.opt.Patience / 6}) // New has seen to the server's name
	e := &examination{Subject: s, opt: c.opt, dns: dns}
	e.Keys = slices.Clone(s.Keys)
	for i := range e.Keys {
		if e.Keys[i].Domain == "" {
			e.Keys[i].Domain = s.Domain
		}
	}
	r := Report{Domain: s.Domain, ReturnPath: s.ReturnPath, Egress: []string{}, At: at.UTC(), Findings: []Finding{}}
	for _, ip := range s.Egress {
		r.Egress = append(r.Egress, ip.String())
	}
	r.Findings = append(r.Findings, e.bound()...)

	parts := []func(context.Context) []Finding{e.spf, e.dmarc, e.mx, e.returnPath, e.transport, e.blocklists}
	parts = append(parts, e.dkim()...)
	for _, ip := range e.Egress {
		parts = append(parts, func(ctx context.Context) []Finding { return e.ptr(ctx, ip) })
	}
	for _, relay := range e.Relays {
		parts = append(parts, func(ctx context.Context) []Finding { return e.relay(ctx, relay) })
	}
	var all panics.Group
	found := make([][]Finding, len(parts))
	for i, part := range parts {
		all.Go(func() { found[i] = part(ctx) })
	}
	all.Wait()
	for _, f := range found {
		r.Findings = append(r.Findings, f...)
	}
	r.sort()
	r.Took = time.Since(began)
	return r
}

// bound leaves out what is too many, and addresses that nobody outside sees.
func (e *examination) bound() []Finding {
	f := &findings{check: "ptr"}
	var public []netip.Addr
	for _, ip := range e.Egress {
		if ip = ip.Unmap(); ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast() {
			f.add(Warning, "egress_private", ip.String(), "%s is not an address that receivers see.", ip).Fix = "Set the relay's egress_ips to the public addresses from which its mail leaves."
			continue
		}
		public = append(public, ip)
	}
	e.Egress = public
	if len(e.Egress) > mostEgress {
		f.add(Info, "egress_not_all", "", "%d sending addresses are known; the first %d were looked at.", len(e.Egress), mostEgress)
		e.Egress = e.Egress[:mostEgress]
	}
	e.Keys = e.Keys[:min(len(e.Keys), mostKeys)]
	e.Relays = e.Relays[:min(len(e.Relays), mostRelays)]
	return f.all
}

// organisation is the part of a domain under which DMARC takes all names for
// one owner's; the domain itself where there is none.
func organisation(domain string) string {
	org, err := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(domain))
	if err != nil {
		return strings.ToLower(domain)
	}
	return org
}
