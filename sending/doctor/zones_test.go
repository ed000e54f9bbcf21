package doctor_test

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"facteur/internal/dnstest"
	"facteur/sending/doctor"
)

// public is a p= with an RSA key of a length; nobody has its private half.
func public(t testing.TB, bits int) string {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// quoted is a text as a zone file has it.
func quoted(text string) string {
	var parts []string
	for chunk := range slices.Chunk([]byte(text), 255) {
		parts = append(parts, `"`+string(chunk)+`"`)
	}
	return strings.Join(parts, " ")
}

// right are the records of a domain with which all is well.
func right(t testing.TB) map[string]string {
	return map[string]string{
		"MX news.example.":                                 "10 mx.news.example.",
		"A mx.news.example.":                               "192.0.2.25",
		"TXT bounces.news.example.":                        `"v=spf1 ip4:192.0.2.1 -all"`,
		"MX bounces.news.example.":                         "10 mx.news.example.",
		"TXT s1._domainkey.news.example.":                  quoted("v=DKIM1; k=rsa; p=" + public(t, 2048)),
		"TXT _dmarc.news.example.":                         `"v=DMARC1; p=reject; rua=mailto:d@news.example"`,
		"PTR 1.2.0.192.in-addr.arpa.":                      "out.news.example.",
		"A out.news.example.":                              "192.0.2.1",
		"TXT _mta-sts.news.example.":                       `"v=STSv1; id=20260101"`,
		"TXT _smtp._tls.news.example.":                     `"v=TLSRPTv1; rua=mailto:t@news.example"`,
		"A 9.2.0.192.bl.test.":                             "127.0.0.3",
		"TXT 9.2.0.192.bl.test.":                           `"see https://bl.test/"`,
		"PTR 9.2.0.192.in-addr.arpa.":                      "nine.news.example.",
		"A nine.news.example.":                             "192.0.2.9",
		"PTR 5.2.0.192.in-addr.arpa.":                      "192-0-2-5.dsl.example.",
		"A 192-0-2-5.dsl.example.":                         "192.0.2.5",
		"AAAA six.news.example.":                           "2001:db8::1",
		"PTR " + arpa6:                                     "six.news.example.",
		"TXT ten.news.example.":                            `"v=spf1 a:a1.news.example a:a2.news.example a:a3.news.example a:a4.news.example a:a5.news.example a:a6.news.example a:a7.news.example a:a8.news.example a:a9.news.example a:a10.news.example -all"`,
		"TXT loop.news.example.":                           `"v=spf1 include:bounces.news.example -all"`,
		"TXT bad.news.example.":                            `"v=spf1 ip4:192.0.2.300 -all"`,
		"TXT esp.example.":                                 `"v=spf1 ip4:192.0.2.0/24 -all"`,
		"TXT news.example._report._dmarc.reports.example.": `"v=DMARC1"`,
	}
}

const arpa6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."

// lists are the block lists of the tests.
const lists = `
bl.test  ; ip4 ip6 ; error   ; Big list   ; 2=spam, 3-5=traps ; https://bl.test/off
weak.test; ip4     ; warning ; Weak list  ; 2=spam            ; https://weak.test/off
dom.test ; domain  ; error   ; Names      ; &8=phishing, &64=spam ; https://dom.test/off
`

type zoneCase struct {
	name    string
	records map[string]string // replace those that are right; "" removes them; lines between \n are several
	faults  map[string]dnstest.Fault
	subject func(*doctor.Subject)
	want    string // all codes that are not ok
	lost    string // the ok codes that are not there
	also    string // what the findings must say somewhere
	lists   string // block lists, if others
}

func egress(ips ...string) func(*doctor.Subject) {
	return func(s *doctor.Subject) {
		s.Egress = nil
		for _, ip := range ips {
			s.Egress = append(s.Egress, netip.MustParseAddr(ip))
		}
	}
}

func spf(text string) map[string]string {
	return map[string]string{"TXT bounces.news.example.": quoted(text)}
}

func dkim(text string) map[string]string {
	return map[string]string{"TXT s1._domainkey.news.example.": quoted(text)}
}

func dmarc(text string) map[string]string {
	return map[string]string{"TXT _dmarc.news.example.": quoted(text)}
}

func from(domain, returnPath string) func(*doctor.Subject) {
	return func(s *doctor.Subject) { s.Domain, s.ReturnPath = domain, returnPath }
}

const (
	spfTXT   = "TXT bounces.news.example."
	dkimTXT  = "TXT s1._domainkey.news.example."
	dmarcTXT = "TXT _dmarc.news.example."
)

func zoneCases(t *testing.T) []zoneCase {
	all := "v=spf1 ip4:192.0.2.1 "
	var a11, mx11 string
	addresses := map[string]string{}
	for i := range 11 {
		a11 += fmt.Sprintf("a:a%d.news.example ", i)
		mx11 += fmt.Sprintf("%d a%d.news.example.\n", i, i)
		addresses[fmt.Sprintf("A a%d.news.example.", i)] = "192.0.2.200"
	}
	with := func(m map[string]string, more ...map[string]string) map[string]string {
		for _, o := range more {
			for k, v := range o {
				m[k] = v
			}
		}
		return m
	}
	ed := base64.StdEncoding.EncodeToString(make([]byte, ed25519.PublicKeySize))
	return []zoneCase{
		{name: "all right"},
		{name: "all right over TCP", faults: map[string]dnstest.Fault{"news.example.": dnstest.Truncated, "bounces.news.example.": dnstest.Truncated, "s1._domainkey.news.example.": dnstest.Truncated, "_dmarc.news.example.": dnstest.Truncated, "9.2.0.192.bl.test.": dnstest.Truncated}},

		{name: "no SPF", records: map[string]string{spfTXT: ""}, want: "spf_missing", lost: "spf_pass", also: "v=spf1 ip4:192.0.2.1 -all"},
		{name: "other texts but no SPF", records: spf("google-site-verification=1"), want: "spf_missing", lost: "spf_pass"},
		{name: "two SPF records", records: map[string]string{spfTXT: "\"v=spf1 ip4:192.0.2.1 -all\"\n\"v=spf1 mx -all\""}, want: "spf_several", lost: "spf_pass"},
		{name: "SPF in quotes", records: map[string]string{spfTXT: `"\"v=spf1 -all\""`}, want: "spf_syntax", lost: "spf_pass"},
		{name: "SPF version", records: spf("v=spf1; ip4:192.0.2.1"), want: "spf_syntax", lost: "spf_pass"},
		{name: "SPF mistake", records: spf(all + "ip4:192.0.2 -all"), want: "spf_syntax", also: "192.0.2"}, // the address matches before
		{name: "SPF unknown mechanism", records: spf("v=spf1 ipv4:192.0.2.1 -all"), want: "spf_syntax", lost: "spf_pass"},
		{name: "11 look-ups", records: with(spf(all+a11+"-all"), addresses), want: "spf_lookups", also: "11 times"},
		{name: "10 look-ups", records: with(spf(all+strings.Replace(a11, "a:a0.news.example ", "", 1)+"-all"), addresses)},
		{name: "11 look-ups by an include", records: with(spf(all+"include:ten.news.example -all"), addresses), want: "spf_lookups"},
		{name: "what stands behind all does not count", records: spf(all + "-all " + a11)},
		{name: "3 void look-ups", records: spf(all + "a:no1.news.example a:no2.news.example exists:no3.news.example -all"), want: "spf_void"},
		{name: "2 void look-ups", records: spf(all + "a:no1.news.example a:no2.news.example exists:%{i}.x.news.example -all")},
		{name: "+all", records: spf("v=spf1 +all"), want: "spf_all_pass"},
		{name: "all without a sign", records: spf("v=spf1 all"), want: "spf_all_pass"},
		{name: "?all", records: spf(all + "?all"), want: "spf_all_neutral"},
		{name: "no all", records: spf(all), want: "spf_all_missing"},
		{name: "ptr", records: spf(all + "ptr -all"), want: "spf_ptr"},
		{name: "redirect", records: spf("v=spf1 redirect=esp.example")},
		{name: "include", records: spf("v=spf1 include:esp.example ~all")},
		{name: "included record broken", records: spf(all + "include:bad.news.example -all"), want: "spf_include_broken"},
		{name: "included record missing", records: spf(all + "include:none.example -all"), want: "spf_include_broken"},
		{name: "SPF loop", records: spf(all + "include:loop.news.example -all"), want: "spf_loop"},
		{name: "mx with too many exchangers", records: with(spf(all+"mx:many.news.example -all"), addresses, map[string]string{"MX many.news.example.": strings.TrimSpace(mx11)}), want: "spf_exchangers"},
		{name: "not allowed", records: spf("v=spf1 ip4:198.51.100.1 -all"), want: "spf_not_allowed", lost: "spf_pass", also: "v=spf1 ip4:192.0.2.1 ip4:198.51.100.1 -all"},
		{name: "IPv6 not allowed", subject: egress("192.0.2.1", "2001:db8::1"), want: "spf_not_allowed", also: "v=spf1 ip6:2001:db8::1 ip4:192.0.2.1 -all"},
		{name: "addresses not known", subject: egress(), want: "spf_not_judged blocklist_domain_only", lost: "spf_pass ptr_ok"},
		{name: "private address", subject: egress("192.0.2.1", "10.0.0.5"), want: "egress_private"},
		{name: "SPF lame", faults: map[string]dnstest.Fault{spfTXT: dnstest.Lame}, want: "spf_unknown", lost: "spf_pass"},
		{name: "SPF refused", faults: map[string]dnstest.Fault{spfTXT: dnstest.Refused}, want: "spf_unknown", lost: "spf_pass"},
		{name: "SPF server failure", faults: map[string]dnstest.Fault{spfTXT: dnstest.Broken}, want: "spf_unknown", lost: "spf_pass"},
		{name: "included server failure", records: spf("v=spf1 include:esp.example -all"), faults: map[string]dnstest.Fault{"esp.example.": dnstest.Broken}, want: "spf_unknown", lost: "spf_pass"},
		{name: "a with one kind of address failing", records: spf("v=spf1 ip4:192.0.2.1 a:half.news.example -all"), faults: map[string]dnstest.Fault{"AAAA half.news.example.": dnstest.Broken}, want: "spf_unknown"},

		{name: "no key", records: map[string]string{dkimTXT: ""}, want: "dkim_missing", lost: "dkim_ok", also: "k=rsa; p="},
		{name: "no selector known", subject: func(s *doctor.Subject) { s.Keys = nil }, want: "dkim_not_looked_at", lost: "dkim_ok"},
		{name: "selector alone", subject: func(s *doctor.Subject) { s.Keys = []doctor.Key{{Selector: "s1"}} }},
		{name: "revoked key", records: dkim("v=DKIM1; p="), want: "dkim_revoked", lost: "dkim_ok"},
		{name: "512 bits", records: dkim("v=DKIM1; p=" + public(t, 512)), subject: func(s *doctor.Subject) { s.Keys[0].Public = public(t, 512) }, want: "dkim_short", lost: "dkim_ok", also: "512"},
		{name: "1024 bits", records: dkim("p=" + public(t, 1024)), subject: func(s *doctor.Subject) { s.Keys[0].Public = public(t, 1024) }, want: "dkim_weak"},
		{name: "wrong key", records: dkim("v=DKIM1; p=" + public(t, 2047)), subject: func(s *doctor.Subject) { s.Keys[0].Public = public(t, 2048) }, want: "dkim_mismatch dkim_weak", lost: "dkim_ok"},
		{name: "wrong type", records: dkim("v=DKIM1; k=ed25519; p=" + ed), want: "dkim_mismatch", lost: "dkim_ok"},
		{name: "Ed25519", records: dkim("v=DKIM1; k=ed25519; p=" + ed), subject: func(s *doctor.Subject) { s.Keys[0].Type, s.Keys[0].Public = "ed25519", ed }},
		{name: "key cut off", records: dkim("v=DKIM1; p=" + public(t, 2048)[:255]), want: "dkim_syntax", lost: "dkim_ok"},
		{name: "key with spaces", records: dkim("v=DKIM1; p=" + public(t, 2048)[:100] + " \t" + public(t, 2048)[100:])},
		{name: "key without p", records: dkim("v=DKIM1; k=rsa"), want: "dkim_syntax", lost: "dkim_ok"},
		{name: "key version", records: dkim("v=DKIM2; p=" + public(t, 2048)), want: "dkim_syntax", lost: "dkim_ok"},
		{name: "key of unknown type", records: dkim("k=x25519; p=AAAA"), subject: func(s *doctor.Subject) { s.Keys = []doctor.Key{{Selector: "s1"}} }, want: "dkim_type", lost: "dkim_ok"},
		{name: "two keys at a name", records: map[string]string{dkimTXT: "\"v=DKIM1; p=\"\n\"v=DKIM1; p=AAAA\""}, want: "dkim_several", lost: "dkim_ok"},
		{name: "key by an alias", records: map[string]string{dkimTXT: "", "CNAME s1._domainkey.news.example.": "s1.esp.example.", "TXT s1.esp.example.": quoted("v=DKIM1; p=" + public(t, 2048))}, want: "dkim_cname", also: "s1.esp.example"},
		{name: "key by an alias to nothing", records: map[string]string{dkimTXT: "", "CNAME s1._domainkey.news.example.": "s1.esp.example."}, want: "dkim_missing", lost: "dkim_ok"},
		{name: "key being tried", records: dkim("v=DKIM1; t=y:s; p=" + public(t, 2048)), want: "dkim_testing"},
		{name: "key for SHA-1", records: dkim("v=DKIM1; h=sha1; p=" + public(t, 2048)), want: "dkim_hash", lost: "dkim_ok"},
		{name: "key not for mail", records: dkim("v=DKIM1; s=tlsrpt; p=" + public(t, 2048)), want: "dkim_service", lost: "dkim_ok"},
		{name: "key refused", faults: map[string]dnstest.Fault{dkimTXT: dnstest.Refused}, want: "dkim_unknown", lost: "dkim_ok"},
		{name: "key too long for a lame TCP", faults: map[string]dnstest.Fault{dkimTXT: dnstest.Deaf}, want: "dkim_unknown", lost: "dkim_ok"},
		{name: "key as garbage", faults: map[string]dnstest.Fault{dkimTXT: dnstest.Garbage}, want: "dkim_unknown", lost: "dkim_ok"},

		{name: "no DMARC", records: map[string]string{dmarcTXT: ""}, want: "dmarc_missing", lost: "dmarc_ok"},
		{name: "two DMARC records", records: map[string]string{dmarcTXT: "\"v=DMARC1; p=none\"\n\"v=DMARC1; p=reject\""}, want: "dmarc_several", lost: "dmarc_ok"},
		{name: "DMARC small", records: dmarc("v=dmarc1; p=none"), want: "dmarc_syntax", lost: "dmarc_ok"},
		{name: "DMARC beside others", records: map[string]string{dmarcTXT: "\"hello\"\n\"v=DMARC1; p=reject; rua=mailto:d@news.example\""}},
		{name: "DMARC policy misspelt", records: dmarc("v=DMARC1; p=rejected"), want: "dmarc_syntax", lost: "dmarc_ok"},
		{name: "DMARC without policy", records: dmarc("v=DMARC1; rua=mailto:d@news.example"), want: "dmarc_syntax", lost: "dmarc_ok"},
		{name: "DMARC none", records: dmarc("v=DMARC1; p=none; rua=mailto:d@news.example"), want: "dmarc_p_none"},
		{name: "DMARC without reports", records: dmarc("v=DMARC1; p=reject"), want: "dmarc_rua_missing"},
		{name: "DMARC reports elsewhere", records: dmarc("v=DMARC1; p=reject; rua=mailto:d@reports.example")},
		{name: "DMARC reports nobody takes", records: dmarc("v=DMARC1; p=reject; rua=mailto:d@other.example!10m"), want: "dmarc_rua_refused", also: "news.example._report._dmarc.other.example. TXT"},
		{name: "DMARC reports to no address", records: dmarc("v=DMARC1; p=reject; rua=mailto:d@other example"), want: "dmarc_rua_refused"},
		{name: "DMARC server failure", faults: map[string]dnstest.Fault{dmarcTXT: dnstest.Broken}, want: "dmarc_unknown", lost: "dmarc_ok"},
		{name: "sub-domain", subject: from("letters.news.example", "bounces.news.example"), records: map[string]string{"TXT s1._domainkey.letters.news.example.": quoted("p=" + public(t, 2048)), "MX letters.news.example.": "10 mx.news.example."}, want: "mta_sts_missing tls_rpt_missing", lost: "mta_sts_ok tls_rpt_ok"},
		{name: "sub-domain with a weaker policy", subject: from("letters.news.example", "bounces.news.example"), records: map[string]string{
			"TXT s1._domainkey.letters.news.example.": quoted("p=" + public(t, 2048)), "MX letters.news.example.": "10 mx.news.example.", dmarcTXT: `"v=DMARC1; p=reject; sp=none; rua=mailto:d@news.example"`,
		}, want: "dmarc_sp_weaker dmarc_p_none mta_sts_missing tls_rpt_missing", lost: "mta_sts_ok tls_rpt_ok"},
		{name: "sub-domain with a record of its own", subject: from("letters.news.example", "bounces.news.example"), records: map[string]string{
			"TXT s1._domainkey.letters.news.example.": quoted("p=" + public(t, 2048)), "MX letters.news.example.": "10 mx.news.example.", dmarcTXT: "", "TXT _dmarc.letters.news.example.": `"v=DMARC1; p=quarantine; sp=none; rua=mailto:d@news.example"`,
		}, want: "mta_sts_missing tls_rpt_missing", lost: "mta_sts_ok tls_rpt_ok"},
		{name: "sp= of the domain's own record", records: dmarc("v=DMARC1; p=reject; sp=none; rua=mailto:d@news.example")},
		{name: "envelope strict", records: dmarc("v=DMARC1; p=reject; aspf=s; rua=mailto:d@news.example"), want: "dmarc_envelope_unaligned"},
		{name: "signature strict", records: dmarc("v=DMARC1; p=reject; adkim=s; rua=mailto:d@news.example"), subject: func(s *doctor.Subject) {
			s.Keys = append(s.Keys, doctor.Key{Selector: "s1", Domain: "sig.news.example"})
		}, want: "dkim_missing dmarc_dkim_unaligned"},
		{name: "envelope of others", subject: from("news.example", "esp.example"), records: map[string]string{"MX esp.example.": "1 mx.news.example."}, want: "dmarc_envelope_unaligned"},
		{name: "nothing aligned", subject: func(s *doctor.Subject) {
			s.ReturnPath, s.Keys = "esp.example", []doctor.Key{{Selector: "k", Domain: "esp.example"}}
		}, records: map[string]string{"MX esp.example.": "1 mx.news.example.", "TXT k._domainkey.esp.example.": quoted("p=" + public(t, 2048))}, want: "dmarc_dkim_unaligned dmarc_envelope_unaligned dmarc_unaligned"},

		{name: "null MX", records: map[string]string{"MX news.example.": "0 ."}, want: "mx_null", lost: "mx_ok"},
		{name: "no MX", records: map[string]string{"MX news.example.": ""}, want: "mx_missing", lost: "mx_ok"},
		{name: "no MX but an address", records: map[string]string{"MX news.example.": "", "A news.example.": "192.0.2.80"}, want: "mx_implicit", lost: "mx_ok"},
		{name: "MX leads nowhere", records: map[string]string{"MX news.example.": "10 gone.news.example."}, want: "mx_unresolved", lost: "mx_ok"},
		{name: "one MX leads nowhere", records: map[string]string{"MX news.example.": "10 gone.news.example.\n20 mx.news.example."}, want: "mx_unresolved"},
		{name: "MX refused", faults: map[string]dnstest.Fault{"MX news.example.": dnstest.Refused}, want: "mx_unknown", lost: "mx_ok"},
		{name: "MX's address fails", faults: map[string]dnstest.Fault{"mx.news.example.": dnstest.Broken}, want: "mx_unknown return_path_unknown", lost: "mx_ok return_path_ok"},
		{name: "return path without MX", records: map[string]string{"MX bounces.news.example.": ""}, want: "return_path_missing", lost: "return_path_ok"},
		{name: "return path with a null MX", records: map[string]string{"MX bounces.news.example.": "0 ."}, want: "return_path_null", lost: "return_path_ok"},
		{name: "return path is the domain", subject: from("news.example", "news.example"), records: map[string]string{"TXT news.example.": quoted(all + "-all")}, lost: "return_path_ok"},

		{name: "no reverse name", records: map[string]string{"PTR 1.2.0.192.in-addr.arpa.": ""}, want: "ptr_missing", lost: "ptr_ok"},
		{name: "reverse name leads elsewhere", records: map[string]string{"A out.news.example.": "192.0.2.2"}, want: "ptr_unconfirmed", lost: "ptr_ok"},
		{name: "reverse name leads nowhere", records: map[string]string{"A out.news.example.": ""}, want: "ptr_unconfirmed", lost: "ptr_ok"},
		{name: "reverse name fails", faults: map[string]dnstest.Fault{"PTR 1.2.0.192.in-addr.arpa.": dnstest.Broken}, want: "ptr_unknown", lost: "ptr_ok"},
		{name: "reverse name cannot be confirmed", faults: map[string]dnstest.Fault{"out.news.example.": dnstest.Broken}, want: "ptr_unknown", lost: "ptr_ok"},
		{name: "name of any customer", subject: egress("192.0.2.5"), records: spf("v=spf1 ip4:192.0.2.5 -all"), want: "ptr_generic"},
		{name: "IPv6", subject: egress("2001:db8::1"), records: spf("v=spf1 ip6:2001:db8::/32 -all")},

		{name: "listed", subject: egress("192.0.2.9"), records: spf("v=spf1 ip4:192.0.2.9 -all"), want: "blocklist_listed", lost: "blocklist_clear", also: "Big list lists 192.0.2.9: traps (127.0.0.3), and says \"see https://bl.test/\""},
		{name: "listed as 127.0.0.2", records: map[string]string{"A 1.2.0.192.bl.test.": "127.0.0.2"}, want: "blocklist_listed", lost: "blocklist_clear", also: "https://bl.test/off"},
		{name: "listed over IPv6", subject: egress("2001:db8::1"), records: with(spf("v=spf1 ip6:2001:db8::/32 -all"), map[string]string{"A " + strings.TrimSuffix(arpa6, "ip6.arpa.") + "bl.test.": "127.0.0.4"}), want: "blocklist_listed", lost: "blocklist_clear"},
		{name: "weakly listed", records: map[string]string{"A 1.2.0.192.weak.test.": "127.0.0.2"}, want: "blocklist_listed", lost: "blocklist_clear"},
		{name: "block list refuses", records: map[string]string{"A 1.2.0.192.bl.test.": "127.255.255.254"}, want: "blocklist_refused"},
		{name: "block list limits", records: map[string]string{"A 1.2.0.192.bl.test.": "127.255.255.255", "A news.example.dom.test.": "127.0.0.1"}, want: "blocklist_refused blocklist_refused"},
		{name: "block list sold", records: map[string]string{"A 1.2.0.192.bl.test.": "203.0.113.5"}, want: "blocklist_refused"},
		{name: "block list lists everything", records: map[string]string{"A 1.2.0.192.bl.test.": "127.0.0.2", "A 1.0.0.127.bl.test.": "127.0.0.2"}, want: "blocklist_refused"},
		{name: "block list code not known", records: map[string]string{"A 1.2.0.192.bl.test.": "127.0.0.77"}, want: "blocklist_refused"},
		{name: "block list code not known beside a listing", records: map[string]string{"A 1.2.0.192.bl.test.": "127.0.0.77\n127.0.0.2"}, want: "blocklist_listed", lost: "blocklist_clear"},
		{name: "block list fails", faults: map[string]dnstest.Fault{"1.2.0.192.bl.test.": dnstest.Broken}, want: "blocklist_unknown"},
		{name: "domain listed", records: map[string]string{"A news.example.dom.test.": "127.0.0.72"}, want: "blocklist_listed", lost: "blocklist_clear", also: "phishing, spam"},

		{name: "no MTA-STS, no TLS-RPT", records: map[string]string{"TXT _mta-sts.news.example.": "", "TXT _smtp._tls.news.example.": ""}, want: "mta_sts_missing tls_rpt_missing", lost: "mta_sts_ok tls_rpt_ok"},
		{name: "MTA-STS without id", records: map[string]string{"TXT _mta-sts.news.example.": `"v=STSv1"`}, want: "mta_sts_syntax", lost: "mta_sts_ok"},
		{name: "TLS-RPT fails", faults: map[string]dnstest.Fault{"_smtp._tls.news.example.": dnstest.Refused}, want: "tls_rpt_unknown", lost: "tls_rpt_ok"},
	}
}

func TestCheck_FindsExactlyWhatIsWrong(t *testing.T) {
	cases := zoneCases(t)
	if len(cases) < 40 {
		t.Fatal(len(cases))
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			// What stays silent is waited for; what answers must not be missed on a busy machine.
			patience := 30 * time.Second
			for _, f := range c.faults {
				if f == dnstest.Deaf || f == dnstest.Silent || f == dnstest.Garbage {
					patience = 4 * time.Second
				}
			}
			r := check(t, c, patience)
			want := strings.Fields(c.want)
			for _, code := range []string{"spf_pass", "dkim_ok", "dmarc_ok", "mx_ok", "return_path_ok", "ptr_ok", "blocklist_clear", "mta_sts_ok", "tls_rpt_ok"} {
				if !slices.Contains(strings.Fields(c.lost), code) {
					want = append(want, code)
				}
			}
			same(t, r, want)
			if text := printed(t, r); !strings.Contains(unwrapped(text), c.also) {
				t.Errorf("no %q in:\n%s", c.also, text)
			}
		})
	}
}

