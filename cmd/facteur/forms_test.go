package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"facteur/sending/sandbox"
)

// A form attacked from many networks at many domains sends no more mails than
// are allowed, and answers everybody alike.
func TestForm_UnderAttackKeepsToItsLimits(t *testing.T) {
	const allowed = 60
	p := newParlour(t, Config{SignupLimits: fmt.Sprintf("address=3/24h,network=20/1h,form=%d/1h,domain=5/1h", allowed), TrustedProxies: []string{"127.0.0.0/8"}})
	attempts := 10_000
	if testing.Short() {
		attempts = 2000
	}
	var mu sync.Mutex
	answers := map[int]int{}
	work := make(chan int)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for i := range work {
				form := url.Values{"email": {fmt.Sprintf("victim%d@domain%d.example", i, i%100)}}
				req, err := http.NewRequest(http.MethodPost, "http://"+p.app.Addr()+"/subscribe/"+p.list, strings.NewReader(form.Encode()))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				req.Header.Set("X-Forwarded-For", fmt.Sprintf("198.%d.%d.7", i%1000/250, i%250))
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				_ = res.Body.Close()
				mu.Lock()
				answers[res.StatusCode]++
				mu.Unlock()
			}
		})
	}
	for i := range attempts {
		work <- i
	}
	close(work)
	all.Wait()
	if answers[200] > allowed || answers[200] == 0 || answers[200]+answers[429] != attempts {
		t.Errorf("answers %v, want at most %d times 200, and 429", answers, allowed)
	}
	eventually(t, "the letters", func() bool { return int(p.box.Count().Accepted) >= answers[200] })
	time.Sleep(time.Second) // should there be more on the way
	if n := int(p.box.Count().Accepted); n != answers[200] {
		t.Errorf("%d mails left, %d were allowed", n, answers[200])
	}
}

// The limit of one address is a secret: who is asked too often is told the same.
func TestForm_AnswersEverybodyAlike(t *testing.T) {
	p := newParlour(t, Config{SignupLimits: "address=2/24h"})
	known := func(email string) {
		t.Helper()
		p.signUp(email)
		p.must("POST", p.await(email, 1).link("/c/"), url.Values{})
	}
	known("member@example.org")
	post := func(email string) string { return p.must("POST", "/subscribe/"+p.list, url.Values{"email": {email}}) }
	want := post("nobody@example.org")
	for range 4 {
		if got := post("member@example.org"); got != want {
			t.Errorf("a member is answered\n%s", got)
		}
		if got := post("nobody@example.org"); got != want {
			t.Errorf("after many times the answer is\n%s", got)
		}
	}
	if m := p.await("member@example.org", 2); !strings.Contains(m.subject, "already") || m.link("/p/") == "" || m.link("/c/") != "" {
		t.Errorf("a member was sent %q", m.subject)
	}
	p.await("nobody@example.org", 2)
	time.Sleep(500 * time.Millisecond)
	if a, b := len(p.mails("member@example.org")), len(p.mails("nobody@example.org")); a != 2 || b != 2 {
		t.Errorf("%d and %d mails, want 2 each", a, b)
	}
	if _, status := p.stands("member@example.org"); status != "confirmed" {
		t.Errorf("a form made a member %s", status)
	}
	for _, form := range []url.Values{{"email": {"not an address"}}, {"email": {""}}, {"email": {"a@b"}}} {
		if status, text := p.page("POST", "/subscribe/"+p.list, form); status != http.StatusUnprocessableEntity || !strings.Contains(text, "no e-mail address") {
			t.Errorf("%v: %d", form, status)
		}
	}
	before := p.box.Count().Accepted
	if got := p.must("POST", "/subscribe/"+p.list, url.Values{"email": {"robot@example.org"}, "website": {"http://buy"}}); got != want {
		t.Error("a robot sees that it was found out")
	}
	time.Sleep(500 * time.Millisecond)
	if id, _ := p.stands("robot@example.org"); id != "" || p.box.Count().Accepted != before {
		t.Error("the robot's sign-up was taken")
	}
}

