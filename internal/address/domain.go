package address

import (
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// ldhDomain says whether d is two or more labels of letters, digits and inner
// hyphens (RFC 5321 section 4.1.2) within the limits, the last not a number; and
// whether a label claims to be an A-label, which only IDNA can judge.
func ldhDomain(d string) (ok, punycode bool) {
	if len(d) > maxDomain {
		return false, false
	}
	start, labels, digits := 0, 0, true
	for i := 0; i <= len(d); i++ {
		if i == len(d) || d[i] == '.' {
			n := i - start
			if n == 0 || n > maxLabel || d[start] == '-' || d[i-1] == '-' {
				return false, false
			}
			if n >= 4 && strings.EqualFold(d[start:start+4], "xn--") {
				punycode = true
			}
			if labels++; i < len(d) {
				start, digits = i+1, true
			}
			continue
		}
		switch c := d[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z', c == '-':
			digits = false
		case '0' <= c && c <= '9':
		default:
			return false, false
		}
	}
	return labels > 1 && !digits, punycode // RFC 3696 section 2: no top-level domain is all digits
}

// parseDomain returns d as lower-case A-labels.
func parseDomain(d string) (string, *fault) {
	if ok, punycode := ldhDomain(d); ok && !punycode {
		return strings.ToLower(d), nil
	}
	if f := strayInDomain(d); f != nil {
		return "", f
	}
	ascii := strings.ToLower(d)
	if !isASCII(d) || strings.Contains(ascii, "xn--") {
		var err error
		// UTS 46 maps before it normalizes, and so tells apart what is canonically equal.
		if ascii, err = idna.Lookup.ToASCII(norm.NFC.String(d)); err == nil {
			// The Bidi rule is held only against what was given, not what it was mapped to.
			ascii, err = idna.Lookup.ToASCII(ascii)
		}
		if err != nil {
			return "", faultf(BadIDN, "the domain is no valid international name%s", strayRune(err))
		}
	}
	if ok, _ := ldhDomain(ascii); !ok {
		return "", explainDomain(ascii)
	}
	return ascii, nil
}

// strayRune keeps of IDNA's error what names a character; the rest repeats the domain.
func strayRune(err error) string {
	if _, r, ok := strings.Cut(err.Error(), "disallowed rune "); ok {
		return ": it may not hold " + r
	}
	return ""
}

// strayInDomain looks for what people write after the @ that is no domain at all.
func strayInDomain(d string) *fault {
	switch {
	case d == "":
		return faultf(BadDomain, "there is nothing after the @")
	case strings.ContainsAny(d, "<>"):
		return faultf(DisplayName, "give only the address, without name and angle brackets")
	case strings.ContainsAny(d, "()"):
		return faultf(Comment, "give only the address, without comments in parentheses")
	case d[0] == '[':
		return faultf(AddressLiteral, "give a domain, not an IP address in brackets")
	case strings.Contains(d, "@"):
		return faultf(SeveralAt, "there is more than one @; give one address at a time")
	case strings.HasSuffix(d, "."):
		return faultf(BadDomain, "the domain ends with a dot")
	}
	return nil
}

// explainDomain finds the first thing that keeps an ASCII name from being a domain.
func explainDomain(d string) *fault {
	labels := strings.Split(d, ".")
	for _, label := range labels {
		switch n := len(label); {
		case n == 0:
			return faultf(BadDomain, "the domain has a dot at its start or two in a row")
		case n > maxLabel:
			return faultf(LabelTooLong, "a part of the domain has %d octets, %d are allowed", n, maxLabel)
		case label[0] == '-' || label[n-1] == '-':
			return faultf(BadDomain, "a part of the domain starts or ends with a hyphen")
		}
		if i := strings.IndexFunc(label, notLDH); i >= 0 {
			return faultf(BadDomain, "a domain may not hold %q", label[i])
		}
	}
	switch {
	case len(d) > maxDomain:
		return faultf(DomainTooLong, "the domain has %d octets, %d are allowed", len(d), maxDomain)
	case len(labels) == 1:
		return faultf(SingleLabel, "the domain has no dot; give it in full")
	default:
		return faultf(BadDomain, "the last part of a domain may not be a number")
	}
}

func notLDH(r rune) bool {
	return (r|0x20 < 'a' || r|0x20 > 'z') && (r < '0' || r > '9') && r != '-'
}
