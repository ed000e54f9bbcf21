package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"facteur/sending/sandbox"
)

const testToken = "a-token-of-the-tests-0123"

// serve starts an app with all roles on a free port and a fresh data folder.
func serve(t *testing.T, dir string) *App {
	t.Helper()
	return serveAs(t, Config{DataDir: dir}, allRoles, slog.New(slog.DiscardHandler))
}

// serveAs starts an app with these roles and settings, the rest being for tests.
func serveAs(t *testing.T, c Config, roles []Role, log *slog.Logger) *App {
	t.Helper()
	c.HTTPAddr, c.AdminToken = "127.0.0.1:0", testToken
	c.RetryFirst, c.RetryMost, c.RetryGiveUp, c.FinalDot = time.Second, 2*time.Second, time.Hour, 5*time.Second
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	app, err := Start(context.Background(), c, roles, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(app.Stop)
	return app
}

// ask calls the API and decodes the answer; it returns the status.
func ask(t *testing.T, a *App, method, path, body string, header ...string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+a.Addr()+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+testToken)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, _ := io.ReadAll(res.Body)
	answer := map[string]any{}
	_ = json.Unmarshal(text, &answer)
	answer["raw"] = string(text)
	return res.StatusCode, answer
}

// made is ask for something that must succeed; it returns the id.
func made(t *testing.T, a *App, path, body string) string {
	t.Helper()
	status, answer := ask(t, a, http.MethodPost, path, body)
	if status >= 300 {
		t.Fatalf("POST %s: %d %v", path, status, answer["raw"])
	}
	id, _ := answer["id"].(string)
	return id
}

// eventually polls until done says so.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(30 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("still waiting: " + what)
		}
	}
}

func TestApp_FromACSVToDeliveredMailAndOut(t *testing.T) {
	box, err := sandbox.Start(sandbox.Options{Keep: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	a := serve(t, t.TempDir())

	list := made(t, a, "/lists", `{"name":"Lettre d'octobre"}`)
	csv := "email;name;city\nanne@example.org;Anne Müller;Lyon\nbob@example.net;Bob;\nANNE@example.org;Anne;Lyon\nnot an address;X;\n"
	status, imported := ask(t, a, http.MethodPost, "/lists/"+list+"/imports?basis=opt_in&source=fair&at=2026-01-02T03:04:05Z", csv, "Content-Type", "text/csv")
	if status != http.StatusAccepted {
		t.Fatalf("import: %d %v", status, imported["raw"])
	}
	eventually(t, "import", func() bool {
		_, imported = ask(t, a, http.MethodGet, "/imports/"+imported["id"].(string), "")
		return imported["status"] == "done"
	})
	if imported["rows"] != 4.0 || imported["created"] != 2.0 || imported["refused"] != 1.0 {
		t.Errorf("import %v", imported["raw"])
	}
	host, port, _ := net.SplitHostPort(box.Addr())
	relay := made(t, a, "/relays", fmt.Sprintf(`{"name":"box","host":%q,"port":%s,"security":"none","max_connections":5}`, host, port))
	made(t, a, "/domains", `{"name":"news.example.com","warmup":"none","dkim":false}`)
	sender := made(t, a, "/senders", fmt.Sprintf(`{"from_email":"hello@news.example.com","from_name":"Les Nouvelles","postal_address":"1 rue de la Poste, Lyon","relay_ids":[%q]}`, relay))
	campaign := made(t, a, "/campaigns", fmt.Sprintf(`{"name":"October","subject":"Bonjour {{ name }} ✉","html":"<p>Hello {{ name }} of {{ attributes.city | default: 'your town' }}</p>","list_ids":[%q],"sender_id":%q}`, list, sender))
	for range 3 { // a repeated launch is one launch
		if status, answer := ask(t, a, http.MethodPost, "/campaigns/"+campaign+"/launch", `{}`, "Idempotency-Key", "launch-1"); status != http.StatusAccepted {
			t.Fatalf("launch: %d %v", status, answer["raw"])
		}
	}
	eventually(t, "sent", func() bool {
		_, c := ask(t, a, http.MethodGet, "/campaigns/"+campaign, "")
		return c["status"] == "sent"
	})
	got := map[string]*mail.Message{}
	for _, m := range box.Messages() {
		msg, err := mail.ReadMessage(bytes.NewReader(m.Raw))
		if err != nil {
			t.Fatal(err)
		}
		got[m.To[0]] = msg
		if !strings.HasPrefix(m.From, "b-") || !strings.HasSuffix(m.From, "@bounces.news.example.com") {
			t.Errorf("envelope sender %q is not VERP", m.From)
		}
	}
	if len(got) != 2 || got["anne@example.org"] == nil {
		t.Fatalf("got %d mails", len(got))
	}
	header := got["anne@example.org"].Header
	for _, h := range []string{"List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "Feedback-Id", "Message-Id", "Date"} {
		if header.Get(h) == "" {
			t.Errorf("no %s header", h)
		}
	}
	leave(t, a, box, list, sender, got)
}

// leave checks the way out with the links that really arrived.
func leave(t *testing.T, a *App, box *sandbox.Server, list, sender string, got map[string]*mail.Message) {
	t.Helper()
	link := func(who string) string {
		return strings.Trim(got[who].Header.Get("List-Unsubscribe"), "<>")
	}
	// The public URL was fixed before the port was known.
	at := func(who string) string {
		u, err := url.Parse(link(who))
		if err != nil {
			t.Fatal(err)
		}
		return "http://" + a.Addr() + u.Path
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} { // a link scanner
		req, _ := http.NewRequest(method, at("anne@example.org"), nil)
		res, err := http.DefaultClient.Do(req)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v %v", method, res, err)
		}
		_ = res.Body.Close()
	}
	if n := confirmed(t, a, list); n != 2 {
		t.Fatalf("%v confirmed after a scanner's visit", n)
	}
	res, err := http.PostForm(at("anne@example.org"), url.Values{"List-Unsubscribe": {"One-Click"}})
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("one-click: %v %v", res, err)
	}
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	_ = w.WriteField("List-Unsubscribe", "One-Click")
	_ = w.Close()
	res, err = http.Post(at("bob@example.net"), w.FormDataContentType(), &form)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("one-click, multipart: %v %v", res, err)
	}
	if n := confirmed(t, a, list); n != 0 {
		t.Errorf("%v still confirmed", n)
	}
	before := box.Count().Accepted
	second := made(t, a, "/campaigns", fmt.Sprintf(`{"name":"November","subject":"s","text":"t","list_ids":[%q],"sender_id":%q}`, list, sender))
	if status, answer := ask(t, a, http.MethodPost, "/campaigns/"+second+"/launch", ``); status != http.StatusAccepted {
		t.Fatalf("launch: %d %v", status, answer["raw"])
	}
	eventually(t, "second campaign", func() bool {
		_, c := ask(t, a, http.MethodGet, "/campaigns/"+second, "")
		return c["status"] == "sent"
	})
	if after := box.Count().Accepted; after != before {
		t.Errorf("%d mails to people who had left", after-before)
	}
}

