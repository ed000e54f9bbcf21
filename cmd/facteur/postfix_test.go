package main_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"facteur/internal/rig"
	"facteur/internal/services"
	"facteur/internal/services/servicestest"
	"facteur/sending/sandbox"
	"facteur/web/client"
)

// policy is a policy service (SMTPD_POLICY_README): it puts off the first
// attempt at those whose name begins with greylist or later, and always those
// whose mailbox is full.
type policy struct {
	mu   sync.Mutex
	seen map[string]int
}

func startPolicy(t *testing.T) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &policy{seen: map[string]int{}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.answer(conn)
		}
	}()
	return l.Addr().String()
}

func (p *policy) answer(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	to := ""
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "recipient="); ok {
			to = value
		}
		if lines.Text() == "" {
			_, _ = fmt.Fprintf(conn, "action=%s\n\n", p.judge(to))
		}
	}
}

func (p *policy) judge(to string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[to]++
	switch {
	case strings.HasPrefix(to, "greylist") && p.seen[to] == 1:
		return "DEFER_IF_PERMIT Greylisted, see you soon"
	case strings.HasPrefix(to, "later") && p.seen[to] == 1:
		return "451 4.3.0 the server is busy"
	case strings.HasPrefix(to, "full"):
		return "452 4.2.2 mailbox full"
	}
	return "DUNNO"
}

// mailroom is a facteur that sends through a real Postfix.
type mailroom struct {
	t       *testing.T
	postfix *services.Postfix
	api     *client.Client
	trusted string
}

func (m *mailroom) post(path string, body any) string {
	m.t.Helper()
	var made struct{ ID string }
	if err := m.api.Call(m.t.Context(), http.MethodPost, path, body, &made); err != nil {
		m.t.Fatal(err)
	}
	return made.ID
}

// campaign mails people through a relay and waits until nothing is under way.
func (m *mailroom) campaign(relay map[string]any, subject, html string, people ...string) client.Campaign {
	m.t.Helper()
	list := m.post("/lists", map[string]any{"name": "Nouvelles"})
	q := url.Values{"basis": {"opt_in"}, "source": {"test"}, "at": {time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)}}
	var im client.Import
	if err := m.api.Upload(m.t.Context(), http.MethodPost, "/lists/"+list+"/imports?"+q.Encode(), "text/csv", strings.NewReader("email,name\n"+strings.Join(people, "\n")+"\n"), &im); err != nil {
		m.t.Fatal(err)
	}
	for im.Status != "done" {
		time.Sleep(20 * time.Millisecond)
		var err error
		if im, err = m.api.Import(m.t.Context(), im.ID); err != nil || im.Refused > 0 {
			m.t.Fatal(im, err)
		}
	}
	sender := m.post("/senders", map[string]any{"from_email": "hello@news.example.com", "from_name": "Les Nouvelles", "reply_to": "answer@news.example.com", "postal_address": "1 rue de la Poste", "relay_ids": []string{m.post("/relays", relay)}})
	id := m.post("/campaigns", map[string]any{"name": "C", "subject": subject, "html": html, "list_ids": []string{list}, "sender_id": sender})
	m.post("/campaigns/"+id+"/launch", map[string]any{})
	var last client.Campaign
	if err := m.api.Follow(m.t.Context(), id, func(c client.Campaign) error { last = c; return nil }); err != nil || last.Status != "sent" {
		m.t.Fatalf("%+v, %v\n%s", last, err, m.postfix.Log())
	}
	return last
}

// reasons counts the campaign's failed deliveries by reason and code.
func (m *mailroom) reasons(id string) map[string]int {
	m.t.Helper()
	var page struct {
		Items []struct {
			Reason, Enhanced string
			Code             int
		}
	}
	if err := m.api.Call(m.t.Context(), http.MethodGet, "/campaigns/"+id+"/deliveries?status=failed&limit=200", nil, &page); err != nil {
		m.t.Fatal(err)
	}
	counts := map[string]int{}
	for _, d := range page.Items {
		counts[fmt.Sprintf("%s %d %s", d.Reason, d.Code, d.Enhanced)]++
	}
	return counts
}