func TestForm_IsClosedWhereItCannotBeKept(t *testing.T) {
	p := newParlour(t, Config{})
	closed := made(t, p.app, "/lists", `{"name":"Staff","form":false}`)
	for path, want := range map[string]int{"/subscribe/" + closed: 404, "/subscribe/1": 404, "/subscribe/x": 404, "/subscribe/": 404, "/subscribe/" + p.list: 200} {
		for _, method := range []string{"GET", "POST"} {
			form := url.Values(nil)
			if method == "POST" {
				form = url.Values{"email": {"a@example.org"}}
			}
			if status, _ := p.page(method, path, form); status != want {
				t.Errorf("%s %s: %d, want %d", method, path, status, want)
			}
		}
	}
}

func TestForm_AsksACaptchaWhereThereIsOne(t *testing.T) {
	var asked url.Values
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		asked = r.PostForm
		_, _ = fmt.Fprintf(w, `{"success":%v}`, r.PostForm.Get("response") == "good")
	}))
	t.Cleanup(service.Close)
	p := newParlour(t, Config{CaptchaURL: service.URL, CaptchaSecret: "s3cret", CaptchaWidget: `<div class="h-captcha"></div>`})
	if text := p.must("GET", "/subscribe/"+p.list, nil); !strings.Contains(text, `<div class="h-captcha"></div>`) {
		t.Error("the form has no widget")
	}
	for response, want := range map[string]int{"": 422, "bad": 422, "good": 200} {
		form := url.Values{"email": {"ada@example.org"}}
		if response != "" {
			form.Set("h-captcha-response", response)
		}
		if status, _ := p.page("POST", "/subscribe/"+p.list, form); status != want {
			t.Errorf("%q: %d", response, status)
		}
	}
	if asked.Get("secret") != "s3cret" || asked.Get("remoteip") != "127.0.0.1" {
		t.Error(asked)
	}
	p.await("ada@example.org", 1)
	service.Close() // the service is away: nobody gets in unchecked
	if status, _ := p.page("POST", "/subscribe/"+p.list, url.Values{"email": {"bob@example.org"}, "h-captcha-response": {"good"}}); status != 422 {
		t.Error(status)
	}
}

// Somebody else cannot un-confirm, rename or bring back anybody by a form.
func TestSignUp_NeverLowersAnybody(t *testing.T) {
	p := newParlour(t, Config{})
	p.signUp("ada@example.org")
	p.must("POST", p.await("ada@example.org", 1).link("/c/"), url.Values{})
	id, _ := p.stands("ada@example.org")
	p.must("POST", "/subscribe/"+p.list, url.Values{"email": {"ADA@example.org"}, "name": {"Mallory"}})
	p.await("ada@example.org", 2)
	_, one := ask(t, p.app, http.MethodGet, "/subscribers/"+id, "")
	if _, status := p.stands("ada@example.org"); status != "confirmed" || one["name"] != "Ada" || one["email"] != "ada@example.org" {
		t.Errorf("%s %v", status, one["raw"])
	}
	p.mail("news")
	p.must("POST", p.await("ada@example.org", 3).link("/u/"), url.Values{})
	// Mallory signs her up again: she is asked, and not mailed until she says yes.
	p.signUp("ada@example.org")
	again := p.await("ada@example.org", 4)
	p.mail("more news")
	if n := len(p.mails("ada@example.org")); n != 4 {
		t.Errorf("%d mails", n)
	}
	// An import does not take that for a yes.
	status, imported := ask(t, p.app, http.MethodPost, "/lists/"+p.list+"/imports?basis=customer&source=shop&at=2026-01-02T03:04:05Z", "email\nada@example.org\n", "Content-Type", "text/csv")
	eventually(t, "import", func() bool {
		_, imported = ask(t, p.app, http.MethodGet, "/imports/"+imported["id"].(string), "")
		return imported["status"] == "done"
	})
	if status != 202 || imported["refused"] != 1.0 {
		t.Error(imported["raw"])
	}
	// The old question's link came before her no, and does nothing.
	if status, _ := p.page("POST", p.mails("ada@example.org")[0].link("/c/"), url.Values{}); status != http.StatusGone {
		t.Errorf("the old link: %d", status)
	}
	p.must("POST", again.link("/c/"), url.Values{})
	if _, status := p.stands("ada@example.org"); status != "confirmed" {
		t.Error(status)
	}
}

