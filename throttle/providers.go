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

// Providers are the mailbox providers of the data file, and its rules about their answers.
type Providers struct {
	names     []string // sorted, with [Other]
	byDomain  map[string]string
	byMX      map[string]string // suffix of an exchanger, with its dot
	silent    map[string]bool
	limits    map[string]Limit
	reactions map[string][]Reaction // by provider, "*" among them
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

// LoadProviders are those of the embedded data file, with a file of the same
// form laid over it. Errors name the file, the line and what is wanted.
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

// provider is one of a data file.
type provider struct {
	name        string
	domains, mx []string
	silent      bool
	limit       Limit
}

// ParseProviders reads a data file and another that is laid over it: providers
// and rules of the second replace or add to those of the first. The form is
// described in providers.txt.
func ParseProviders(base, over string) (*Providers, error) {
	p := &Providers{
		names: []string{Other}, byDomain: map[string]string{}, byMX: map[string]string{}, silent: map[string]bool{}, limits: map[string]Limit{},
		reactions: map[string][]Reaction{},
	}
	for _, text := range []string{base, over} {
		if err := p.lay(text); err != nil {
			return nil, err
		}
	}
	slices.Sort(p.names)
	return p, nil
}

// lay lays the providers and rules of a file over those that there are.
func (p *Providers) lay(text string) error {
	n := 0
	at, reactions := map[string]int{}, map[string][]Reaction{} // the line of each provider, domain and exchanger
	rules := map[string]int{}                                  // the first line about each provider
	for line := range strings.Lines(text) {
		n++
		switch line = strings.TrimSpace(line); {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.Contains(line, ";"):
			r, err := parseReaction(line)
			if err != nil {
				return fmt.Errorf("line %d: %w", n, err)
			}
			if _, ok := rules[r.Provider]; !ok {
				rules[r.Provider] = n
			}
			reactions[r.Provider] = append(reactions[r.Provider], r)
		default:
			one, err := parseProvider(strings.Fields(line))
			if err != nil {
				return fmt.Errorf("line %d: %w", n, err)
			}
			for _, name := range slices.Concat([]string{one.name}, one.domains, one.mx) {
				if before, ok := at[name]; ok {
					return fmt.Errorf("line %d: provider %s: %s is in line %d too: want it once", n, one.name, name, before)
				}
				at[name] = n
			}
			p.put(one)
		}
	}
	for name, rs := range reactions {
		if name != "*" && !p.Known(name) {
			return fmt.Errorf("line %d: there is no provider %q: want the name of one, or *", rules[name], name)
		}
		p.reactions[name] = rs
	}
	return nil
}

// put takes in a provider, in the place of the one of its name.
func (p *Providers) put(one provider) {
	if !p.Known(one.name) {
		p.names = append(p.names, one.name)
	}
	for _, of := range []map[string]string{p.byDomain, p.byMX} {
		for what, name := range of {
			if name == one.name {
				delete(of, what)
			}
		}
	}
	for _, d := range one.domains {
		p.byDomain[d] = one.name
	}
	for _, mx := range one.mx {
		p.byMX[mx] = one.name
	}
	p.silent[one.name], p.limits[one.name] = one.silent, one.limit
}

// parseProvider reads the words of a provider.
func parseProvider(words []string) (p provider, err error) {
	if p.name = words[0]; strings.ContainsAny(p.name, ":./*'\"") || p.name != strings.ToLower(p.name) {
		return p, fmt.Errorf("provider %q: want a name of lower-case letters first", p.name)
	}
	numbers := map[string]*int64{
		"per_second": &p.limit.PerSecond, "per_minute": &p.limit.PerMinute, "per_hour": &p.limit.PerHour, "per_day": &p.limit.PerDay, "connections": &p.limit.Connections,
	}
	for _, word := range words[1:] {
		key, value, ok := strings.Cut(word, ":")
		n, bad := strconv.ParseInt(value, 10, 32)
		switch number := numbers[key]; {
		case word == "silent":
			p.silent = true
		case !ok && strings.Contains(word, "."):
			p.domains = append(p.domains, strings.ToLower(word))
		case ok && key == "mx" && strings.HasPrefix(value, ".") && len(value) > 2:
			p.mx = append(p.mx, strings.ToLower(value))
		case ok && number != nil && bad == nil && n >= 0:
			*number = n
		default:
			return p, fmt.Errorf("provider %s: %q: want a domain, mx:.suffix, silent, or a limit such as connections:5 or per_second:20", p.name, word)
		}
	}
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

// reaction is the rule that an answer in a provider's lane calls for: the
// first of the provider's own that fits, else the first of those for all.
func (p *Providers) reaction(provider string, a Reply) (Reaction, bool) {
	text := a.String()
	for _, of := range []string{provider, "*"} {
		for _, r := range p.reactions[of] {
			if (r.Class == "*" || r.Class == a.Class) && (r.Words == nil || r.Words.MatchString(text)) {
				return r, true
			}
		}
	}
	return Reaction{}, false
}
