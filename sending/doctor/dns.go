package doctor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"

	"facteur/internal/address"
)

// missing tells a sure no from a question that got no answer.
func missing(err error) bool { return errors.Is(err, address.ErrNoSuchName) }

// reason is why nothing was learned, for people.
func reason(err error) string {
	var dns *net.DNSError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &dns) && dns.IsTimeout:
		return "DNS did not answer in time"
	case errors.As(err, &dns) && strings.Contains(dns.Err, "refused") && strings.Contains(dns.Err, "->"), errors.As(err, &dns) && strings.HasPrefix(dns.Err, "dial "):
		return "the DNS server cannot be reached" // the text names ports that change
	case errors.As(err, &dns):
		return "DNS says “" + dns.Err + "”"
	}
	return "DNS gave no answer"
}

// library lends the resolver to go/spf, which wants net's types and errors.
type library struct{ dns *address.Resolver }

// dnsError is what go/spf understands: not found, or try again.
func dnsError(name string, err error) error {
	if err == nil {
		return nil
	}
	return &net.DNSError{Err: err.Error(), Name: name, IsNotFound: missing(err), IsTemporary: !missing(err)}
}

// LookupTXT implements spf.DNSResolver, as do the next ones.
func (l library) LookupTXT(ctx context.Context, name string) ([]string, error) {
	texts, err := l.dns.TXT(ctx, name)
	return texts, dnsError(name, err)
}

func (l library) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	found, err := l.dns.MX(ctx, name)
	if errors.Is(err, address.ErrNullMX) {
		return []*net.MX{{Host: "."}}, nil
	}
	var all []*net.MX
	for _, mx := range found {
		all = append(all, &net.MX{Host: mx.Host, Pref: mx.Preference})
	}
	return all, dnsError(name, err)
}

func (l library) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	found, err := l.dns.Host(ctx, host)
	var all []net.IPAddr
	for _, ip := range found {
		all = append(all, net.IPAddr{IP: net.IP(ip.AsSlice())})
	}
	return all, dnsError(host, err)
}

func (l library) LookupAddr(ctx context.Context, ip string) ([]string, error) {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return nil, &net.DNSError{Err: err.Error(), Name: ip}
	}
	names, err := l.dns.PTR(ctx, a)
	return names, dnsError(ip, err)
}