func newMailroom(t *testing.T) *mailroom {
	dir := t.TempDir()
	certificate, _, err := sandbox.SelfSigned(time.Now(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(certificate.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	m := &mailroom{t: t, trusted: filepath.Join(dir, "authority.pem")}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificates[0].Certificate[0]})
	chain := filepath.Join(dir, "chain.pem")
	for file, text := range map[string][]byte{m.trusted: public, chain: append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), public...)} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m.postfix = servicestest.Postfix(t, services.PostfixOptions{
		Users: map[string]string{"facteur": "lettre"},
		Ports: []map[string]string{
			{
				"smtpd_tls_chain_files": chain, "smtpd_tls_security_level": "encrypt", "smtpd_sasl_auth_enable": "yes", "smtpd_tls_auth_only": "yes",
				"smtpd_client_restrictions": "permit_sasl_authenticated, reject", "smtpd_client_connection_count_limit": "3",
				"smtpd_recipient_restrictions": "reject_unlisted_recipient, check_policy_service inet:" + startPolicy(t),
			},
			{"message_size_limit": "2000"},
		},
	})
	binary, err := rig.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	p, err := rig.New(binary, filepath.Join(dir, "data"), []string{"SSL_CERT_FILE=" + m.trusted, "FACTEUR_RETRY_FIRST=1s", "FACTEUR_RETRY_MOST=2s", "FACTEUR_RETRY_GIVE_UP=6s"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	m.api = &p.API().Client
	m.post("/domains", map[string]any{"name": "news.example.com", "warmup": "none"})
	return m
}

// A campaign through a real Postfix with login, TLS, greylisting, busy
// moments, a full mailbox, dead addresses and a limit on connections ends in
// real mailboxes, once each, with all that a mail must carry.
func TestCampaign_ThroughARealPostfixReachesRealMailboxes(t *testing.T) {
	m := newMailroom(t)
	var people []string
	for i := range 60 {
		people = append(people, fmt.Sprintf("reader%d@example.org,Zoë %d", i, i))
	}
	people = append(people, "greylist1@example.org,G", "greylist2@example.org,G", "later1@example.org,L", "full1@example.org,F", "unknown1@example.org,U", "unknown2@example.net,U")
	c := m.campaign(map[string]any{"host": "127.0.0.1", "port": m.postfix.Port(0), "security": "starttls", "username": "facteur", "password": "lettre", "max_connections": 10},
		"L’été à {{ name }} — 50 % ☀️", `<h1>Bonjour {{ name }}</h1><p>`+strings.Repeat("Un été à lire. ", 200)+`</p>`, people...)
	if c.Counts.Sent != 63 || c.Counts.Failed != 3 || c.Counts.Doubted != 0 || !c.Counts.Balanced() {
		t.Errorf("the books: %+v", c.Counts)
	}
	if got := fmt.Sprint(m.reasons(c.ID)); got != "map[dead_address 550 5.1.1:2 expired 452 4.2.2:1]" {
		t.Errorf("failed: %s", got)
	}
	for m.postfix.Arrived() < 63 {
		time.Sleep(20 * time.Millisecond)
	}
	for _, line := range people[:63] {
		to, name, _ := strings.Cut(line, ",")
		mails, err := m.postfix.Mailbox(to)
		if err != nil || len(mails) != 1 {
			t.Fatalf("%s got %d mails, %v", to, len(mails), err)
		}
		checkMail(t, mails[0], to, name)
	}
	m.verify(people[0], people[59], people[60])
	if log := m.postfix.Log(); !strings.Contains(log, "Connection concurrency limit exceeded") {
		t.Error("the limit on connections was never met")
	}
}

// verify lets verifiers that are not ours check what lies in mailboxes.
func (m *mailroom) verify(people ...string) {
	m.t.Helper()
	var domains struct {
		Items []struct {
			DNS []struct{ Name, Value string }
		}
	}
	if err := m.api.Call(m.t.Context(), http.MethodGet, "/domains", nil, &domains); err != nil {
		m.t.Fatal(err)
	}
	records := map[string]string{}
	for _, r := range domains.Items[0].DNS {
		if strings.Contains(r.Name, "._domainkey.") {
			records[r.Name] = r.Value
		}
	}
	verifiers := servicestest.DKIM(m.t, records)
	for _, line := range people {
		to, _, _ := strings.Cut(line, ",")
		mails, err := m.postfix.Mailbox(to)
		if err != nil || len(mails) != 1 {
			m.t.Fatal(to, len(mails), err)
		}
		if n := strings.Count(mails[0], "DKIM-Signature:"); n != 2 {
			m.t.Errorf("%s: %d signatures", to, n)
		}
		for _, fault := range verifiers.Check(m.t, []byte(strings.ReplaceAll(strings.ReplaceAll(mails[0], "\r\n", "\n"), "\n", "\r\n"))) {
			m.t.Errorf("%s: %s", to, fault)
		}
	}
}

// checkMail reads a mail as it lies in its mailbox.
func checkMail(t *testing.T, raw, to, name string) {
	t.Helper()
	got, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatalf("%s: %v\n%s", to, err, raw)
	}
	h := got.Header
	words := new(mime.WordDecoder)
	if subject, err := words.DecodeHeader(h.Get("Subject")); err != nil || subject != "L’été à "+name+" — 50 % ☀️" {
		t.Errorf("%s: subject %q, %v", to, subject, err)
	}
	for field, want := range map[string]string{
		"From": `Les Nouvelles <hello@news.example.com>`, "Reply-To": "answer@news.example.com", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
		"List-Id": ".list.news.example.com>", "Message-Id": "@news.example.com>", "Feedback-Id": ":campaign:", "Mime-Version": "1.0", "Received": "with ESMTPSA id",
	} {
		if len(h[field]) != 1 || !strings.Contains(strings.ReplaceAll(h.Get(field), `"`, ""), want) {
			t.Errorf("%s: %s is %q, want %q", to, field, h[field], want)
		}
	}
	if a, err := h.AddressList("To"); err != nil || len(a) != 1 || a[0].Address != to || a[0].Name != name {
		t.Errorf("%s: To is %v, %v", to, a, err)
	}
	if path := h.Get("Return-Path"); !strings.HasPrefix(path, "<b-") || !strings.HasSuffix(path, "@bounces.news.example.com>") {
		t.Errorf("%s: Return-Path %q is not its own", to, path)
	}
	if at, err := h.Date(); err != nil || time.Since(at) > time.Minute {
		t.Errorf("%s: Date %v, %v", to, at, err)
	}
	if link := strings.Trim(h.Get("List-Unsubscribe"), "<>"); !strings.HasPrefix(link, "http://127.0.0.1:") || !strings.Contains(link, "/u/") {
		t.Errorf("%s: List-Unsubscribe %q", to, link)
	}
	for line := range strings.Lines(raw) {
		if len(line) > 998 {
			t.Errorf("%s: a line of %d bytes (RFC 5322 section 2.1.1)", to, len(line))
		}
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s: %s, %v", to, kind, err)
	}
	var kinds []string
	for parts := multipart.NewReader(got.Body, params["boundary"]); ; {
		p, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", to, err)
		}
		text, err := io.ReadAll(p)
		if err != nil || !strings.Contains(strings.ToLower(string(text)), "bonjour "+strings.ToLower(name)) || !bytes.Contains(text, []byte("Un été à lire.")) || !bytes.Contains(text, []byte("1 rue de la Poste")) {
			t.Errorf("%s: part %s: %v\n%s", to, p.Header.Get("Content-Type"), err, text)
		}
		kinds = append(kinds, p.Header.Get("Content-Type"))
	}
	if fmt.Sprint(kinds) != "[text/plain; charset=utf-8 text/html; charset=utf-8]" {
		t.Errorf("%s: parts %v", to, kinds)
	}
}

// A mail that a relay finds too large fails; nothing is held against the relay or the person.
func TestCampaign_TooLargeForItsRelayFails(t *testing.T) {
	m := newMailroom(t)
	c := m.campaign(map[string]any{"host": "127.0.0.1", "port": m.postfix.Port(1), "security": "none"}, "Big", "<p>"+strings.Repeat("Too much to say. ", 300)+"</p>", "a@example.org,A", "b@example.org,B")
	if got := fmt.Sprint(m.reasons(c.ID)); got != "map[content 552 5.3.4:2]" {
		t.Errorf("failed: %s", got)
	}
	status, err := m.api.Status(context.Background())
	if err != nil || len(status.Relays) != 1 || status.Relays[0].State != "ok" {
		t.Errorf("relays %+v, %v", status.Relays, err)
	}
}
