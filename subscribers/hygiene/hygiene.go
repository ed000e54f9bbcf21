// Package hygiene judges addresses by their looks: is it an office or a person,
// is the domain a slip of the pen, is it one to throw away? It only says so;
// what follows is for people to decide.
package hygiene

import (
	"bufio"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"sync"

	"golang.org/x/net/idna"
)

//go:embed roles.txt
var rolesText string

//go:embed domains.txt
var domainsText string

var roles = sync.OnceValue(func() map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(rolesText) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			all[line] = true
		}
	}
	return all
})

// Role tells whether a local part is an office, such as info or postmaster.
func Role(localPart string) bool {
	name, _, _ := strings.Cut(strings.ToLower(localPart), "+")
	return roles()[name] || roles()[strings.TrimRight(name, "0123456789-_.")]
}

// mailboxes are the well-known domains.
type mailboxes struct {
	known map[string]bool // all that are what they say
	meant []string        // those that slips of the pen are compared with
}

var wellKnown = sync.OnceValue(func() mailboxes {
	m := mailboxes{known: map[string]bool{}}
	for line := range strings.Lines(domainsText) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		for _, d := range fields {
			if d == "=" {
				continue
			}
			if m.known[d] = true; fields[0] != "=" {
				m.meant = append(m.meant, d)
			}
		}
	}
	return m
})

// WellKnown tells whether a domain is one of the mailbox domains that many have
// an address at: nobody needs to ask DNS about it.
func WellKnown(domain string) bool { return wellKnown().known[domain] }

// Typo is the domain that was probably meant, "" when there is no doubt. domain
// is an A-label in lower case. A false alarm is worse than a miss: short names
// are only suspected for their ending.
func Typo(domain string) string {
	m := wellKnown()
	if m.known[domain] || len(domain) > 30 {
		return ""
	}
	name, ending, ok := strings.Cut(domain, ".")
	if !ok {
		return ""
	}
	for _, d := range m.meant {
		if meantEnding(domain, d) {
			return d
		}
	}
	for _, d := range m.meant {
		meant, e, _ := strings.Cut(d, ".")
		if e != ending || len(meant) < 5 || len(name) < 4 {
			continue
		}
		if slip(name, meant) {
			return d
		}
	}
	return ""
}

// meantEnding tells whether only the ending is wrong, in one of the usual ways.
func meantEnding(domain, meant string) bool {
	name, ending, _ := strings.Cut(meant, ".")
	rest, ok := strings.CutPrefix(domain, name)
	if !ok {
		return false
	}
	for _, wrong := range wrongEndings(ending) {
		if rest == wrong {
			return true
		}
	}
	return false
}

// wrongEndings are usual slips for an ending, with what stands before it.
func wrongEndings(ending string) []string {
	switch ending {
	case "com":
		return []string{".con", ".cmo", ".ocm", ".comm", ".coom", ".cpm", ".vom", ".xom", ".c", ".co", ".cm", ".om", ".com.com", ".fr.com", "com", ".coml", ".comn", ".cim"}
	case "fr":
		return []string{".f", ".frr", ".fr.fr", ".fre", ".r", ".ft", ".dr", "fr", ".ffr"}
	case "net":
		return []string{".nte", ".nett", ".ne", ".met", ".et", "net", ".ner"}
	case "de":
		return []string{".d", ".dee", ".ed", ".de.de", "de"}
	case "co.uk":
		return []string{".co.k", ".couk", ".co.ik", ".co.ul"}
	}
	return nil
}

// slip tells whether two names differ by one character dropped, added,
// exchanged, or changed over with its neighbour.
func slip(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 || a == b {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) < len(b) {
		return a[i:] == b[i+1:]
	}
	return a[i+1:] == b[i+1:] || i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}

// Disposable is a set of throw-away domains that the operator gives.
type Disposable struct {
	domains map[string]bool
}

// mostLines bounds a file of domains.
const mostLines = 1_000_000

// ReadDisposable reads a text of domains, one a line; what follows # is a
// remark. The error names the line.
func ReadDisposable(r io.Reader) (*Disposable, error) {
	d := &Disposable{domains: map[string]bool{}}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		if n > mostLines {
			return nil, fmt.Errorf("more than %d lines", mostLines)
		}
		text, _, _ := strings.Cut(lines.Text(), "#")
		text = strings.TrimPrefix(strings.Trim(strings.TrimSpace(text), "."), "@")
		if text == "" {
			continue
		}
		domain, err := idna.Lookup.ToASCII(strings.ToLower(text))
		if err != nil || len(domain) > 253 || !strings.Contains(domain, ".") {
			return nil, fmt.Errorf("line %d: %q is no domain", n, text)
		}
		d.domains[domain] = true
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the disposable domains: %w", err)
	}
	return d, nil
}

// Has tells whether a domain (an A-label in lower case), or one above it, is in
// the set. A nil set is empty.
func (d *Disposable) Has(domain string) bool {
	for d != nil && domain != "" {
		if d.domains[domain] {
			return true
		}
		_, domain, _ = strings.Cut(domain, ".")
	}
	return false
}
