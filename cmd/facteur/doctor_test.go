package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"facteur/internal/database"
	"facteur/internal/dnstest"
	"facteur/sending"
	"facteur/sending/sandbox"
)

// surgery is a server with a domain, and the DNS in which that is published.
type surgery struct {
	*testing.T
	app    *App
	dns    *dnstest.Server
	binary string
	dir    string
	domain string // id
}

func newSurgery(t *testing.T) *surgery {
	t.Helper()
	s := &surgery{T: t, dns: dnstest.Serve(t, `news.example. IN MX 10 mx.news.example.
mx.news.example. IN A 192.0.2.25
bounces.news.example. IN MX 10 mx.news.example.
1.2.0.192.in-addr.arpa. IN PTR out.news.example.
out.news.example. IN A 192.0.2.1
_smtp._tls.news.example. IN TXT "v=TLSRPTv1; rua=mailto:t@news.example"
`, nil)}
	box, err := sandbox.Start(sandbox.Options{Keep: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	s.dir = t.TempDir()
	s.app = serveAs(t, Config{DataDir: s.dir, DNS: s.dns.Addr(), AlarmTo: []string{"ops@example.org"}}, allRoles, slog.New(slog.DiscardHandler))
	host, port, _ := net.SplitHostPort(box.Addr())
	relay := made(t, s.app, "/relays", fmt.Sprintf(`{"name":"box","host":%q,"port":%s,"security":"none","egress_ips":["192.0.2.1"]}`, host, port))
	s.domain = made(t, s.app, "/domains", `{"name":"news.example"}`)
	made(t, s.app, "/senders", fmt.Sprintf(`{"from_email":"hello@news.example","postal_address":"1 Road","relay_ids":[%q]}`, relay))
	return s
}

// publish publishes what the API says is to be published.
func (s *surgery) publish() {
	s.Helper()
	_, domain := ask(s.T, s.app, http.MethodGet, "/domains/"+s.domain, "")
	for _, r := range domain["dns"].([]any) {
		r := r.(map[string]any)
		if r["type"] != "TXT" {
			continue
		}
		value := r["value"].(string)
		var cut []string
		for ; len(value) > 255; value = value[255:] {
			cut = append(cut, `"`+value[:255]+`"`)
		}
		s.dns.Add(s.T, fmt.Sprintf("%s. IN TXT %s\n", r["name"], strings.Join(append(cut, `"`+value+`"`), " ")))
	}
}

// checked is what the API finds.
func (s *surgery) checked() (codes string, answer map[string]any) {
	s.Helper()
	status, answer := ask(s.T, s.app, http.MethodGet, "/domains/"+s.domain+"/check", "")
	if status != http.StatusOK {
		s.Fatal(status, answer["raw"])
	}
	for _, f := range answer["findings"].([]any) {
		if f := f.(map[string]any); f["severity"] == "error" {
			codes += f["code"].(string) + " "
		}
	}
	return strings.TrimSpace(codes), answer
}

// run runs facteur doctor beside the server.
func (s *surgery) run(args ...string) (out, diagnosis string, code int) {
	s.Helper()
	if s.binary == "" {
		s.binary = filepath.Join(s.TempDir(), "facteur")
		if out, err := exec.Command("go", "build", "-o", s.binary, "facteur/cmd/facteur").CombinedOutput(); err != nil {
			s.Fatalf("go build: %v\n%s", err, out)
		}
	}
	cmd := exec.CommandContext(s.Context(), s.binary, append([]string{"doctor"}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "FACTEUR_DATA_DIR=" + s.dir, "FACTEUR_DNS=" + s.dns.Addr()}
	var o, d bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &d
	if err := cmd.Run(); cmd.ProcessState == nil {
		s.Fatal(err)
	}
	return o.String(), d.String(), cmd.ProcessState.ExitCode()
}

func TestDoctor_ExaminesADomain(t *testing.T) {
	s := newSurgery(t)
	if codes, _ := s.checked(); codes != "spf_missing dkim_missing dkim_missing dmarc_missing" {
		t.Error(codes)
	}
	out, diagnosis, code := s.run("news.example")
	if code != 1 || !strings.Contains(diagnosis, "news.example is not in order: 4 to be mended") {
		t.Errorf("ended with %d: %s", code, diagnosis)
	}
	for _, want := range []string{"\nSPF of the return path\n  error    spf_missing", `bounces.news.example. TXT "v=spf1 ip4:192.0.2.1 -all"`, "._domainkey.news.example. TXT \"v=DKIM1; k=rsa; p=", "ok       ptr_ok"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	s.publish()
	codes, answer := s.checked()
	if codes != "" || answer["last"] != nil || answer["errors"] != 0.0 || fmt.Sprint(answer["egress_ips"]) != "[192.0.2.1]" {
		t.Errorf("what the API says was published: %s, %v", codes, answer["raw"])
	}
	if out, diagnosis, code := s.run("News.Example."); code != 0 || diagnosis != "" || strings.Contains(out, " error ") {
		t.Errorf("ended with %d: %s\n%s", code, diagnosis, out)
	}

	// What is said on the command line wins.
	out, _, code = s.run("news.example", "--egress", "192.0.2.9", "--dkim", "s9,s1@esp.example", "--return-path", "out.news.example", "--json")
	var report struct {
		Domain     string
		ReturnPath string `json:"return_path"`
		Errors     int
		Findings   []struct{ Code, Severity, About, Message, Fix string }
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 1 || report.ReturnPath != "out.news.example" {
		t.Fatalf("%v, ended with %d:\n%s", err, code, out)
	}
	found := map[string]string{}
	for _, f := range report.Findings {
		found[f.Code+" "+f.About] = f.Severity
	}
	for want, severity := range map[string]string{"ptr_missing 192.0.2.9": "error", "dkim_missing s9._domainkey.news.example": "error", "dkim_missing s1._domainkey.esp.example": "error", "spf_missing out.news.example": "error"} {
		if found[want] != severity {
			t.Errorf("no %s in %v", want, found)
		}
	}
	// A domain that nobody has added.
	if out, _, code := s.run("other.example", "--dkim", "s1"); code != 1 || !strings.HasPrefix(out, "other.example, return path bounces.other.example, sent from unknown addresses") || !strings.Contains(out, "dkim_missing") {
		t.Errorf("ended with %d:\n%s", code, out)
	}
	for _, wrong := range [][]string{{}, {"a.example", "--books"}, {"not a domain"}, {"a.example", "--relay", "mail.example"}, {"a.example", "--egress", "here"}, {"a.example", "--dkim", "a:b"}} {
		if out, diagnosis, code := s.run(wrong...); code == 0 || out != "" || !strings.HasPrefix(diagnosis, "facteur: ") {
			t.Errorf("%q ended with %d: %s%s", wrong, code, out, diagnosis)
		}
	}
	if out, diagnosis, code := s.run("--books"); code != 0 {
		t.Errorf("--books ended with %d: %s%s", code, out, diagnosis)
	}
	if _, diagnosis, code := s.run("--ledger"); code != 0 {
		t.Errorf("--ledger ended with %d: %s", code, diagnosis)
	}
}

// Once a day each domain is checked; an alarm is raised about what is new.
func TestDoctor_ChecksDailyAndAlarms(t *testing.T) {
	s := newSurgery(t)
	s.publish()
	senders := sending.NewStore(s.app.db, nil)
	checker, err := s.app.config.checker()
	if err != nil {
		t.Fatal(err)
	}
	day := func(wantAlarms int64) {
		t.Helper()
		if _, err := s.app.db.Exec(t.Context(), `UPDATE domains SET created_at = 0`); err != nil {
			t.Fatal(err)
		}
		if _, err := s.app.db.Exec(t.Context(), `UPDATE domain_checks SET checked_at = 0`); err != nil {
			t.Fatal(err)
		}
		if _, err := s.app.checkDomains(senders, checker)(t.Context(), s.app.db.Write); err != nil {
			t.Fatal(err)
		}
		var n int64
		if err := s.app.db.Get(t.Context(), &n, `SELECT COUNT(*) FROM journal WHERE verb = 'warn' AND object = 'alarm' AND details LIKE '%domain_check%'`); err != nil || n != wantAlarms {
			t.Errorf("%d alarms, want %d, %v", n, wantAlarms, err)
		}
		if due, err := senders.Unchecked(t.Context()); err != nil || len(due) != 0 {
			t.Errorf("still due: %v, %v", due, err)
		}
	}
	day(0)
	_, answer := s.checked()
	if last, ok := answer["last"].(map[string]any); !ok || last["errors"] != 0.0 || last["checked_at"] == nil {
		t.Error(answer["raw"])
	}
	s.dns.Remove("TXT bounces.news.example.")
	day(1)
	var mail string
	err = s.app.db.Get(t.Context(), &mail, `SELECT message FROM letters WHERE kind = 'alarm'`)
	mail = strings.NewReplacer("=\r\n", "", "=\n", "", "=20", " ").Replace(mail)
	if err != nil || !strings.Contains(mail, "facteur doctor news.example") || !strings.Contains(mail, "spf_missing (bounces.news.example)") || strings.Contains(mail, "breakers") {
		t.Errorf("the operators' mail: %v\n%s", err, mail)
	}
	day(1) // it is known
	s.dns.Add(t, "bounces.news.example. IN TXT \"v=spf1 ip4:192.0.2.1 -all\"\n")
	day(1) // good news wake nobody
	s.dns.Remove("MX news.example.")
	day(2)
	if _, answer := s.checked(); answer["last"].(map[string]any)["errors"] != 1.0 {
		t.Error(answer["raw"])
	}

	// What was learned in a hurry, because the process ends, is not kept.
	ctx, leave := context.WithCancel(t.Context())
	leave()
	if _, err := s.app.db.Exec(t.Context(), `UPDATE domain_checks SET checked_at = 0`); err != nil {
		t.Fatal(err)
	}
	_, err = s.app.checkDomains(senders, checker)(ctx, func(context.Context, func(*database.Tx) error) error { return errors.New("written") })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
