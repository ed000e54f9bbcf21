package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"facteur/internal/rig"
)

// subscribe brings confirmed people to the parlour's list.
func (p *parlour) subscribe(emails ...string) {
	p.Helper()
	for _, email := range emails {
		made(p.T, p.app, "/lists/"+p.list+"/subscribers", fmt.Sprintf(`{"email":%q,"consent":{"basis":"opt_in","source":"test","at":"2026-01-01T00:00:00Z"}}`, email))
	}
}

func messageID(l letterIn) string { return strings.Trim(l.Header.Get("Message-Id"), "<>") }

// hooked posts to a provider's door, without a token.
func hooked(t *testing.T, address, body string) (int, string) {
	t.Helper()
	res, err := http.Post(address, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}

// A complaint by a provider's webhook ends all mail to the person, stands in
// their history and the rates, and is told to the operator's own program. What
// Gmail does not tell is shown as no data, until somebody puts it in.
func TestFeedback_ByWebhookToHistoryRatesAndOthers(t *testing.T) {
	var mu sync.Mutex
	var heard []string
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var told struct {
			Type     string         `json:"type"`
			ObjectID string         `json:"object_id"`
			Details  map[string]any `json:"details"`
		}
		if err := json.NewDecoder(r.Body).Decode(&told); err != nil || r.Header.Get("webhook-signature") == "" {
			t.Error(err, r.Header)
		}
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, fmt.Sprint(told.Type, " ", told.ObjectID, " ", told.Details["source"]))
	}))
	t.Cleanup(crm.Close)
	p := newParlour(t, Config{WebhookNets: []string{"127.0.0.0/8"}})
	made(t, p.app, "/webhooks", fmt.Sprintf(`{"url":%q,"events":["subscriber.complaint"]}`, crm.URL))
	p.subscribe("ada@example.org", "bob@gmail.com", "unknown@example.org")
	c := p.mail("first")

	status, hook := ask(t, p.app, http.MethodPost, "/feedback/hooks", `{"provider":"postmark"}`)
	address, _ := hook["url"].(string)
	if status != http.StatusCreated || !strings.Contains(address, "/api/v1/feedback/postmark/") {
		t.Fatal(status, hook["raw"])
	}
	address = strings.Replace(address, "127.0.0.1:0", p.app.Addr(), 1) // the public address of a test has no port
	complaint := func(id string) string {
		return fmt.Sprintf(`{"RecordType":"SpamComplaint","ID":1,"Type":"SpamComplaint","Email":"ada@example.org","MessageID":"883953f4","Metadata":{"facteur":%q}}`, id)
	}
	id := messageID(p.await("ada@example.org", 1))
	for _, x := range []struct {
		address, body string
		status        int
		says          string
	}{
		{address + "x", complaint(id), 404, "no such door"},
		{strings.Replace(address, "postmark", "brevo", 1), complaint(id), 404, "no such door"},
		{address, "<html>", 422, "not what this provider sends"},
		{address, complaint("0" + id), 200, `"effect":"unmatched"`},
		{address, complaint(id), 200, `"effect":"suppressed"`},
		{address, complaint(id), 200, `"effect":"duplicate"`},
	} {
		if status, text := hooked(t, x.address, x.body); status != x.status || !strings.Contains(text, x.says) {
			t.Errorf("%d %s, want %d %s", status, text, x.status, x.says)
		}
	}
	person, stands := p.stands("ada@example.org")
	if stands != "unsubscribed" {
		t.Error(stands)
	}
	_, history := ask(t, p.app, http.MethodGet, "/subscribers/"+person+"/history", "")
	for _, want := range []string{`"verb":"suppress"`, `"reason":"complaint"`, `"verb":"complaint"`, `"source":"postmark"`} {
		if !strings.Contains(history["raw"].(string), want) {
			t.Errorf("the history lacks %s: %s", want, history["raw"])
		}
	}
	eventually(t, "the operator's program is told", func() bool { mu.Lock(); defer mu.Unlock(); return len(heard) > 0 })
	if got := strings.Join(heard, "; "); got != "subscriber.complaint "+person+" postmark" {
		t.Error(got)
	}

	rates := func() string {
		_, r := ask(t, p.app, http.MethodGet, "/complaints/rates", "")
		return r["raw"].(string)
	}
	r := rates()
	for _, want := range []string{
		`"all":{"accepted":2,"refused":1,"hard":1,"soft":0,"complained":1,"bounce_rate":0.3333333333333333,"complaint_rate":1,"complaint_data":"reports","state":"warn"}`,
		`{"domain":"news.example.com","provider":"google","accepted":1,"refused":0,"hard":0,"soft":0,"complained":0,"bounce_rate":0,"complaint_rate":null,"complaint_data":"none","state":"ok"}`,
		`"campaign_id":"` + c["id"].(string) + `"`, `"day":"` + time.Now().UTC().Format(time.DateOnly) + `"`,
	} {
		if !strings.Contains(r, want) {
			t.Errorf("the rates lack %s:\n%s", want, r)
		}
	}
	for body, want := range map[string]int{
		`{"domain":"news.example.com","provider":"google","day":"` + time.Now().UTC().Format(time.DateOnly) + `","rate":0.0009,"source":"postmaster_tools"}`: 200,
		`{"domain":"other.example","provider":"google","day":"2026-11-26","rate":0.1,"source":"x"}`:                                                          404,
		`{"domain":"news.example.com","provider":"gmail","day":"2026-11-26","rate":0.1,"source":"x"}`:                                                        422,
		`{"domain":"news.example.com","provider":"google","day":"2026-11-26","rate":1.1,"source":"x"}`:                                                       422,
		`{"domain":"news.example.com","provider":"google","day":"yesterday","rate":0.1,"source":"x"}`:                                                        422,
	} {
		if status, answer := ask(t, p.app, http.MethodPut, "/complaints/external", body); status != want {
			t.Errorf("%s: %d %s", body, status, answer["raw"])
		}
	}
	if r := rates(); !strings.Contains(r, `"complaint_rate":0.0009,"complaint_data":"external","state":"slow"`) {
		t.Error(r)
	}
}

