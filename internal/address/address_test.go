package address_test

import (
	"errors"
	"strings"
	"testing"

	"facteur/internal/address"
)

func local(n int) string { return strings.Repeat("l", n) }

// domain has n octets in labels of up to 57.
func domain(n int) string {
	var b strings.Builder
	for n-b.Len() > 60 {
		b.WriteString(strings.Repeat("d", 49) + ".")
	}
	return b.String() + strings.Repeat("e", n-b.Len()-3) + ".fr"
}

var accepted = []struct{ why, given, wire, key string }{
	{"plain", "ann@example.com", "ann@example.com", "ann@example.com"},
	{"upper case stays in the local part", "Ann.B@Example.COM", "Ann.B@example.com", "ann.b@example.com"},
	{"space around is dropped", " \tann@example.com\r\n", "ann@example.com", "ann@example.com"},
	{"invisible marks around are dropped", "\u202aann@example.com\u202c\u200b", "ann@example.com", "ann@example.com"},
	{"byte order mark in front is dropped", "\ufeffann@example.com", "ann@example.com", "ann@example.com"},
	{"non-breaking space around is dropped", "\u00a0ann@example.com\u00a0", "ann@example.com", "ann@example.com"},
	{"one letter each", "a@b.c", "a@b.c", "a@b.c"},
	{"dots are not folded", "a.n.n@gmail.com", "a.n.n@gmail.com", "a.n.n@gmail.com"},
	{"tags are not folded", "ann+news@gmail.com", "ann+news@gmail.com", "ann+news@gmail.com"},
	{"all of atext", "!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com"},
	{"digits only", "1234567890@example.com", "1234567890@example.com", "1234567890@example.com"},
	{"hyphens at the ends of the local part", "-ann-@example.com", "-ann-@example.com", "-ann-@example.com"},
	{"hyphen in domain", "ann@my-example.com", "ann@my-example.com", "ann@my-example.com"},
	{"hyphens in third and fourth place", "ann@r3--sn.example.com", "ann@r3--sn.example.com", "ann@r3--sn.example.com"},
	{"digits in domain", "ann@123.com", "ann@123.com", "ann@123.com"},
	{"digits and letters at the top", "ann@example.c0m", "ann@example.c0m", "ann@example.c0m"},
	{"many labels", "ann@a.b.c.d.e.f.g.example.co.uk", "ann@a.b.c.d.e.f.g.example.co.uk", "ann@a.b.c.d.e.f.g.example.co.uk"},
	{"local part of 64 octets", local(64) + "@example.com", local(64) + "@example.com", local(64) + "@example.com"},
	{"label of 63 octets", "a@" + local(63) + ".com", "a@" + local(63) + ".com", "a@" + local(63) + ".com"},
	{"254 octets", "ab@" + domain(251), "ab@" + domain(251), "ab@" + domain(251)},

	{"quotes that are not needed", `"ann.b"@example.com`, `"ann.b"@example.com`, "ann.b@example.com"},
	{"quoted upper case", `"Ann"@example.com`, `"Ann"@example.com`, "ann@example.com"},
	{"quoted space", `"ann b"@example.com`, `"ann b"@example.com`, `"ann b"@example.com`},
	{"quoted @", `"ann@home"@example.com`, `"ann@home"@example.com`, `"ann@home"@example.com`},
	{"quoted double dot", `"ann..b"@example.com`, `"ann..b"@example.com`, `"ann..b"@example.com`},
	{"quoted dot at the end", `"ann."@example.com`, `"ann."@example.com`, `"ann."@example.com`},
	{"quoted brackets and comma", `"<a>,(b)[c]"@example.com`, `"<a>,(b)[c]"@example.com`, `"<a>,(b)[c]"@example.com`},
	{"quoted quote", `"a\"b"@example.com`, `"a\"b"@example.com`, `"a\"b"@example.com`},
	{"quoted backslash", `"a\\b"@example.com`, `"a\\b"@example.com`, `"a\\b"@example.com`},
	{"backslashes that are not needed", `"\a\n\n"@example.com`, `"\a\n\n"@example.com`, "ann@example.com"},
	{"one quoted space", `" "@example.com`, `" "@example.com`, `" "@example.com`},
	{"empty quotes", `""@example.com`, `""@example.com`, `""@example.com`},
	{"quoted with international domain", `"a b"@bücher.example`, `"a b"@xn--bcher-kva.example`, `"a b"@xn--bcher-kva.example`},
	{"quoted UTF-8", `"é è"@example.com`, `"é è"@example.com`, `"é è"@example.com`},

	{"UTF-8 local part", "Zoé@example.com", "Zoé@example.com", "zoé@example.com"},
	{"decomposed local part stays on the wire", "zoe\u0301@example.com", "zoe\u0301@example.com", "zo\u00e9@example.com"},
	{"Chinese", "用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v", "用户@xn--fsqu00a.xn--4rr70v"},
	{"Hindi", "अजय@डाटा.भारत", "अजय@xn--c2bd1gb.xn--h2brj9c", "अजय@xn--c2bd1gb.xn--h2brj9c"},
	{"Ukrainian upper case", "КВІТОЧКА@пошта.укр", "КВІТОЧКА@xn--80a1acn3a.xn--j1amh", "квіточка@xn--80a1acn3a.xn--j1amh"},
	{"Greek with final sigma", "ΘΣ@εχαμπλε.ψομ", "ΘΣ@xn--mxahbxey0c.xn--xxaf0a", "θσ@xn--mxahbxey0c.xn--xxaf0a"},
	{"German sharp s folds in the local part", "Dörte@Sörensen.example.com", "Dörte@xn--srensen-90a.example.com", "dörte@xn--srensen-90a.example.com"},
	{"sharp s in the domain is its own letter", "a@straße.de", "a@xn--strae-oqa.de", "a@xn--strae-oqa.de"},
	{"sharp s and ss are one key before the @", "straße@example.com", "straße@example.com", "strasse@example.com"},
	{"A-label", "ann@XN--BCHER-KVA.example", "ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"},
	{"ideographic full stop", "ann@例子。com", "ann@xn--fsqu00a.com", "ann@xn--fsqu00a.com"},
	{"full-width domain", "ann@ｅｘａｍｐｌｅ.com", "ann@example.com", "ann@example.com"},
	{"emoji local part", "🦄@example.com", "🦄@example.com", "🦄@example.com"},
	{"symbols are for the registry to judge (UTS 46)", "ann@i❤.ws", "ann@xn--i-7iq.ws", "ann@xn--i-7iq.ws"},
	{"Cherokee folds to upper case", "ꭰᎡ@example.com", "ꭰᎡ@example.com", "ᎠᎡ@example.com"},
	{"character that normalizes to punctuation", "a\u037eb@example.com", "a\u037eb@example.com", `"a;b"@example.com`},
}

