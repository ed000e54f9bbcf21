package doctor_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"facteur/internal/dnstest"
	"facteur/sending/doctor"
)

// everything is all that is asked about a domain, by fault.
func everything(f dnstest.Fault) map[string]dnstest.Fault {
	faults := map[string]dnstest.Fault{}
	for _, name := range []string{
		"news.example.", "mx.news.example.", "bounces.news.example.", "s1._domainkey.news.example.", "_dmarc.news.example.", "1.2.0.192.in-addr.arpa.",
		"_mta-sts.news.example.", "_smtp._tls.news.example.", "1.2.0.192.bl.test.", "1.2.0.192.weak.test.", "news.example.dom.test.",
	} {
		faults[name] = f
	}
	return faults
}

// A server that does not answer is waited for no longer than the check's time,
// and nothing is taken for missing.
func TestCheck_ConcludesNothingFromSilence(t *testing.T) {
	for name, fault := range map[string]dnstest.Fault{"silent": dnstest.Silent, "lame": dnstest.Lame, "refused": dnstest.Refused, "broken": dnstest.Broken, "garbage": dnstest.Garbage} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := check(t, zoneCase{faults: everything(fault)}, 3*time.Second)
			same(t, r, strings.Fields("spf_unknown dkim_unknown dmarc_unknown mx_unknown return_path_unknown ptr_unknown blocklist_unknown blocklist_unknown blocklist_unknown mta_sts_unknown tls_rpt_unknown"))
			if r.Count(doctor.Error) != 0 {
				t.Error(r.Count(doctor.Error))
			}
		})
	}
}

// Each check asks everything anew, and each question once.
func TestCheck_AsksAnew(t *testing.T) {
	server := dnstest.Serve(t, "news.example. IN MX 10 mx.news.example.\n", nil)
	d, err := doctor.New(doctor.Options{DNS: server.Addr(), Lists: []doctor.Blocklist{}})
	if err != nil {
		t.Fatal(err)
	}
	s := doctor.Subject{Domain: "news.example"}
	before := d.Check(t.Context(), s)
	server.Add(t, "mx.news.example. IN A 192.0.2.25\n")
	after := d.Check(t.Context(), s)
	if !has(before, "mx_unresolved") || !has(after, "mx_ok") || server.Asked("MX news.example.") != 2 {
		t.Errorf("asked %d times\n%s\n%s", server.Asked("MX news.example."), printed(t, before), printed(t, after))
	}
}

func TestNew_RefusesAServerWithoutPort(t *testing.T) {
	if _, err := doctor.New(doctor.Options{DNS: "127.0.0.1"}); err == nil {
		t.Error("accepted")
	}
}

func has(r doctor.Report, code string) bool {
	for _, f := range r.Findings {
		if f.Code == code {
			return true
		}
	}
	return false
}

func TestPrint_GroupsAndAligns(t *testing.T) {
	r := doctor.Report{
		Domain: "news.example", ReturnPath: "bounces.news.example", Egress: []string{"192.0.2.1"}, Took: 1234 * time.Millisecond,
		Findings: []doctor.Finding{
			{Check: "spf", Code: "spf_missing", Severity: doctor.Error, Message: "bounces.news.example, the domain of your envelope senders, has no SPF record.", Fix: "Publish it.", Record: &doctor.Record{Name: "bounces.news.example", Type: "TXT", Value: "v=spf1 ip4:192.0.2.1 -all"}},
			{Check: "mx", Code: "mx_ok", Severity: doctor.OK, Message: "Mail for news.example goes to mx.news.example."},
		},
	}
	want := `news.example, return path bounces.news.example, sent from 192.0.2.1

SPF of the return path
  error    spf_missing  bounces.news.example, the domain of your envelope senders, has no SPF
                        record.
                        → Publish it.
      bounces.news.example. TXT "v=spf1 ip4:192.0.2.1 -all"

Replies (MX of the domain)
  ok       mx_ok        Mail for news.example goes to mx.news.example.

1 error, 0 warnings, 1 ok, in 1.2 s
`
	if got := printed(t, r); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRecord_CutsLongTexts(t *testing.T) {
	got := doctor.Record{Name: "s._domainkey.x.example", Type: "TXT", Value: strings.Repeat("k", 300) + `"\`}.Zone()
	if want := `s._domainkey.x.example. TXT "` + strings.Repeat("k", 255) + `" "` + strings.Repeat("k", 45) + `\"\\"`; got != want {
		t.Error(got)
	}
}

// The block lists of the file are read, and say what their answers mean.
func TestBlocklists_OfTheFile(t *testing.T) {
	all := doctor.DefaultBlocklists()
	if len(all) < 8 {
		t.Fatal(len(all))
	}
	said := func(zone, answer string) string {
		for _, b := range all {
			if b.Zone == zone {
				return doctor.Meaning(b, netip.MustParseAddr(answer))
			}
		}
		return "no such list"
	}
	for _, c := range []struct{ zone, answer, want string }{
		{"zen.spamhaus.org", "127.0.0.11", "PBL: not meant to send mail directly"},
		{"zen.spamhaus.org", "127.255.255.254", "refused"},
		{"zen.spamhaus.org", "127.0.1.2", ""},
		{"dbl.spamhaus.org", "127.0.1.4", "phishing"},
		{"dbl.spamhaus.org", "127.0.1.255", "refused"},
		{"multi.surbl.org", "127.0.0.72", "phishing, spam"},
		{"multi.surbl.org", "127.0.0.1", "refused"},
		{"multi.uribl.com", "127.0.0.2", "black: in spam"},
		{"bl.spamcop.net", "104.247.81.1", ""},
	} {
		if got := said(c.zone, c.answer); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.zone, c.answer, got, c.want)
		}
	}
}

func TestParseBlocklists_RefusesMistakes(t *testing.T) {
	for _, line := range []string{
		"bl.test; ip4; error; Name; 2=x", "bl test; ip4; error; Name; 2=x; y", "bl.test; ip5; error; Name; 2=x; y", "bl.test; ip4; info; Name; 2=x; y",
		"bl.test; ip4; error; Name; 2; y", "bl.test; ip4; error; Name; 300=x; y", "bl.test; ip4; error; Name; 5-4=x; y", "bl.test; ip4; error; Name; &3=x; y", "bl.test; ; error; Name; 2=x; y",
	} {
		if _, err := doctor.ParseBlocklists("# comment\n" + line); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: %v", line, err)
		}
	}
}
