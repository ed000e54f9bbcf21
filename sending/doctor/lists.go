package doctor

import (
	_ "embed"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed blocklists.txt
var blocklistsText string

// Blocklist is a list that is asked by DNS, see blocklists.txt.
type Blocklist struct {
	Zone     string
	Lists    []string // ip4, ip6, domain
	Severity Severity
	Name     string
	Delist   string // an address
	codes    []blockCode
}

// blockCode is what an answer of a list means.
type blockCode struct {
	from, to uint16 // the last two bytes of 127.0.x.x
	bit      byte   // if not 0: of the last byte, and the range does not count
	means    string
}

// DefaultBlocklists are those of the embedded file.
func DefaultBlocklists() []Blocklist {
	all, err := ParseBlocklists(blocklistsText)
	if err != nil {
		panic("blocklists.txt: " + err.Error()) // embedded above
	}
	return all
}

var blockZone = regexp.MustCompile(`^(?:[a-z0-9-]+\.)+[a-z0-9-]+$`)

// ParseBlocklists reads a file of the form of blocklists.txt.
func ParseBlocklists(text string) ([]Blocklist, error) {
	var all []Blocklist
	number := 0
	for line := range strings.Lines(text) {
		number++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		b, err := parseBlocklist(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		all = append(all, b)
	}
	return all, nil
}

func parseBlocklist(line string) (Blocklist, error) {
	fields := strings.Split(line, ";")
	if len(fields) != 6 {
		return Blocklist{}, fmt.Errorf("%d fields: want 6", len(fields))
	}
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	b := Blocklist{Zone: fields[0], Lists: strings.Fields(fields[1]), Severity: Severity(fields[2]), Name: fields[3], Delist: fields[5]}
	if !blockZone.MatchString(b.Zone) || len(b.Zone) > 150 {
		return b, fmt.Errorf("%q is no zone", b.Zone)
	}
	for _, kind := range b.Lists {
		if !slices.Contains([]string{"ip4", "ip6", "domain"}, kind) {
			return b, fmt.Errorf("%q: want ip4, ip6 or domain", kind)
		}
	}
	if len(b.Lists) == 0 || b.Severity != Error && b.Severity != Warning || b.Name == "" {
		return b, fmt.Errorf("%q: want what it lists, error or warning, and a name", line)
	}
	for code := range strings.SplitSeq(fields[4], ",") {
		c, err := parseBlockCode(strings.TrimSpace(code))
		if err != nil {
			return b, err
		}
		b.codes = append(b.codes, c)
	}
	return b, nil
}

func parseBlockCode(text string) (c blockCode, err error) {
	number, means, ok := strings.Cut(text, "=")
	if c.means = means; !ok || means == "" {
		return c, fmt.Errorf("%q: want CODE=MEANING", text)
	}
	if bit, ok := strings.CutPrefix(number, "&"); ok {
		n, err := strconv.ParseUint(bit, 10, 8)
		if err != nil || n == 0 || n&(n-1) != 0 {
			return c, fmt.Errorf("%q is no bit", number)
		}
		c.bit = byte(n)
		return c, nil
	}
	from, to, span := strings.Cut(number, "-")
	if !span {
		to = from
	}
	if c.from, err = lastBytes(from); err == nil {
		c.to, err = lastBytes(to)
	}
	if err == nil && c.from > c.to {
		err = fmt.Errorf("%q goes backwards", number)
	}
	return c, err
}

// lastBytes reads "2" or "1.2".
func lastBytes(text string) (uint16, error) {
	high, low, ok := strings.Cut(text, ".")
	if !ok {
		high, low = "0", text
	}
	a, err := strconv.ParseUint(high, 10, 8)
	b, failed := strconv.ParseUint(low, 10, 8)
	if err != nil || failed != nil {
		return 0, fmt.Errorf("%q is no code", text)
	}
	return uint16(a<<8 | b), nil
}

// refuses tells whether an answer is about the question and not a listing.
func refuses(answer netip.Addr) bool {
	a := answer.As4()
	return a[0] == 127 && (a[1] == 255 || a[1] == 0 && a[2] == 0 && a[3] == 1 || a[1] == 0 && a[2] == 1 && a[3] == 255)
}

// meaning is what an answer says; "" when the list does not describe it.
func (b Blocklist) meaning(answer netip.Addr) string {
	a := answer.As4()
	if a[0] != 127 || a[1] != 0 {
		return "" // whoever has bought the zone of a dead list answers with a web server
	}
	var all []string
	for _, c := range b.codes {
		code := uint16(a[2])<<8 | uint16(a[3])
		if c.bit != 0 && a[2] == 0 && a[3]&c.bit != 0 || c.bit == 0 && c.from <= code && code <= c.to {
			all = append(all, c.means)
		}
	}
	return strings.Join(all, ", ")
}

// question is the name to ask for an address.
func (b Blocklist) question(ip netip.Addr) string {
	var labels []string
	if ip.Is4() {
		for _, n := range ip.As4() {
			labels = append(labels, strconv.Itoa(int(n)))
		}
	} else {
		for _, n := range ip.As16() {
			labels = append(labels, strconv.FormatInt(int64(n>>4), 16), strconv.FormatInt(int64(n&15), 16))
		}
	}
	slices.Reverse(labels)
	return strings.Join(labels, ".") + "." + b.Zone
}