var refused = []struct {
	why, given string
	reason     address.Reason
}{
	{"nothing", "", address.Empty},
	{"only space", " \t ", address.Empty},
	{"only marks", "\u200b\ufeff", address.Empty},
	{"a word", "ann", address.NoAt},
	{"a domain", "example.com", address.NoAt},
	{"word at", "ann at example.com", address.NoAt},
	{"full-width @", "ann＠example.com", address.NoAt},
	{"only @", "@", address.BadLocal},
	{"no local part", "@example.com", address.BadLocal},
	{"no domain", "ann@", address.BadDomain},

	{"dot first", ".ann@example.com", address.BadLocal},
	{"dot last", "ann.@example.com", address.BadLocal},
	{"two dots", "ann..b@example.com", address.BadLocal},
	{"only a dot", ".@example.com", address.BadLocal},
	{"space", "ann b@example.com", address.BadLocal},
	{"space before @", "ann @example.com", address.BadLocal},
	{"comma", "ann,b@example.com", address.BadLocal},
	{"semicolon", "ann;b@example.com", address.BadLocal},
	{"colon", "mailto:ann@example.com", address.BadLocal},
	{"backslash", `ann\@b@example.com`, address.BadLocal},
	{"brackets", "ann[b]@example.com", address.BadLocal},
	{"IPv4 as local part is fine, a bracket is not", "[127.0.0.1]@example.com", address.BadLocal},

	{"open quote", `"ann@example.com`, address.BadQuoted},
	{"one quote", `"@example.com`, address.BadQuoted},
	{"quote in the middle", `ann"b"c@example.com`, address.BadQuoted},
	{"quote at the end", `ann"@example.com`, address.BadQuoted},
	{"text after quotes", `"ann"b@example.com`, address.BadQuoted},
	{"two quoted strings", `"ann""b"@example.com`, address.BadQuoted},
	{"quoted string as a word of a dot-atom", `"ann".b@example.com`, address.BadQuoted},
	{"word before a quoted string", `ann."b"@example.com`, address.BadQuoted},
	{"escaped closing quote", `"ann\"@example.com`, address.BadQuoted},
	{"backslash at the very end", `"ann@\`, address.BadQuoted},
	{"backslash before UTF-8", `"\é"@example.com`, address.BadQuoted},
	{"nothing after quotes", `"ann@example.com"`, address.BadQuoted},

	{"two @", "ann@home@example.com", address.SeveralAt},
	{"double @", "ann@@example.com", address.SeveralAt},
	{"two addresses", "ann@example.com, bob@example.com", address.SeveralAt},
	{"two addresses with semicolon", "ann@example.com;bob@example.com", address.SeveralAt},

	{"single label", "ann@localhost", address.SingleLabel},
	{"top-level domain", "ann@com", address.SingleLabel},
	{"international single label", "ann@bücher", address.SingleLabel},
	{"dot first in domain", "ann@.example.com", address.BadDomain},
	{"two dots in domain", "ann@example..com", address.BadDomain},
	{"dot last in domain", "ann@example.com.", address.BadDomain},
	{"only dots", "ann@..", address.BadDomain},
	{"hyphen first", "ann@-example.com", address.BadDomain},
	{"hyphen last", "ann@example-.com", address.BadDomain},
	{"underscore", "ann@ex_ample.com", address.BadDomain},
	{"space in domain", "ann@exa mple.com", address.BadDomain},
	{"comma in domain", "ann@example,com", address.BadDomain},
	{"slash in domain", "ann@example.com/x", address.BadDomain},
	{"quoted domain", `ann@"example.com"`, address.BadDomain},
	{"IPv4 without brackets", "ann@192.0.2.1", address.BadDomain},
	{"number at the top", "ann@example.123", address.BadDomain},

	{"IPv4 literal", "ann@[192.0.2.1]", address.AddressLiteral},
	{"IPv6 literal", "ann@[IPv6:2001:db8::1]", address.AddressLiteral},
	{"general literal", "ann@[tag:content]", address.AddressLiteral},
	{"open literal", "ann@[192.0.2.1", address.AddressLiteral},

	{"local part of 65 octets", local(65) + "@example.com", address.LocalTooLong},
	{"quotes count", `"` + local(63) + `"@example.com`, address.LocalTooLong},
	{"UTF-8 counts in octets", strings.Repeat("é", 33) + "@example.com", address.LocalTooLong},
	{"label of 64 octets", "a@" + local(64) + ".com", address.LabelTooLong},
	{"A-label over 63 octets", "a@" + strings.Repeat("ü", 60) + ".example", address.LabelTooLong},
	{"255 octets", "abc@" + domain(251), address.TooLong},
	{"too long only as A-labels", local(40) + "@" + strings.Repeat("üöä.", 21) + "com", address.TooLong},
	{"domain over 253 octets", "a@" + domain(254), address.DomainTooLong},
	{"ten thousand octets", local(10_000) + "@example.com", address.TooLong},

	{"punycode that is none", "ann@xn--a.example", address.BadIDN},
	{"punycode of plain ASCII", "ann@xn--example-.com", address.BadIDN},
	{"joiner out of context", "ann@exam\u200dple.com", address.BadIDN},
	{"symbol that would become a slash", "ann@a℀b.com", address.BadIDN},
	{"international name with an underscore", "ann@bü_cher.com", address.BadIDN},
	{"label that starts with a combining mark", "ann@\u0301abc.com", address.BadIDN},
	{"full-width @ in the domain", "ann@bob＠example.com", address.BadIDN},
	{"right-to-left label with a Latin letter", "ann@aא.com", address.BadIDN},

	{"newline inside", "ann@example.com\nbcc: x@y.z", address.ControlCharacter},
	{"carriage return inside quotes", "\"ann\rb\"@example.com", address.ControlCharacter},
	{"tab inside", "ann\t@example.com", address.ControlCharacter},
	{"NUL", "ann\x00@example.com", address.ControlCharacter},
	{"DEL", "ann\x7f@example.com", address.ControlCharacter},
	{"C1 control", "ann\u0085b@example.com", address.ControlCharacter},
	{"zero-width space inside", "an\u200bn@example.com", address.InvisibleCharacter},
	{"right-to-left override inside", "an\u202en@example.com", address.InvisibleCharacter},
	{"non-breaking space inside", "ann\u00a0b@example.com", address.InvisibleCharacter},
	{"line separator inside", "ann\u2028b@example.com", address.InvisibleCharacter},
	{"private use", "ann\ue000@example.com", address.InvisibleCharacter},
	{"unassigned", "ann\U000e0fff@example.com", address.InvisibleCharacter},
	{"soft hyphen in the domain", "ann@exam\u00adple.com", address.InvisibleCharacter},
	{"Latin-1 bytes", "zo\xe9@example.com", address.NotUTF8},
	{"replacement character", "zo\ufffd@example.com", address.NotUTF8},

	{"name and brackets", "Ann Bee <ann@example.com>", address.DisplayName},
	{"quoted name and brackets", `"Ann Bee" <ann@example.com>`, address.DisplayName},
	{"quoted name close to brackets", `"Ann"<ann@example.com>`, address.DisplayName},
	{"only brackets", "<ann@example.com>", address.DisplayName},
	{"closing bracket", "ann@example.com>", address.DisplayName},
	{"source route", "<@a.example,@b.example:ann@example.com>", address.DisplayName},
	{"comment before", "(work)ann@example.com", address.Comment},
	{"comment after the local part", "ann(work)@example.com", address.Comment},
	{"comment with space", "ann (work)@example.com", address.Comment},
	{"comment in the domain", "ann@(work)example.com", address.Comment},
	{"comment at the end", "ann@example.com (Ann)", address.Comment},
	{"comment after quotes", `"ann" (work)@example.com`, address.Comment},
}

func TestParse_AcceptsValidAddresses(t *testing.T) {
	for _, c := range accepted {
		a, err := address.Parse(c.given)
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		if a.Wire() != c.wire || a.Key() != c.key {
			t.Errorf("%s: Parse(%q) has wire %q and key %q, want %q and %q", c.why, c.given, a.Wire(), a.Key(), c.wire, c.key)
		}
		if a.Local()+"@"+a.Domain() != a.Wire() || !strings.HasSuffix(a.Key(), "@"+a.Domain()) {
			t.Errorf("%s: local part %q and domain %q do not make up %q and %q", c.why, a.Local(), a.Domain(), a.Wire(), a.Key())
		}
	}
}

func TestParse_RefusesWithItsReason(t *testing.T) {
	for _, c := range refused {
		a, err := address.Parse(c.given)
		var invalid *address.Invalid
		switch {
		case !errors.As(err, &invalid):
			t.Errorf("%s: Parse(%q) = %q, %v; want %s", c.why, c.given, a, err, c.reason)
		case invalid.Reason != c.reason:
			t.Errorf("%s: Parse(%q) is refused as %s (%s), want %s", c.why, c.given, invalid.Reason, invalid.Detail, c.reason)
		case invalid.Detail == "" || len(invalid.Error()) > 1000:
			t.Errorf("%s: poor words: %v", c.why, err)
		case !a.IsZero():
			t.Errorf("%s: a refused address is not zero: %q", c.why, a)
		}
	}
}

func TestParse_SaysWhereAndWhat(t *testing.T) {
	for given, want := range map[string]string{
		"ann b@example.com":      `invalid e-mail address "ann b@example.com": position 4: a space is allowed only in quotes`,
		"Ann <ann@example.com>":  `invalid e-mail address "Ann <ann@example.com>": give only the address, without name and angle brackets`,
		"ann@ex_ample.com":       `invalid e-mail address "ann@ex_ample.com": a domain may not hold '_'`,
		"ann@bü!cher.example":    `invalid e-mail address "ann@bü!cher.example": the domain is no valid international name: it may not hold U+0021`,
		"ann@example.com\r\nX: ": `invalid e-mail address "ann@example.com\r\nX:": position 16 holds the control character U+000D`,
	} {
		if _, err := address.Parse(given); err == nil || err.Error() != want {
			t.Errorf("Parse(%q):\n got %v\nwant %s", given, err, want)
		}
	}
}

func TestASCII_TellsWhoNeedsSMTPUTF8(t *testing.T) {
	for given, want := range map[string]bool{
		"ann@example.com":    true,
		"ann@bücher.example": true, // the A-label is enough
		"zoé@example.com":    false,
		`"é è"@example.com`:  false,
	} {
		a, err := address.Parse(given)
		if err != nil || a.ASCII() != want {
			t.Errorf("ASCII of %q is %v, %v; want %v", given, a.ASCII(), err, want)
		}
	}
}

func TestAddress_ZeroIsNone(t *testing.T) {
	var none address.Address
	if !none.IsZero() || none.String()+none.Key()+none.Wire()+none.Local()+none.Domain() != "" {
		t.Errorf("the zero address is not empty: %+v", none)
	}
}

func BenchmarkParse(b *testing.B) {
	for name, s := range map[string]string{
		"lower":         "marie.dupont+lettre@example.co.uk",
		"upper":         "Marie.Dupont@Example.com",
		"quoted":        `"marie dupont"@example.com`,
		"international": "zoé@bücher.example",
		"refused":       "marie dupont@example.com",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				address.Parse(s)
			}
		})
	}
}
