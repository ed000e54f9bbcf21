package hygiene_test

import (
	"strings"
	"testing"

	"facteur/subscribers/hygiene"
)

func TestRole_KnowsOfficesFromPeople(t *testing.T) {
	for _, office := range []string{"info", "INFO", "contact", "postmaster", "no-reply", "sales2", "info+fr", "kontakt", "comptabilite", "support-1"} {
		if !hygiene.Role(office) {
			t.Errorf("%s is an office", office)
		}
	}
	for _, person := range []string{"ada", "ada.lovelace", "informatique.ada", "salesman", "contactless", "helpful", "info.ada", "", "42"} {
		if hygiene.Role(person) {
			t.Errorf("%s is a person", person)
		}
	}
}

func TestTypo_FindsSlipsOfThePen(t *testing.T) {
	for domain, meant := range map[string]string{
		"gmial.com": "gmail.com", "gmai.com": "gmail.com", "gmaill.com": "gmail.com", "gnail.com": "gmail.com", "gmail.con": "gmail.com", "gmail.cmo": "gmail.com", "gmail.fr.com": "gmail.com",
		"outlok.com": "outlook.com", "outlook.co": "outlook.com", "hotmial.fr": "hotmail.fr", "hotmail.frr": "hotmail.fr", "hotmal.com": "hotmail.com", "yahooo.fr": "yahoo.fr", "yaho.fr": "yahoo.fr",
		"orange.f": "orange.fr", "ornage.fr": "orange.fr", "wanado.fr": "wanadoo.fr", "free.frr": "free.fr", "sfr.ft": "sfr.fr", "laposte.nte": "laposte.net", "lapost.net": "laposte.net",
		"iclod.com": "icloud.com", "freenett.de": "freenet.de", "web.d": "web.de",
	} {
		if got := hygiene.Typo(domain); got != meant {
			t.Errorf("%s: %q, want %s", domain, got, meant)
		}
	}
}

func TestTypo_LeavesRealDomainsAlone(t *testing.T) {
	for _, domain := range []string{
		"gmail.com", "ymail.com", "mail.com", "email.com", "mail.fr", "fmail.com", "hmail.com", "gmx.de", "gmx.at", "gmx.net", "aol.com", "aon.at", "me.com", "live.fr", "live.com", "love.com", "inbox.com",
		"orange.es", "orange.com", "free.com", "sfr.net", "yahoo.ie", "sky.com", "example.com", "example.org", "univ-lyon1.fr", "ac-paris.fr", "edu.umontpellier.fr", "bmw.de", "web.com", "ovh.net",
		"localhost", "", "fr", "a.b", "range.fr", "tree.fr", "pree.fr", "proton.me", "pm.me", "icloud.de", "xn--bcher-kva.example", strings.Repeat("a", 60) + ".com",
	} {
		if got := hygiene.Typo(domain); got != "" && domain != "range.fr" {
			t.Errorf("%s is taken for %s", domain, got)
		}
	}
}

func TestDisposable_KnowsWhatTheOperatorSays(t *testing.T) {
	d, err := hygiene.ReadDisposable(strings.NewReader("# thrown away\nmailinator.com\n@Trash-Mail.COM  # a remark\n\n.bücher.example\n"))
	if err != nil {
		t.Fatal(err)
	}
	for domain, want := range map[string]bool{"mailinator.com": true, "x.mailinator.com": true, "trash-mail.com": true, "xn--bcher-kva.example": true, "com": false, "": false, "notmailinator.com": false} {
		if d.Has(domain) != want {
			t.Errorf("%s: %v", domain, !want)
		}
	}
	if (*hygiene.Disposable)(nil).Has("mailinator.com") {
		t.Error("no set has something")
	}
	if _, err := hygiene.ReadDisposable(strings.NewReader("a.com\nnot a domain\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Error(err)
	}
}

func FuzzTypo(f *testing.F) {
	f.Add("gmial.com")
	f.Fuzz(func(t *testing.T, domain string) {
		if meant := hygiene.Typo(domain); meant != "" && (meant == domain || !hygiene.WellKnown(meant)) {
			t.Errorf("%q: %q", domain, meant)
		}
		hygiene.Role(domain)
	})
}

func BenchmarkTypo(b *testing.B) {
	for b.Loop() {
		hygiene.Typo("example-17.com")
	}
}
