package address_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"facteur/internal/address"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// checkKey holds the laws that every accepted address obeys.
func checkKey(t interface {
	Helper()
	Fatalf(string, ...any)
}, a address.Address,
) {
	t.Helper()
	if !utf8.ValidString(a.Wire()) || strings.ContainsFunc(a.Wire(), unicode.IsControl) {
		t.Fatalf("%q is not fit for the wire", a.Wire())
	}
	for _, s := range []string{a.Key(), a.Wire(), a.String()} {
		again, err := address.Parse(s)
		var invalid *address.Invalid
		if errors.As(err, &invalid) && s == a.Key() && (invalid.Reason == address.LocalTooLong || invalid.Reason == address.TooLong) {
			continue // folding may lengthen: ŉ is two octets, its folded form three
		}
		if err != nil || again.Key() != a.Key() {
			t.Fatalf("%q of %q has the key %q (%v), want %q", s, a, again.Key(), err, a.Key())
		}
	}
}

func TestKey_IsItsOwnKeyForEveryCharacter(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if r > 0xffff && !unicode.IsPrint(r) || unicode.Is(unicode.Han, r) {
			continue // refused, or without case and spelling
		}
		for _, s := range []string{
			"a" + string(r) + "b@example.com",
			string(r) + "\u0345@example.com",
			`"a ` + string(r) + `"@example.com`,
			"a@b" + string(r) + ".com",
		} {
			if a, err := address.Parse(s); err == nil {
				checkKey(t, a)
			}
		}
		a, err := address.Parse("a" + string(r) + "@example.com")
		b, otherErr := address.Parse("A" + string(unicode.SimpleFold(r)) + "@example.com")
		if err == nil && otherErr == nil && a.Key() != b.Key() {
			t.Fatalf("%q and %q have two keys", a, b)
		}
	}
}

func TestKey_IsSharedByAllSpellings(t *testing.T) {
	letters := []*unicode.RangeTable{unicode.Letter, unicode.Mn, unicode.Nd}
	script := rapid.SampledFrom([]*unicode.RangeTable{unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Armenian})
	rapid.Check(t, func(t *rapid.T) {
		table := script.Draw(t, "script")
		word := func(name string) string {
			return rapid.StringOfN(rapid.RuneFrom(nil, table), 1, 8, -1).Filter(func(s string) bool {
				return strings.IndexFunc(s, func(r rune) bool { return !unicode.In(r, letters...) }) < 0
			}).Draw(t, name)
		}
		local, domain := word("local"), strings.ToLower(word("domain"))+".example"
		a, err := address.Parse(local + "@" + domain)
		if err != nil {
			t.Skip(err)
		}
		checkKey(t, a)
		unicodeDomain, err := idna.Lookup.ToUnicode(a.Domain())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{
			norm.NFD.String(local) + "@" + norm.NFD.String(domain),
			norm.NFC.String(local) + "@" + a.Domain(),
			local + "@" + strings.ToUpper(a.Domain()),
			`"` + local + `"@` + unicodeDomain,
			strings.Map(unicode.SimpleFold, local) + "@" + domain,
		} {
			other, err := address.Parse(s)
			if err != nil || other.Key() != a.Key() {
				t.Fatalf("%q has the key %q (%v), %q has %q", s, other.Key(), err, a, a.Key())
			}
		}
	})
}

func TestKey_IsSharedByKnownTraps(t *testing.T) {
	for _, pair := range [][2]string{
		{"ann@\u1f80\U0001d242.example", "ann@\u03b1\u0313\U0001d242\u0345.example"}, // mapped in two orders by IDNA
		{"\u1f80\U0001d242@example.com", "\u03b1\u0313\U0001d242\u0345@example.com"},
		{"\u212aann@example.com", "kann@example.com"}, // the Kelvin sign
		{"ann@\u212aann.example", "ann@kann.example"},
		{"stra\u1e9ee@example.com", "STRASSE@example.com"},
		{"\uab70@example.com", "\u13a0@example.com"}, // Cherokee
		{`"a\"\b"@example.com`, `"A\"b"@EXAMPLE.com`},
	} {
		a, err := address.Parse(pair[0])
		b, otherErr := address.Parse(pair[1])
		if err != nil || otherErr != nil || a.Key() != b.Key() {
			t.Errorf("%+q has the key %+q (%v), %+q has %+q (%v)", pair[0], a.Key(), err, pair[1], b.Key(), otherErr)
		}
	}
}

func TestKey_KeepsWhatOnlyTheDomainCanJudge(t *testing.T) {
	seen := map[string]string{}
	for _, s := range []string{"ann@gmail.com", "a.nn@gmail.com", "ann+x@gmail.com", "ann@googlemail.com", `"a nn"@gmail.com`} {
		a, err := address.Parse(s)
		if err != nil || seen[a.Key()] != "" {
			t.Errorf("%q: %v, shares its key with %q", s, err, seen[a.Key()])
		}
		seen[a.Key()] = s
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range accepted {
		f.Add(c.given)
	}
	for _, c := range refused {
		f.Add(c.given)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := address.Parse(s)
		slow, slowErr := address.ParseAny(strings.TrimSpace(s))
		if a != slow || (err == nil) != (slowErr == nil) {
			t.Fatalf("the short way gives %+v (%v), the long one %+v (%v)", a, err, slow, slowErr)
		}
		if err != nil {
			var invalid *address.Invalid
			if !errors.As(err, &invalid) || invalid.Reason == "" || invalid.Detail == "" || !a.IsZero() {
				t.Fatalf("refused without a reason: %#v", err)
			}
			return
		}
		checkKey(t, a)
		if len(a.Wire()) > 254 || len(a.Local()) > 64 || a.Domain() != strings.ToLower(a.Domain()) {
			t.Fatalf("%q breaks a limit", a.Wire())
		}
	})
}
