package doctor

import (
	"bufio"
	"net/netip"
	"strings"
	"testing"
)

func TestParseSPF_Terms(t *testing.T) {
	for text, ok := range map[string]bool{
		"v=spf1": true, "v=spf1  -all": true, "V=SPF1 MX A:example.com/24//64 -ALL": true, "v=spf1 include:%{ir}.%{v}._spf.%{d2}": true,
		"v=spf1 exists:%{l1r-}.x.example exp=why.example unknown=x:y": true, "v=spf1 ip6:2001:db8::/32 ip4:192.0.2.0/24": true, "v=spf1 a//64": true,
		"v=spf1 all:x": false, "v=spf1 include": false, "v=spf1 include:": false, "v=spf1 include:com": false, "v=spf1 ip4:2001:db8::1": false, "v=spf1 ip4:192.0.2.0/33": false,
		"v=spf1 ip4:192.0.2.0/": false, "v=spf1 a/33": false, "v=spf1 a:": false, "v=spf1 mx//129": false, "v=spf1 redirect=a.example redirect=b.example": false,
		"v=spf1 exists:%{z}.x.example": false, "v=spf1 -": false, "v=spf1 include:https://x.example": false, "v=spf1 ip4": false, "v=spf1 a,mx": false, "v=spf1 redirect=": false,
	} {
		if _, err := parseSPF(text); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestUnencrypted_IsWorseFarAway(t *testing.T) {
	far := netip.MustParseAddr("192.0.2.25")
	for want, r := range map[Severity]Relay{Error: {}, Warning: {Plain: true}} {
		f := &findings{}
		if f.unencrypted(r, far); len(f.all) != 1 || f.all[0].Severity != want || f.all[0].Code != "relay_tls_missing" {
			t.Errorf("%+v", f.all)
		}
	}
}

func FuzzParseSPF(f *testing.F) {
	for _, s := range []string{"v=spf1 +all", "v=spf1 a:x.example/24//64 -mx ?ptr:x.example ~all exp=%{d}.x", "v=spf1 ip4:192.0.2.1/24 ip6:::1 redirect=_spf.example.com", "v=spf1 exists:%{ir}.%%.x.y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_ = almostSPF(text)
		if !isSPF(text) {
			return
		}
		terms, err := parseSPF(text)
		if err != nil {
			return
		}
		for _, term := range terms {
			if term.name == "" || term.name != strings.ToLower(term.name) || len(term.target) > len(text) || term.asks() && term.name != "redirect" && term.qualifier == 0 {
				t.Errorf("%q: %+v", text, term)
			}
		}
	})
}

func FuzzParseKey(f *testing.F) {
	for _, s := range []string{"v=DKIM1; k=rsa; p=", "v=DKIM1; k=ed25519; h=sha256; t=y:s; s=email; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAIAAAAAA"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := parseKey(text)
		if err == nil && (k.revoked != (k.public == "") || k.kind == "rsa" && !k.revoked && k.bits <= 0) {
			t.Errorf("%q: %+v", text, k)
		}
		// Whatever it is, judging it ends, and says something of a key that is no good.
		out := &findings{}
		out.judgeKey(Key{Selector: "s", Domain: "x.example"}, k, "Publish.")
		if err == nil && k.revoked && len(out.all) == 0 {
			t.Errorf("%q: nothing is said", text)
		}
	})
}

func FuzzParseDMARC(f *testing.F) {
	for _, s := range []string{"v=DMARC1; p=none", "v=DMARC1;p=reject;sp=none;adkim=s;aspf=r;pct=50;rua=mailto:a@b.example!10m,https://x", "v = DMARC1 ; p = quarantine ;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !isDMARC(text) {
			return
		}
		r, err := parseDMARC(text)
		if err == nil && (strength(r.policy) < 0 || r.subdomains != "" && strength(r.subdomains) < 0 || r.dkim != "r" && r.dkim != "s" || r.spf != "r" && r.spf != "s") {
			t.Errorf("%q: %+v", text, r)
		}
	})
}

func FuzzParseTags(f *testing.F) {
	f.Add("v=STSv1; id=1;")
	f.Add("v=TLSRPTv1;rua=mailto:x@y.example")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseTags(text)
		if err != nil {
			return
		}
		var again []string
		for _, tag := range list {
			again = append(again, tag.name+"="+tag.value)
		}
		if second, err := parseTags(strings.Join(again, ";")); err != nil || len(second) != len(list) {
			t.Errorf("%q became %q: %v", text, again, err)
		}
	})
}

func FuzzReadReply(f *testing.F) {
	f.Add("220-a\r\n220 b\r\n")
	f.Add("250\n")
	f.Add("554 5.7.1 no\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		code, lines, err := readReply(bufio.NewReader(strings.NewReader(text)))
		if err == nil && (code < 200 || code > 599 || len(lines) == 0) {
			t.Errorf("%q: %d %q", text, code, lines)
		}
		for _, line := range lines {
			if shown := quote(line); strings.ContainsAny(shown, "\r\n\x1b\x00") {
				t.Errorf("%q is shown raw: %s", line, shown)
			}
		}
	})
}

func FuzzParseBlocklists(f *testing.F) {
	f.Add("bl.test; ip4; error; Name; 2=x, 4-7=y, &8=z, 1.2=w; https://bl.test")
	f.Fuzz(func(t *testing.T, text string) {
		lists, err := ParseBlocklists(text)
		if err != nil {
			return
		}
		for _, b := range lists {
			for _, ip := range []string{"127.0.0.2", "127.0.1.9", "192.0.2.1"} {
				_ = b.meaning(netip.MustParseAddr(ip))
			}
			if q := b.question(netip.MustParseAddr("192.0.2.1")); q != "1.2.0.192."+b.Zone {
				t.Error(q)
			}
		}
	})
}