func TestComplaint_OnlyANewDoubleOptInBringsBack(t *testing.T) {
	p := newParlour(t, Config{})
	p.signUp("ada@example.org")
	p.must("POST", p.await("ada@example.org", 1).link("/c/"), url.Values{})
	p.mail("news")
	news := p.await("ada@example.org", 2)
	made(t, p.app, "/suppressions", `{"email":"ADA@example.org","reason":"complaint"}`)
	if _, status := p.stands("ada@example.org"); status != "unsubscribed" {
		t.Errorf("after a complaint she is %s", status)
	}
	for _, do := range []string{"undo", "pause"} {
		p.must("POST", news.link("/u/"), url.Values{"from": {"page"}, "do": {do}})
	}
	if status, answer := ask(t, p.app, http.MethodPost, "/lists/"+p.list+"/subscribers", `{"email":"ada@example.org","consent":{"basis":"opt_in","source":"phone","at":"2026-11-20T10:00:00Z"}}`); status != http.StatusConflict {
		t.Errorf("an operator brings her back: %d %v", status, answer["raw"])
	}
	if status, answer := ask(t, p.app, http.MethodDelete, "/suppressions?email=ada@example.org", ""); status != http.StatusConflict || answer["code"] != "own_word" {
		t.Errorf("an operator forgives for her: %d %v", status, answer["raw"])
	}
	p.must("POST", news.link("/u/"), url.Values{"from": {"page"}, "do": {"access"}})
	choices := p.await("ada@example.org", 3).link("/p/")
	if text := p.must("GET", choices, nil); !strings.Contains(text, "reported one of our mails") {
		t.Error(text)
	}
	p.must("POST", choices, url.Values{"do": {"save"}, "list": {p.list}, "often": {"0"}})
	if _, status := p.stands("ada@example.org"); status != "unsubscribed" {
		t.Errorf("by the page of choices she is %s", status)
	}
	p.signUp("ada@example.org")
	p.must("POST", p.await("ada@example.org", 4).link("/c/"), url.Values{})
	p.mail("again")
	if m := p.await("ada@example.org", 5); m.subject != "again" {
		t.Error(m.subject)
	}
}

// A sign-up by API before there is a sender is not lost: the question goes out
// when somebody can ask it.
func TestSignUp_WaitsForASender(t *testing.T) {
	a := serveAs(t, Config{DataDir: t.TempDir(), InvitationRate: 100}, allRoles, slog.New(slog.DiscardHandler))
	list := made(t, a, "/lists", `{"name":"Early"}`)
	status, answer := ask(t, a, http.MethodPost, "/lists/"+list+"/subscribers", `{"email":"ada@example.org"}`)
	if status != http.StatusCreated || answer["status"] != "pending" {
		t.Fatal(status, answer["raw"])
	}
	box, err := sandbox.Start(sandbox.Options{Keep: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	host, port, _ := net.SplitHostPort(box.Addr())
	relay := made(t, a, "/relays", fmt.Sprintf(`{"name":"box","host":%q,"port":%s,"security":"none"}`, host, port))
	made(t, a, "/domains", `{"name":"news.example.com"}`)
	made(t, a, "/senders", fmt.Sprintf(`{"from_email":"hello@news.example.com","postal_address":"1 rue de la Poste, Lyon","relay_ids":[%q]}`, relay))
	p := &parlour{T: t, app: a, box: box, list: list}
	p.must("POST", p.await("ada@example.org", 1).link("/c/"), url.Values{})
	if _, status := p.stands("ada@example.org"); status != "confirmed" {
		t.Error(status)
	}
}