// freeInbound is an address for a listener that nobody has yet.
func freeInbound(t *testing.T) string {
	t.Helper()
	port, err := rig.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// Mail offers to leave by mail once a probe has come home, and not before.
func TestFeedback_MailtoUnsubscribeOnceTheWayHomeIsProven(t *testing.T) {
	inbound := freeInbound(t)
	p := newParlour(t, Config{InboundAddr: inbound})
	p.subscribe("ada@example.org")
	p.mail("first")
	first := p.await("ada@example.org", 1)
	if way := first.Header.Get("List-Unsubscribe"); strings.Contains(way, "mailto") || first.Header.Get("Cfbl-Address") != "" {
		t.Error(way)
	}

	// The probe goes out; we play the MX that brings it home.
	var probe string
	eventually(t, "the probe", func() bool {
		for _, m := range p.box.Messages() {
			if strings.HasPrefix(m.To[0], "p-") {
				probe = m.To[0]
			}
		}
		return probe != ""
	})
	dialogue(t, inbound, "probe@news.example.com", probe, "Subject: probe\r\n\r\nhome\r\n", "250")
	_, domains := ask(t, p.app, http.MethodGet, "/domains", "")
	if !strings.Contains(domains["raw"].(string), `"inbound":true`) {
		t.Fatal(domains["raw"])
	}

	p.mail("second")
	second := p.await("ada@example.org", 2)
	_, mailto, ok := strings.Cut(second.Header.Get("List-Unsubscribe"), "<mailto:")
	leave, _, _ := strings.Cut(mailto, "?")
	if !ok || !strings.HasSuffix(leave, "@bounces.news.example.com") || !strings.HasPrefix(second.Header.Get("Cfbl-Address"), "c-") {
		t.Fatal(second.Header)
	}
	dialogue(t, inbound, "ada@example.org", "u-forged"+leave[8:], "Subject: unsubscribe\r\n\r\n", "550")
	if _, status := p.stands("ada@example.org"); status != "confirmed" {
		t.Error(status)
	}
	dialogue(t, inbound, "ada@example.org", leave, "Subject: unsubscribe\r\n\r\n", "250")
	if _, status := p.stands("ada@example.org"); status != "unsubscribed" {
		t.Error(status)
	}
	_, left := ask(t, p.app, http.MethodGet, "/unsubscribes", "")
	if !strings.Contains(left["raw"].(string), `"mailto"`) {
		t.Error(left["raw"])
	}
	dialogue(t, inbound, "ada@example.org", "somebody@elsewhere.example", "", "550")
}

// dialogue hands a mail over and wants this answer at its end.
func dialogue(t *testing.T, addr, from, to, mail, want string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	lines := bufio.NewReader(conn)
	answer := func() string {
		for { // an answer may have several lines, the last of which has a space behind its code
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if len(line) > 3 && line[3] == ' ' {
				return line
			}
		}
	}
	answer()
	last := ""
	for _, line := range []string{"EHLO mx.test", "MAIL FROM:<" + from + ">", "RCPT TO:<" + to + ">", "DATA", mail + "."} {
		if _, err := io.WriteString(conn, line+"\r\n"); err != nil {
			t.Fatal(err)
		}
		if last = answer(); last[0] == '5' || last[0] == '4' {
			break
		}
	}
	if !strings.HasPrefix(last, want) {
		t.Errorf("%s: %s, want %s", to, last, want)
	}
}

// A report brought by API, twice; and the command that only reads.
func TestFeedback_ByAPIAndOnTheCommandLine(t *testing.T) {
	p := newParlour(t, Config{})
	p.subscribe("ada@example.org")
	p.mail("first")
	var from string
	for _, m := range p.box.Messages() {
		from = m.From
	}
	report := "From: MAILER-DAEMON@mx.example.org\r\nTo: " + from + "\r\nSubject: Undelivered Mail Returned to Sender\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.org\r\n\r\nFinal-Recipient: rfc822; ada@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 <ada@example.org>: user unknown\r\n\r\n--b--\r\n"
	for _, want := range []string{`"effect":"suppressed"`, `"effect":"duplicate"`} {
		status, answer := ask(t, p.app, http.MethodPost, "/feedback/messages", report, "Content-Type", "message/rfc822")
		if status != http.StatusOK || !strings.Contains(answer["raw"].(string), want) || strings.Contains(answer["raw"].(string), "ada@example.org") {
			t.Errorf("%d %s, want %s", status, answer["raw"], want)
		}
	}
	if status, answer := ask(t, p.app, http.MethodPost, "/feedback/messages?to="+url.QueryEscape("nobody@example.org"), "Hello", "Content-Type", "message/rfc822"); status != http.StatusOK || !strings.Contains(answer["raw"].(string), `"effect":"ignored"`) {
		t.Error(status, answer["raw"])
	}
	_, listed := ask(t, p.app, http.MethodGet, "/feedback?kind=bounce", "")
	if items, _ := listed["items"].([]any); len(items) != 1 {
		t.Error(listed["raw"])
	}
	// A bad day is undone by its source and time.
	_, undone := ask(t, p.app, http.MethodPost, "/suppressions/undo", `{"source":"api","from":"2026-01-01T00:00:00Z","to":"2100-01-01T00:00:00Z"}`)
	if undone["undone"] != 1.0 {
		t.Error(undone["raw"])
	}

	file := filepath.Join(t.TempDir(), "bounce.eml")
	if err := os.WriteFile(file, []byte(report), 0o600); err != nil {
		t.Fatal(err)
	}
	out := output(t, func() error { return (&feedbackParseCmd{Files: []string{file}}).Run(nil) })
	want := fmt.Sprintf(`{"file":%q,"kind":"bounce","recipient":"ada@example.org","status":"5.1.1","class":"dead_address","hard":true,"diagnostic":"550 5.1.1 <ada@example.org>: user unknown"}`+"\n", file)
	if out != want {
		t.Errorf("%s, want %s", out, want)
	}
	if err := (&feedbackParseCmd{Files: []string{file + ".missing"}}).Run(nil); err == nil {
		t.Error("a missing file was read")
	}
}

// output is what a command writes to its standard output.
func output(t *testing.T, run func() error) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stdout
	os.Stdout = w
	err = run()
	os.Stdout = old
	_ = w.Close()
	text, _ := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Junk, a mail of 200 levels, half-said dialogues and a storm of forged reports
// at the listener, while a campaign is sent: everybody gets their mail, and
// nothing counts that is not ours.
func TestFeedback_AFloodOfJunkLeavesSendingAlone(t *testing.T) {
	inbound := freeInbound(t)
	p := newParlour(t, Config{InboundAddr: inbound})
	var rows strings.Builder
	rows.WriteString("email\n")
	for i := range 3000 {
		fmt.Fprintf(&rows, "reader%d@example.org\n", i)
	}
	at := url.QueryEscape(time.Now().Add(-time.Hour).UTC().Format(time.RFC3339))
	_, im := ask(t, p.app, http.MethodPost, "/lists/"+p.list+"/imports?basis=opt_in&source=test&at="+at, rows.String(), "Content-Type", "text/csv")
	eventually(t, "the import", func() bool {
		_, now := ask(t, p.app, http.MethodGet, "/imports/"+im["id"].(string), "")
		return now["status"] == "done"
	})
	_, domains := ask(t, p.app, http.MethodGet, "/domains", "")
	complaints := domains["items"].([]any)[0].(map[string]any)["complaints_address"].(string)
	var deep strings.Builder
	for i := range 200 {
		fmt.Fprintf(&deep, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	done := make(chan struct{})
	var flood sync.WaitGroup
	for i := range 12 {
		flood.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				conn, err := net.Dial("tcp", inbound)
				if err != nil {
					continue
				}
				_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
				said := "EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<" + complaints + ">\r\nDATA\r\n"
				switch i % 4 {
				case 0:
					said += deep.String() + "\r\n.\r\nQUIT\r\n"
				case 1:
					said += "Subject: Undelivered Mail Returned to Sender\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=f\r\n\r\n--f\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n\r\n--f\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <forged@news.example.com>\r\n\r\n--f--\r\n.\r\nQUIT\r\n"
				case 2:
					said = strings.Repeat("\x00junk\xff", 2000) + "\r\nQUIT\r\n"
				case 3:
					said += strings.Repeat("half a mail\r\n", 1000)
				}
				_, _ = io.WriteString(conn, said)
				if i%4 == 3 {
					time.Sleep(50 * time.Millisecond) // and hang up
				} else {
					_, _ = io.Copy(io.Discard, conn)
				}
				_ = conn.Close()
			}
		})
	}
	c := p.mail("through the flood")
	close(done)
	flood.Wait()
	if counts := c["counts"].(map[string]any); counts["sent"] != 3000.0 || counts["doubted"] != 0.0 {
		t.Error(counts)
	}
	_, suppressed := ask(t, p.app, http.MethodGet, "/suppressions", "")
	if items := suppressed["items"].([]any); len(items) != 0 {
		t.Errorf("%v", items)
	}
	_, unmatched := ask(t, p.app, http.MethodGet, "/feedback?effect=unmatched", "")
	if items := unmatched["items"].([]any); len(items) != 1 { // the same forged report, however often
		t.Errorf("%d unmatched: %v", len(items), unmatched["raw"])
	}
}
