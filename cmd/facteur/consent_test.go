package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"facteur/sending/sandbox"
	"facteur/subscribers/consent"
)

// parlour is an app with a mailbox provider, a sender and a list that people
// may sign up to.
type parlour struct {
	*testing.T
	app          *App
	box          *sandbox.Server
	list, sender string
}

func newParlour(t *testing.T, c Config) *parlour {
	t.Helper()
	box, err := sandbox.Start(sandbox.Options{Keep: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	if c.DataDir == "" {
		c.DataDir = t.TempDir()
	}
	p := &parlour{T: t, app: serveAs(t, c, allRoles, slog.New(slog.DiscardHandler)), box: box}
	host, port, _ := net.SplitHostPort(box.Addr())
	relay := made(t, p.app, "/relays", fmt.Sprintf(`{"name":"box","host":%q,"port":%s,"security":"none","max_connections":5}`, host, port))
	made(t, p.app, "/domains", `{"name":"news.example.com","warmup":"none","dkim":false}`)
	p.sender = made(t, p.app, "/senders", fmt.Sprintf(`{"from_email":"hello@news.example.com","from_name":"Les Nouvelles","postal_address":"1 rue de la Poste, Lyon","relay_ids":[%q]}`, relay))
	p.list = made(t, p.app, "/lists", `{"name":"Lettre d'octobre"}`)
	return p
}

// page asks for one of the recipients' pages; form makes it a POST.
func (p *parlour) page(method, path string, form url.Values, header ...string) (int, string) {
	p.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(p.Context(), method, "http://"+p.app.Addr()+path, body)
	if err != nil {
		p.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// must is page, which must answer 200.
func (p *parlour) must(method, path string, form url.Values) string {
	p.Helper()
	status, text := p.page(method, path, form)
	if status != http.StatusOK {
		p.Fatalf("%s %s: %d\n%s", method, path, status, text)
	}
	return text
}

// mails are those to an address, in the order they came.
func (p *parlour) mails(to string) (all []letterIn) {
	p.Helper()
	for _, m := range p.box.Messages() {
		if !strings.EqualFold(m.To[0], to) {
			continue
		}
		msg, err := mail.ReadMessage(bytes.NewReader(m.Raw))
		if err != nil {
			p.Fatal(err)
		}
		subject, _ := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
		all = append(all, letterIn{Header: msg.Header, subject: subject, parts: partsOf(p.T, msg)})
	}
	return all
}

// letterIn is a mail as it arrived.
type letterIn struct {
	Header  mail.Header
	subject string
	parts   string // decoded, one after the other
}

func partsOf(t *testing.T, msg *mail.Message) string {
	t.Helper()
	_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	decode := func(encoding string, r io.Reader) {
		if strings.EqualFold(encoding, "quoted-printable") {
			r = quotedprintable.NewReader(r)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	if params["boundary"] == "" {
		decode(msg.Header.Get("Content-Transfer-Encoding"), msg.Body)
		return all.String()
	}
	for r := multipart.NewReader(msg.Body, params["boundary"]); ; {
		part, err := r.NextRawPart()
		if err == io.EOF {
			return all.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		decode(part.Header.Get("Content-Transfer-Encoding"), part)
	}
}

// links are the paths of all links in a mail, its header's as well.
func (l letterIn) links() (paths []string) {
	for _, m := range regexp.MustCompile(`https?://[^/\s"<>]+(/[^\s"<>)]*)`).FindAllStringSubmatch(l.parts+" "+l.Header.Get("List-Unsubscribe"), -1) {
		paths = append(paths, html.UnescapeString(m[1]))
	}
	return paths
}

// link is the first that begins so.
func (l letterIn) link(prefix string) string {
	for _, path := range l.links() {
		if strings.HasPrefix(path, prefix) {
			return path
		}
	}
	return ""
}

// await waits for the n-th mail to an address.
func (p *parlour) await(to string, n int) letterIn {
	p.Helper()
	eventually(p.T, fmt.Sprintf("mail %d to %s", n, to), func() bool { return len(p.mails(to)) >= n })
	return p.mails(to)[n-1]
}

// scan opens every link of a mail as scanners and mail programs do.
func (p *parlour) scan(l letterIn) {
	p.Helper()
	if len(l.links()) == 0 {
		p.Fatalf("the mail %q has no links", l.subject)
	}
	for _, path := range l.links() {
		for _, how := range [][2]string{{"HEAD", ""}, {"GET", ""}, {"GET", "prefetch"}, {"GET", ""}} {
			header := []string{"User-Agent", "LinkScanner/1.0"}
			if how[1] != "" {
				header = append(header, "Sec-Purpose", how[1], "Purpose", how[1])
			}
			if status, _ := p.page(how[0], path, nil, header...); status >= 400 {
				p.Errorf("%s %s: %d", how[0], path, status)
			}
		}
	}
}

// stands is a person's status on the list; "" for nobody.
func (p *parlour) stands(email string) (id, status string) {
	p.Helper()
	_, found := ask(p.T, p.app, http.MethodGet, "/subscribers?email="+url.QueryEscape(email), "")
	items, _ := found["items"].([]any)
	if len(items) == 0 {
		return "", ""
	}
	id = items[0].(map[string]any)["id"].(string)
	_, one := ask(p.T, p.app, http.MethodGet, "/subscribers/"+id, "")
	subs, _ := one["subscriptions"].([]any)
	for _, s := range subs {
		if sub := s.(map[string]any); sub["list_id"] == p.list {
			return id, sub["status"].(string)
		}
	}
	return id, ""
}

// mail sends a campaign to the list, to its end, and returns its state.
func (p *parlour) mail(subject string) map[string]any {
	p.Helper()
	c := made(p.T, p.app, "/campaigns", fmt.Sprintf(`{"name":%q,"subject":%q,"html":"<p>Hello <a href=\"{{ web_url }}\">there</a></p>","list_ids":[%q],"sender_id":%q}`, subject, subject, p.list, p.sender))
	if status, answer := ask(p.T, p.app, http.MethodPost, "/campaigns/"+c+"/launch", `{"acknowledge":["never_mailed","sudden_jump"]}`); status != http.StatusAccepted {
		p.Fatalf("launch: %d %v", status, answer["raw"])
	}
	return sent(p.T, p.app, c)
}

func (p *parlour) signUp(email string) {
	p.Helper()
	text := p.must("POST", "/subscribe/"+p.list, url.Values{"email": {email}, "name": {"Ada"}})
	if !strings.Contains(text, "Look into your mailbox") {
		p.Fatalf("no word of the mailbox:\n%s", text)
	}
}

// The legal story: nobody is mailed who has not said yes themselves, nobody
// after a no, and both can be proven.
func TestConsent_TheLegalStory(t *testing.T) {
	p := newParlour(t, Config{SignupLimits: "address=10/24h"})
	const ada = "Ada.Lovelace@example.org"

	// She signs up. Nothing is mailed to her but the question.
	p.must("GET", "/subscribe/"+p.list, nil)
	p.signUp(ada)
	question := p.await(ada, 1)
	if !strings.Contains(question.subject, "Please confirm") || question.Header.Get("Auto-Submitted") != "auto-generated" || strings.Contains(question.parts, "Hello Ada") {
		t.Errorf("%q %v", question.subject, question.Header)
	}

	// A campaign passes her by.
	if c := p.mail("first"); c["excluded"].(map[string]any)["unconfirmed"] != 1.0 || len(p.mails(ada)) != 1 {
		t.Errorf("a pending person was mailed: %v", c["raw"])
	}

	// A scanner opens every link, in every way but a POST.
	p.scan(question)
	id, status := p.stands(ada)
	if status != "pending" {
		t.Fatalf("%q after a scanner's visit", status)
	}

	// She confirms, and is mailed.
	if text := p.must("POST", question.link("/c/"), url.Values{"from": {"page"}}); !strings.Contains(text, "you are on the list") {
		t.Error(text)
	}
	p.mail("second")
	news := p.await(ada, 2)
	p.scan(news)
	if _, status := p.stands(ada); status != "confirmed" || news.subject != "second" {
		t.Fatalf("%q, mailed %q", status, news.subject)
	}

	// One click, and she is not mailed.
	way := news.link("/u/")
	p.must("POST", way, url.Values{"List-Unsubscribe": {"One-Click"}})
	p.mail("third")
	if _, status := p.stands(ada); status != "unsubscribed" || len(p.mails(ada)) != 2 {
		t.Fatalf("%q with %d mails", status, len(p.mails(ada)))
	}

	// She takes it back within the hour.
	if text := p.must("POST", way, url.Values{"from": {"page"}, "do": {"undo"}}); !strings.Contains(text, "You are back") {
		t.Error(text)
	}
	p.mail("fourth")
	if m := p.await(ada, 3); m.subject != "fourth" {
		t.Errorf("mailed %q", m.subject)
	}

	// All of it can be proven without the database.
	proof, key := p.proof(id)
	if v := proof.Verify(key); len(v.Faults) > 0 || v.Entries != 4 || v.Erased != 0 {
		t.Fatalf("%+v", v)
	}
	var said []string
	for _, e := range proof.Entries {
		said = append(said, string(e.Act))
	}
	if got := strings.Join(said, " "); got != "requested given withdrawn restored" || !bytes.Contains(proof.Entries[1].Statement, []byte("I can leave at any time")) || !bytes.Contains(proof.Entries[1].Evidence, []byte("127.0.0.1")) {
		t.Errorf("%s: %s %s", got, proof.Entries[1].Statement, proof.Entries[1].Evidence)
	}

	// She is erased. The chain still verifies, and says so.
	if status, answer := ask(t, p.app, http.MethodDelete, "/subscribers/"+id, ""); status != http.StatusOK {
		t.Fatal(status, answer["raw"])
	}
	if id, _ := p.stands(ada); id != "" {
		t.Error("she is still known")
	}
	proof, _ = p.proof(id)
	if v := proof.Verify(key); len(v.Faults) > 0 || v.Entries != 5 || v.Erased != 2 || proof.Person != nil || proof.Entries[4].Act != consent.Erased {
		t.Errorf("%+v", v)
	}
	if _, r := ask(t, p.app, http.MethodPost, "/consent-ledger/check", ""); fmt.Sprint(r["faults"]) != "[]" || r["erased"] != 2.0 {
		t.Error(r["raw"])
	}

	// No import brings her back, however the address is spelt.
	_, imported := ask(t, p.app, http.MethodPost, "/lists/"+p.list+"/imports?basis=opt_in&source=fair&at=2026-01-02T03:04:05Z",
		"email\nADA.LOVELACE@EXAMPLE.ORG\n", "Content-Type", "text/csv")
	eventually(t, "import", func() bool {
		_, imported = ask(t, p.app, http.MethodGet, "/imports/"+imported["id"].(string), "")
		return imported["status"] == "done"
	})
	if imported["refused"] != 1.0 || !strings.Contains(imported["raw"].(string), `"suppressed"`) {
		t.Error(imported["raw"])
	}
	p.mail("fifth")
	if n := len(p.mails(ada)); n != 3 {
		t.Errorf("%d mails", n)
	}
}

// proof waits until all is sealed, and asks for the proof and our key.
func (p *parlour) proof(id string) (proof consent.Proof, key string) {
	p.Helper()
	eventually(p.T, "sealed", func() bool {
		status, answer := ask(p.T, p.app, http.MethodGet, "/subscribers/"+id+"/consent-proof", "")
		if status != http.StatusOK {
			p.Fatal(status, answer["raw"])
		}
		proof = consent.Proof{}
		if err := json.Unmarshal([]byte(answer["raw"].(string)), &proof); err != nil {
			p.Fatal(err)
		}
		return proof.Verify().Unsealed == 0
	})
	_, ledger := ask(p.T, p.app, http.MethodGet, "/consent-ledger", "")
	return proof, ledger["keys"].([]any)[0].(string)
}
