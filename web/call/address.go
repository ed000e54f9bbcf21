package call

import (
	"net/http"
	"net/netip"
	"strings"
)

// Origin finds out where calls come from.
type Origin struct {
	// Proxies are the networks of our own reverse proxies, whose
	// X-Forwarded-For is believed. Anybody else's is not.
	Proxies []netip.Prefix
}

// Address is where a call comes from: the peer, or the last address before
// our own proxies. IPv6 addresses are cut to their /64, which one household has.
func (o Origin) Address(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && o.ours(addr); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap()
	}
	if addr.Is6() {
		if p, err := addr.WithZone("").Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return addr
}

func (o Origin) ours(addr netip.Addr) bool {
	for _, p := range o.Proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
