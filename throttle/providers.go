package throttle

import (
	_ "embed"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Other is the provider of domains that nothing tells.
const Other = "other"

//go:embed providers.txt
var providersFile string

// Providers are the mailbox providers of the data file.
type Providers struct {
	names    []string // sorted, with [Other]
	byDomain map[string]string
	byMX     map[string]string // suffix of an exchanger, with its dot
	silent   map[string]bool
	limits   map[string]Limit
}

// defaultProviders are those of the embedded file.
var defaultProviders = sync.OnceValue(func() *Providers {
	p, err := ParseProviders(providersFile, "")
	if err != nil {
		panic("providers.txt: " + err.Error()) // embedded above
	}
	return p
})

// DefaultProviders are those of the embedded data file.
func DefaultProviders() *Providers { return defaultProviders() }

// LoadProviders are those of the embedded data file, with those of a file of
// the same form in the place of the ones that it names. Errors name the line.
func LoadProviders(file string) (*Providers, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	p, err := ParseProviders(providersFile, string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return p, nil
}

// ParseProviders reads providers, one a line, and others that replace or add to them.
func ParseProviders(base, over string) (*Providers, error) {
	lines := map[string][]string{}
	for _, text := range []string{base, over} {
		n := 0
		for line := range strings.Lines(text) {
			n++
			fields := strings.Fields(line)
			if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
				continue
			}
			if name := fields[0]; strings.ContainsAny(name, ":./'\"") || name != strings.ToLower(name) {
				return nil, fmt.Errorf("line %d: provider %q: want a name of lower-case letters first", n, name)
			}
			if _, err := parseProvider(&Providers{}, fields); err != nil {
				return nil, fmt.Errorf("line %d: provider %s: %w", n, fields[0], err)
			}
			lines[fields[0]] = fields
		}
	}
	p := &Providers{names: []string{Other}, byDomain: map[string]string{}, byMX: map[string]string{}, silent: map[string]bool{}, limits: map[string]Limit{}}
	for name, fields := range lines {
		if name != Other {
			p.names = append(p.names, name)
		}
		if _, err := parseProvider(p, fields); err != nil {
			return nil, err
		}
	}
	slices.Sort(p.names)
	return p, nil
}

// parseProvider takes in the words of a provider.
func parseProvider(p *Providers, fields []string) (*Providers, error) {
	if p.byDomain == nil {
		p.byDomain, p.byMX, p.silent, p.limits = map[string]string{}, map[string]string{}, map[string]bool{}, map[string]Limit{}
	}
	name, limit := fields[0], Limit{}
	for _, word := range fields[1:] {
		key, value, ok := strings.Cut(word, ":")
		switch {
		case word == "silent":
			p.silent[name] = true
		case !ok && strings.Contains(word, "."):
			p.byDomain[strings.ToLower(word)] = name
		case ok && key == "mx" && strings.HasPrefix(value, ".") && len(value) > 2:
			p.byMX[strings.ToLower(value)] = name
		case ok:
			n, err := strconv.ParseInt(value, 10, 32)
			at, known := map[string]*int64{"per_second": &limit.PerSecond, "per_minute": &limit.PerMinute, "per_hour": &limit.PerHour, "per_day": &limit.PerDay, "connections": &limit.Connections}[key]
			if err != nil || !known || n < 0 {
				return nil, fmt.Errorf("%q: want a domain, mx:.suffix, silent, or a limit such as connections:5 or per_second:20", word)
			}
			*at = n
		default:
			return nil, fmt.Errorf("%q: want a domain, mx:.suffix, silent, or a limit such as connections:5", word)
		}
	}
	p.limits[name] = limit
	return p, nil
}

// Names are all providers, [Other] among them, sorted.
func (p *Providers) Names() []string { return p.names }

// Known tells whether there is a provider of this name.
func (p *Providers) Known(name string) bool { return slices.Contains(p.names, name) }

// Reports tells whether a provider reports complaints, as far as is known.
func (p *Providers) Reports(name string) bool { return !p.silent[name] }

// Limit is the data file's limit of a provider's lanes.
func (p *Providers) Limit(name string) Limit { return p.limits[name] }

// OfDomain names the provider of a recipient domain (an A-label) by the
// table of names; [Other] when it is not in it.
func (p *Providers) OfDomain(domain string) string {
	if name, ok := p.byDomain[domain]; ok {
		return name
	}
	return Other
}

// OfMX names the provider that an exchanger belongs to; [Other] when no
// pattern tells. The longest pattern that fits is taken.
func (p *Providers) OfMX(host string) string {
	host = "." + strings.TrimSuffix(strings.ToLower(host), ".")
	for at := strings.IndexByte(host, '.'); at >= 0; {
		if name, ok := p.byMX[host[at:]]; ok {
			return name
		}
		next := strings.IndexByte(host[at+1:], '.')
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return Other
}