// same compares the codes of a report; several findings that are ok count once.
func same(t *testing.T, r doctor.Report, want []string) {
	t.Helper()
	var got []string
	for _, f := range r.Findings {
		if f.Severity != doctor.OK || !slices.Contains(got, f.Code) {
			got = append(got, f.Code)
		}
		if f.Message == "" || f.Fix == "" && (f.Severity == doctor.Error || f.Severity == doctor.Warning) {
			t.Errorf("%s does not say what to do: %+v", f.Code, f)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s\n%s", got, want, printed(t, r))
	}
}

// check examines the domain of a case with a server of its own.
func check(t *testing.T, c zoneCase, patience time.Duration) doctor.Report {
	t.Helper()
	records := right(t)
	for k, v := range c.records {
		records[k] = v
	}
	var zone strings.Builder
	for k, v := range records {
		kind, name, _ := strings.Cut(k, " ")
		for line := range strings.SplitSeq(v, "\n") {
			if line != "" {
				fmt.Fprintf(&zone, "%s IN %s %s\n", name, kind, line)
			}
		}
	}
	server := dnstest.Serve(t, zone.String(), c.faults)
	if c.lists == "" {
		c.lists = lists
	}
	parsed, err := doctor.ParseBlocklists(c.lists)
	if err != nil {
		t.Fatal(err)
	}
	d, err := doctor.New(doctor.Options{DNS: server.Addr(), Patience: patience, Lists: parsed})
	if err != nil {
		t.Fatal(err)
	}
	s := doctor.Subject{
		Domain: "news.example", ReturnPath: "bounces.news.example", Egress: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
		Keys: []doctor.Key{{Selector: "s1", Type: "rsa", Public: public(t, 2048)}},
	}
	if c.subject != nil {
		c.subject(&s)
	}
	began := time.Now()
	r := d.Check(t.Context(), s)
	if took := time.Since(began); took > patience+time.Second {
		t.Errorf("it took %s of %s", took, patience)
	}
	return r
}

func printed(t *testing.T, r doctor.Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.Print(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// unwrapped is the report with all its words in one line.
func unwrapped(text string) string { return strings.Join(strings.Fields(text), " ") }
