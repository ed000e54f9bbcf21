package doctor

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// spfTerm is a mechanism or modifier of an SPF record (RFC 7208 section 4.6.1).
type spfTerm struct {
	qualifier byte   // of a mechanism: + - ~ ?; 0 of a modifier
	name      string // lower case: all, include, a, mx, ptr, ip4, ip6, exists; redirect, exp and others
	target    string // the domain it names; "" is the record's own
}

// asks tells whether a receiver that meets the term asks DNS, which it may do
// ten times for a message.
func (t spfTerm) asks() bool {
	switch t.name {
	case "include", "a", "mx", "ptr", "exists":
		return t.qualifier != 0
	}
	return t.qualifier == 0 && t.name == "redirect"
}

// plain tells whether the target is a name as it stands, without macros that
// depend on the message.
func (t spfTerm) plain() bool { return !strings.Contains(t.target, "%") }

// isSPF tells whether a text is an SPF record (RFC 7208 section 4.5).
func isSPF(text string) bool {
	text = strings.ToLower(text)
	return text == "v=spf1" || strings.HasPrefix(text, "v=spf1 ")
}

// almostSPF tells whether a text was meant to be one.
func almostSPF(text string) bool {
	text = strings.ToLower(strings.TrimLeft(text, " \"'"))
	return strings.HasPrefix(text, "v=spf") || strings.HasPrefix(text, "spf1") || strings.HasPrefix(text, "v = spf1") || strings.HasPrefix(text, "v= spf1")
}

// parseSPF reads a record for which isSPF holds.
func parseSPF(text string) ([]spfTerm, error) {
	var terms []spfTerm
	seen := map[string]bool{}
	for _, word := range strings.Split(text, " ")[1:] {
		if word == "" {
			continue
		}
		t, err := parseSPFTerm(word)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", quote(word), err)
		}
		if t.qualifier == 0 && (t.name == "redirect" || t.name == "exp") {
			if seen[t.name] {
				return nil, fmt.Errorf("%s= stands there twice", t.name)
			}
			seen[t.name] = true
		}
		terms = append(terms, t)
	}
	return terms, nil
}

var (
	spfModifier = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9._-]*)=(.*)$`)
	spfMasks    = regexp.MustCompile(`^(.*?)(?:/(\d{1,3}))?(?://(\d{1,3}))?$`)
	spfMacro    = regexp.MustCompile(`%(?:\{[slodiphcrtvSLODIPHCRTV]\d*[rR]?[-.+,/_=]*\}|%|_|-)`)
	domainName  = regexp.MustCompile(`^(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?\.)+[A-Za-z0-9-]*[A-Za-z][A-Za-z0-9-]*\.?$`)
)

func parseSPFTerm(word string) (spfTerm, error) {
	if m := spfModifier.FindStringSubmatch(word); m != nil {
		t := spfTerm{name: strings.ToLower(m[1]), target: m[2]}
		if t.name != "redirect" && t.name != "exp" {
			return t, nil // an unknown modifier is to be ignored
		}
		return t, checkSPFTarget(t.target)
	}
	t := spfTerm{qualifier: '+'}
	if strings.ContainsRune("+-~?", rune(word[0])) {
		t.qualifier, word = word[0], word[1:]
	}
	end := strings.IndexAny(word, ":/")
	if end < 0 {
		end = len(word)
	}
	t.name = strings.ToLower(word[:end])
	value, named := strings.CutPrefix(word[end:], ":")
	switch t.name {
	case "all":
		if word[end:] != "" {
			return t, errors.New("all takes no value")
		}
		return t, nil
	case "include", "exists":
		t.target = value
		return t, checkSPFTarget(value)
	case "ptr":
		t.target = value
		if !named && value == "" {
			return t, nil
		}
		return t, checkSPFTarget(value)
	case "a", "mx":
		m := spfMasks.FindStringSubmatch(value)
		t.target = m[1]
		if masked(m[2], 32) || masked(m[3], 128) {
			return t, errors.New("a network's length is at most 32, or 128 for IPv6")
		}
		if !named && t.target == "" {
			return t, nil
		}
		return t, checkSPFTarget(t.target)
	case "ip4", "ip6":
		ip, length, network := strings.Cut(value, "/")
		a, err := netip.ParseAddr(ip)
		bits := 32
		if t.name == "ip6" {
			bits = 128
		}
		if err != nil || a.Zone() != "" || a.BitLen() != bits || network && (length == "" || masked(length, bits)) {
			return t, fmt.Errorf("want an address or a network behind %s", t.name)
		}
		return t, nil
	}
	return t, errors.New("no such mechanism")
}

// masked tells whether the length of a network is wrong.
func masked(length string, most int) bool {
	n, err := strconv.Atoi(length)
	return length != "" && (err != nil || n > most)
}

// checkSPFTarget accepts a name of two or more labels, of which some may be macros.
func checkSPFTarget(target string) error {
	if plain := spfMacro.ReplaceAllString(target, "x"); len(target) > 253 || !domainName.MatchString(plain) {
		return errors.New("want the name of a domain")
	}
	return nil
}
