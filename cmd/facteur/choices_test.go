package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// member signs somebody up and confirms it; what came so far is one mail.
func (p *parlour) member(email string) {
	p.Helper()
	p.signUp(email)
	p.must("POST", p.await(email, 1).link("/c/"), url.Values{})
}

func TestLeaving_OffersMoreAndLess(t *testing.T) {
	p := newParlour(t, Config{})
	p.member("ada@example.org")
	c := p.mail("news")
	way := p.await("ada@example.org", 2).link("/u/")
	text := p.must("GET", way+"?lang=fr", nil)
	for _, want := range []string{"Me désabonner", "Faire une pause de 30 jours", "Plus aucun message", "par un formulaire et l’avez confirmé", `lang="fr"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q on the page:\n%s", want, text)
		}
	}

	// Less: a pause. The gate obeys it, whatever was planned.
	if text := p.must("POST", way, url.Values{"from": {"page"}, "do": {"pause"}}); !strings.Contains(text, "quiet for 30 days") {
		t.Error(text)
	}
	if c := p.mail("during the pause"); c["excluded"].(map[string]any)["paused"] != 1.0 || len(p.mails("ada@example.org")) != 2 {
		t.Error(c["raw"])
	}
	if _, status := p.stands("ada@example.org"); status != "confirmed" {
		t.Error(status)
	}

	// More: no mail at all; with a reason; taken back.
	if text := p.must("POST", way, url.Values{"from": {"page"}, "do": {"all"}}); !strings.Contains(text, "from any of our lists") {
		t.Error(text)
	}
	p.must("POST", way, url.Values{"from": {"page"}, "do": {"reason"}, "reason": {"too_often"}, "note": {"every day!"}})
	_, left := ask(t, p.app, http.MethodGet, "/unsubscribes?campaign_id="+c["id"].(string), "")
	for _, want := range []string{`"reason":"too_often"`, `"note":"every day!"`, `"source":"page"`, `"leavings":1`, `"too_often":1`} {
		if !strings.Contains(left["raw"].(string), want) {
			t.Errorf("no %s in %v", want, left["raw"])
		}
	}
	if _, found := ask(t, p.app, http.MethodGet, "/suppressions?reason=all_mail", ""); !strings.Contains(found["raw"].(string), "ada@example.org") {
		t.Error(found["raw"])
	}
	if text := p.must("POST", way, url.Values{"from": {"page"}, "do": {"undo"}}); !strings.Contains(text, "You are back") {
		t.Error(text)
	}
	if _, status := p.stands("ada@example.org"); status != "confirmed" {
		t.Error(status)
	}
	if _, found := ask(t, p.app, http.MethodGet, "/suppressions", ""); len(found["items"].([]any)) != 0 {
		t.Error(found["raw"])
	}
	// There is nothing to take back twice.
	if text := p.must("POST", way, url.Values{"from": {"page"}, "do": {"undo"}}); !strings.Contains(text, "no longer be taken back") {
		t.Error(text)
	}
}

func TestChoices_OpenOnlyByAFreshLink(t *testing.T) {
	p := newParlour(t, Config{SignupLimits: "address=10/24h"})
	p.member("ada@example.org")
	p.mail("news")
	news := p.await("ada@example.org", 2)
	way := strings.TrimPrefix(news.link("/u/"), "/u/")
	for _, token := range []string{way, strings.TrimPrefix(news.link("/w/"), "/w/"), "x", "", way[:20], way + "A"} {
		for _, path := range []string{"", "/data", "/data.json"} {
			if status, text := p.page("GET", "/p/"+token+path, nil); status == http.StatusOK && (token != "" || path != "") || strings.Contains(text, "ada@") {
				t.Errorf("GET /p/%s%s: %d", token, path, status)
			}
		}
		if status, _ := p.page("POST", "/p/"+token, url.Values{"do": {"erase"}, "sure": {"yes"}}); status == http.StatusOK && token != "" {
			t.Errorf("POST /p/%s: %d", token, status)
		}
	}
	if _, status := p.stands("ada@example.org"); status != "confirmed" {
		t.Fatal(status)
	}

	// By the form, which tells nobody who is known.
	want := p.must("POST", "/p", url.Values{"email": {"stranger@example.org"}})
	if got := p.must("POST", "/p", url.Values{"email": {"ADA@example.org"}}); got != want {
		t.Error("the answer tells who is known")
	}
	letter := p.await("ada@example.org", 3)
	p.scan(letter)
	link := letter.link("/p/")
	if text := p.must("GET", link, nil); !strings.Contains(text, "ada@example.org") || !strings.Contains(text, "checked") {
		t.Error(text)
	}
	other := made(t, p.app, "/lists", `{"name":"Other"}`)
	made(t, p.app, "/lists/"+other+"/subscribers", `{"email":"ada@example.org","consent":{"basis":"customer","source":"shop","at":"2026-01-01T00:00:00Z"}}`)
	p.must("POST", link, url.Values{"do": {"save"}, "list": {p.list}, "often": {"7"}, "language": {"fr"}})
	id, status := p.stands("ada@example.org")
	_, one := ask(t, p.app, http.MethodGet, "/subscribers/"+id, "")
	if status != "confirmed" || one["locale"] != "fr" || !strings.Contains(one["raw"].(string), `"status":"unsubscribed"`) {
		t.Error(one["raw"])
	}
	// Once a week is what she wants: there was a mail today.
	if c := p.mail("too soon"); c["counts"].(map[string]any)["skipped"] != 1.0 {
		t.Error(c["raw"])
	}
	// She may come back to the other list, by the same page.
	p.must("POST", link, url.Values{"do": {"save"}, "list": {p.list, other}, "often": {"0"}, "language": {""}})
	if _, one = ask(t, p.app, http.MethodGet, "/subscribers/"+id, ""); strings.Contains(one["raw"].(string), `"status":"unsubscribed"`) {
		t.Error(one["raw"])
	}
	if data := p.must("GET", link+"/data.json", nil); !strings.Contains(data, `"double_opt_in"`) || !strings.Contains(data, "too soon") || !strings.Contains(data, "127.0.0.1") {
		t.Error(data)
	}
	if page := p.must("GET", link+"/data?lang=fr", nil); !strings.Contains(page, "Tout ce qui est conservé sur vous") {
		t.Error(page)
	}
	p.must("POST", link, url.Values{"do": {"erase"}})
	if id, _ := p.stands("ada@example.org"); id == "" {
		t.Fatal("erased without being sure")
	}
	if text := p.must("POST", link, url.Values{"do": {"erase"}, "sure": {"yes"}}); !strings.Contains(text, "Tout a été effacé") && !strings.Contains(text, "Everything was erased") {
		t.Error(text)
	}
	if id, _ := p.stands("ada@example.org"); id != "" {
		t.Error("still known")
	}
	for _, path := range []string{link, link + "/data.json"} {
		if status, _ := p.page("GET", path, nil); status != http.StatusNotFound {
			t.Errorf("%s: %d after the erasure", path, status)
		}
	}
}

// Tokens: forged, cut, of another person, old, replayed, of another purpose.
func TestTokens_DoOnlyWhatTheyAreFor(t *testing.T) {
	p := newParlour(t, Config{})
	p.member("ada@example.org")
	p.member("bob@example.org")
	p.mail("news")
	way := p.await("ada@example.org", 2).link("/u/")
	token := strings.TrimPrefix(way, "/u/")
	question := strings.TrimPrefix(p.mails("ada@example.org")[0].link("/c/"), "/c/")
	forged := []byte(token)
	for i := range forged { // one character at a time, whatever it stands for
		forged[i] ^= 1
		if status, _ := p.page("POST", "/u/"+url.PathEscape(string(forged)), url.Values{}); status != http.StatusNotFound && string(forged) != token {
			t.Errorf("forged at %d: %d", i, status)
		}
		forged[i] ^= 1
	}
	for i := range len(token) {
		if status, _ := p.page("POST", "/u/"+token[:i], url.Values{}); status == http.StatusOK {
			t.Errorf("cut at %d", i)
		}
	}
	for _, path := range []string{"/u/" + question, "/c/" + token, "/w/" + token, "/p/" + token, "/p/" + question, "/w/" + question} {
		for _, method := range []string{"GET", "POST"} {
			if status, text := p.page(method, path, nil); status < 400 || strings.Contains(text, "Lettre") {
				t.Errorf("%s %s: %d", method, path, status)
			}
		}
	}
	if _, status := p.stands("ada@example.org"); status != "confirmed" {
		t.Fatalf("%s after forged tokens", status)
	}
	// A new key: the old link is good for good, and tells the same.
	if status, answer := ask(t, p.app, http.MethodPost, "/keys/rotate", ""); status != http.StatusCreated || answer["number"] != 2.0 {
		t.Fatal(status, answer["raw"])
	}
	p.must("GET", way, nil)
	p.mail("with the new key")
	if fresh := p.await("ada@example.org", 3).link("/u/"); fresh == way || fresh[:6] == way[:6] {
		t.Errorf("%s and %s are signed with one key", fresh, way)
	}
	for range 1000 { // replayed
		p.must("POST", way, url.Values{"List-Unsubscribe": {"One-Click"}})
	}
	id, status := p.stands("ada@example.org")
	if status != "unsubscribed" {
		t.Error(status)
	}
	if _, status := p.stands("bob@example.org"); status != "confirmed" {
		t.Errorf("another person is %s", status)
	}
	if _, acts := ask(t, p.app, http.MethodGet, "/subscribers/"+id+"/consents", ""); strings.Count(acts["raw"].(string), `"withdrawn"`) != 1 {
		t.Error(acts["raw"])
	}
	_, left := ask(t, p.app, http.MethodGet, "/unsubscribes", "")
	if len(left["items"].([]any)) != 1 {
		t.Error(left["raw"])
	}
}

func TestFrequency_IsCappedForEverybody(t *testing.T) {
	p := newParlour(t, Config{FrequencyCap: "2/24h"})
	p.member("ada@example.org")
	for i, want := range []float64{1, 1, 0, 0} {
		c := p.mail(fmt.Sprint("news ", i))
		if counts := c["counts"].(map[string]any); counts["sent"] != want || counts["skipped"] != 1-want {
			t.Errorf("campaign %d: %v", i, counts)
		}
	}
}
