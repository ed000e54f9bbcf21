package inbox_test

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/smtp"
	"strings"
	"testing"

	"facteur/sending/sandbox"
	"facteur/web/inbox"
)

// mailbox is a sandbox with its inbox.
type mailbox struct {
	t   *testing.T
	box *sandbox.Server
	url string
}

func newMailbox(t *testing.T) *mailbox {
	box, err := sandbox.Start(sandbox.Options{Keep: 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	server := httptest.NewServer(inbox.New(inbox.Options{Box: box}))
	t.Cleanup(server.Close)
	return &mailbox{t: t, box: box, url: server.URL}
}

// take lets a mail arrive with these header lines and this body.
func (m *mailbox) take(to, header, body string) {
	m.t.Helper()
	text := strings.ReplaceAll("From: The News <news@example.com>\nTo: "+to+"\nSubject: =?utf-8?q?L=C3=A9a=2C_hello?=\n"+header+"\n"+body, "\n", "\r\n")
	if err := smtp.SendMail(m.box.Addr(), nil, "b-1@bounces.example.com", []string{to}, []byte(text)); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mailbox) ask(method, path string, headers ...string) (int, string, http.Header) {
	m.t.Helper()
	req, err := http.NewRequestWithContext(m.t.Context(), method, m.url+path, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}

func (m *mailbox) shows(path string, wants ...string) {
	m.t.Helper()
	_, page, _ := m.ask(http.MethodGet, path)
	for _, want := range wants {
		if !strings.Contains(page, want) {
			m.t.Errorf("%s does not show %q:\n%s", path, want, page[strings.Index(page, "<main>"):])
		}
	}
}

const both = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n"

const letter = "--x\nContent-Type: multipart/alternative; boundary=y\n\n" +
	"--y\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nHello =C3=A9\n" +
	"--y\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\nPHA+SGVsbG88L3A+PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==\n--y--\n" +
	"--x\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=menu.pdf\n\n%PDF\n--x--\n"

func TestInbox_ShowsMailAsItsReaderSeesIt(t *testing.T) {
	m := newMailbox(t)
	m.take("lea@gmail.com", both, letter)
	m.take("tom@example.org", "", "Just text\n")
	m.shows("/", "Léa, hello", "lea@gmail.com", "The News", "tom@example.org", "<b>2</b> taken")
	m.shows("/?q=GMAIL", "lea@gmail.com", "<b>1</b> found")
	m.shows("/?q=nobody", "No mail that is kept is about that.")
	m.shows("/mail/1", "menu.pdf", "b-1@bounces.example.com", `src="/mail/1/html"`)
	m.shows("/mail/1?view=text", "<pre>Hello é")
	m.shows("/mail/1?view=source", "PHA&#43;SGVsbG88L3A")
	m.shows("/mail/2", "<pre>Just text")
	m.shows("/counts", `"accepted":2`) // the box's own handler is under it
	for _, path := range []string{"/mail/3", "/mail/x", "/mail/3/html", "/reports/1"} {
		if status, page, _ := m.ask(http.MethodGet, path); status != http.StatusNotFound || !strings.Contains(page, "There is no number") {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestInbox_LetsAMailRunAndFetchNothing(t *testing.T) {
	m := newMailbox(t)
	m.take("lea@gmail.com", both, letter)
	_, page, header := m.ask(http.MethodGet, "/mail/1/html")
	policy := header.Get("Content-Security-Policy")
	if !strings.Contains(page, "<p>Hello</p><script>") || !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "sandbox") || strings.Contains(policy, "script") {
		t.Errorf("%q under the policy %q", page, policy)
	}
}

func TestInbox_LeavesAsAMailProgramDoes(t *testing.T) {
	m := newMailbox(t)
	heard := make(chan string, 10)
	sender := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		heard <- fmt.Sprintf("%s %s %s cookies:%d %s", r.Method, r.URL.Path, body, len(r.Cookies()), r.Header.Get("Content-Type"))
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		_, _ = fmt.Fprint(w, "gone")
	}))
	t.Cleanup(sender.Close)
	const post = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\n"
	m.take("a@gmail.com", "List-Unsubscribe: <mailto:x@example.com>, <"+sender.URL+"/u/1>\n"+post, "x\n")
	m.take("b@gmail.com", "List-Unsubscribe: <"+sender.URL+"/moved>\n"+post, "x\n")
	m.take("c@gmail.com", "List-Unsubscribe: <"+sender.URL+"/u/3>\n", "x\n")
	m.take("d@gmail.com", "List-Unsubscribe: <http://192.0.2.1/u/4>\n"+post, "x\n")

	m.ask(http.MethodPost, "/mail/1/leave")
	m.shows("/mail/1", "answered 200 OK")
	m.shows("/", `<span class="chip good">left</span>`)
	if got := <-heard; got != "POST /u/1 List-Unsubscribe=One-Click cookies:0 application/x-www-form-urlencoded" {
		t.Errorf("the sender heard %s", got)
	}
	m.ask(http.MethodPost, "/mail/2/leave")
	m.shows("/mail/2", "answered 302 Found") // not followed (RFC 8058 section 3.1)
	<-heard
	m.ask(http.MethodPost, "/mail/3/leave")
	m.shows("/mail/3", "offers no one-click way out", "page for leaving")
	m.ask(http.MethodPost, "/mail/4/leave")
	m.shows("/mail/4", "leads off this machine")
	if len(heard) != 0 {
		t.Errorf("the sender also heard %s", <-heard)
	}
}

func TestInbox_ReportsSpamOnceInTheAbuseReportingFormat(t *testing.T) {
	m := newMailbox(t)
	m.take("lea@gmail.com", "Message-ID: <m1@example.com>\n", "x\n")
	m.ask(http.MethodPost, "/mail/1/spam")
	m.ask(http.MethodPost, "/mail/1/spam")
	m.shows("/mail/1", "Reported as spam", "handed to nobody")
	m.shows("/", "<b>1</b> reported as spam")
	m.shows("/reports", "Report 1")
	_, raw, header := m.ask(http.MethodGet, "/reports/1")
	report, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil || header.Get("Content-Type") != "message/rfc822" {
		t.Fatalf("%v, %v", header, err)
	}
	kind, params, err := mime.ParseMediaType(report.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || params["report-type"] != "feedback-report" {
		t.Fatalf("%s %v %v", kind, params, err)
	}
	var kinds []string
	parts := multipart.NewReader(report.Body, params["boundary"])
	for {
		p, err := parts.NextPart()
		if err != nil {
			break
		}
		kinds = append(kinds, p.Header.Get("Content-Type"))
		text, _ := io.ReadAll(p)
		for _, want := range map[string][]string{
			"message/feedback-report": {"Feedback-Type: abuse\r\n", "Version: 1\r\n", "Original-Rcpt-To: <lea@gmail.com>\r\n", "Original-Mail-From: <b-1@bounces.example.com>\r\n"},
			"message/rfc822":          {"Message-ID: <m1@example.com>"},
		}[p.Header.Get("Content-Type")] {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s has no %q:\n%s", p.Header.Get("Content-Type"), want, text)
			}
		}
	}
	if fmt.Sprint(kinds) != "[text/plain; charset=us-ascii message/feedback-report message/rfc822]" {
		t.Errorf("parts %v", kinds)
	}
}

func TestInbox_RefusesAnotherSitesButtons(t *testing.T) {
	m := newMailbox(t)
	m.take("lea@gmail.com", "", "x\n")
	for _, path := range []string{"/mail/1/spam", "/mail/1/leave", "/reset"} {
		if status, _, _ := m.ask(http.MethodPost, path, "Sec-Fetch-Site: cross-site"); status != http.StatusForbidden {
			t.Errorf("%s from another site: %d", path, status)
		}
	}
}
