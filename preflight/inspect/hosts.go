package inspect

import (
	_ "embed"
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// The files have a word a field: "host" means the host and all below it,
// "name.*" a name right before any public suffix. "#" begins a remark.

//go:embed data/free_providers.txt
var freeProvidersText string

//go:embed data/relays.txt
var relaysText string

//go:embed data/shorteners.txt
var shortenersText string

//go:embed data/file_sharing.txt
var fileSharingText string

//go:embed data/font_hosts.txt
var fontHostsText string

//go:embed data/executables.txt
var executablesText string

//go:embed data/risky.txt
var riskyText string

var (
	freeProviders = sync.OnceValue(func() words { return fields(freeProvidersText) })
	relayHosts    = sync.OnceValue(func() words { return fields(relaysText) })
	shorteners    = sync.OnceValue(func() words { return fields(shortenersText) })
	fileSharing   = sync.OnceValue(func() words { return fields(fileSharingText) })
	fontHosts     = sync.OnceValue(func() words { return fields(fontHostsText) })
	executables   = sync.OnceValue(func() words { return fields(executablesText) })
	riskyFiles    = sync.OnceValue(func() words { return fields(riskyText) })
)

// words is a set of words of a data file.
type words map[string]bool

func fields(text string) words {
	all := words{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		for _, f := range strings.Fields(line) {
			all[f] = true
		}
	}
	return all
}

// host tells whether a host, or one above it, is in the set.
func (w words) host(host string) bool {
	host = normalHost(host)
	for h := host; h != ""; {
		if w[h] {
			return true
		}
		_, h, _ = strings.Cut(h, ".")
	}
	name, _, _ := strings.Cut(organisation(host), ".")
	return name != "" && w[name+".*"]
}

// normalHost is a host as DNS has it: lower case, punycode, no last dot, no port.
func normalHost(host string) string {
	host = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(host)), ".")
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		return ascii
	}
	return host
}

// organisation is the domain that somebody registered, such as example.co.uk;
// "" for what is none. Sites under a shared name such as github.io count each
// as one of their own.
func organisation(host string) string {
	domain, err := publicsuffix.EffectiveTLDPlusOne(normalHost(host))
	if err != nil {
		return ""
	}
	return domain
}

// public tells whether a host can be somebody's on the internet; .example,
// which is for documents, is taken for it.
func public(host string) bool {
	host = normalHost(host)
	if strings.HasSuffix(host, ".example") {
		return true
	}
	suffix, icann := publicsuffix.PublicSuffix(host)
	return organisation(host) != "" && (icann || strings.Contains(suffix, "."))
}

// isIP tells whether a host is an address, in any of the ways browsers take one.
func isIP(host string) bool {
	host = strings.Trim(host, "[]")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	// 3232235777, 0xC0A80101, 192.168.257: the last label of a name is never a number.
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	digits := strings.TrimPrefix(last, "0x")
	return digits != "" && strings.Trim(digits, "0123456789") == "" || last != digits && strings.Trim(digits, "0123456789abcdef") == ""
}