func confirmed(t *testing.T, a *App, list string) float64 {
	t.Helper()
	_, l := ask(t, a, http.MethodGet, "/lists/"+list, "")
	sizes, ok := l["sizes"].(map[string]any)
	if !ok {
		t.Fatalf("list %v", l["raw"])
	}
	n, _ := sizes["confirmed"].(float64)
	return n
}

func TestApp_RefusesASecondProcessOnItsFolderAndNamesTheHolder(t *testing.T) {
	dir := t.TempDir()
	serve(t, dir)
	c := Config{DataDir: dir, HTTPAddr: "127.0.0.1:0", RetryFirst: 1, RetryMost: 1, RetryGiveUp: 1, FinalDot: time.Minute}
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	_, err := Start(context.Background(), c, allRoles, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err == nil || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("second process: %v", err)
	}
}

func TestApp_StopsAndStartsAgainOnTheSameFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	a := serve(t, dir)
	list := made(t, a, "/lists", `{"name":"kept"}`)
	a.Stop()
	b := serve(t, dir)
	if status, l := ask(t, b, http.MethodGet, "/lists/"+list, ""); status != http.StatusOK || l["name"] != "kept" {
		t.Errorf("after a restart: %d %v", status, l["raw"])
	}
}

func TestConfig_NamesWhatItDoesNotUnderstand(t *testing.T) {
	good := Config{HTTPAddr: "127.0.0.1:0", RetryFirst: time.Second, RetryMost: time.Second, RetryGiveUp: time.Second, FinalDot: time.Minute}
	for name, change := range map[string]func(*Config){
		"FACTEUR_HTTP_ADDR":       func(c *Config) { c.HTTPAddr = "8080" },
		"FACTEUR_PUBLIC_URL":      func(c *Config) { c.PublicURL = "ftp://x" },
		"FACTEUR_ADMIN_TOKEN":     func(c *Config) { c.AdminToken = "short" },
		"FACTEUR_DNS":             func(c *Config) { c.DNS = "1.1.1.1" },
		"FACTEUR_INBOUND_ADDR":    func(c *Config) { c.InboundAddr = "nowhere" },
		"FACTEUR_INBOUND_CERT":    func(c *Config) { c.InboundCert = "cert.pem" },
		"FACTEUR_IMAP_URL":        func(c *Config) { c.IMAPURL = "imap.example.com" },
		"FACTEUR_RETRY_MOST":      func(c *Config) { c.RetryMost = 1 },
		"FACTEUR_TRUSTED_PROXIES": func(c *Config) { c.TrustedProxies = []string{"10.0.0.1"} },
		"FACTEUR_RECIPIENT_RATE":  func(c *Config) { c.RecipientRate = -1 },
		"FACTEUR_METRICS_FROM":    func(c *Config) { c.MetricsFrom = []string{"private"} },
	} {
		c := good
		change(&c)
		if err := c.complete(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := unknownVariables([]string{"PATH=x", "FACTEUR_DATADIR=y"}); err == nil || !strings.Contains(err.Error(), "FACTEUR_DATADIR") {
		t.Errorf("misspelt variable: %v", err)
	}
}
