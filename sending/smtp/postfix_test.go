package smtp_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facteur/internal/services"
	"facteur/internal/services/servicestest"
	"facteur/sending/smtp"
)

// keyFiles writes a certificate and its key as Postfix reads them.
func keyFiles(t *testing.T, dir, name string, c *tls.Config) map[string]string {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	both := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificates[0].Certificate[0]})...)
	file := filepath.Join(dir, name+".pem")
	if err := os.WriteFile(file, both, 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"smtpd_tls_chain_files": file, "smtpd_tls_security_level": "encrypt"}
}

func with(settings map[string]string, more ...string) map[string]string {
	settings = maps.Clone(settings)
	for i := 0; i+1 < len(more); i += 2 {
		settings[more[i]] = more[i+1]
	}
	return settings
}

// One Postfix with a door for each way that relays are set up, right and wrong.
func TestProbeAndPool_WithARealPostfix(t *testing.T) {
	dir := t.TempDir()
	right := keyFiles(t, dir, "right", trusted)
	login := func(mechanism string) map[string]string {
		return with(right, "smtpd_sasl_auth_enable", "yes", "smtpd_tls_auth_only", "yes", "smtpd_client_restrictions", "permit_sasl_authenticated, reject", "smtpd_sasl_mechanism_filter", mechanism)
	}
	doors := []struct {
		name     string
		settings map[string]string
		server   smtp.Server
		fails    string // the step that must not go well; "": all do
		fix      string // part of what is said to do
		arrives  string // part of the mail as it arrived
	}{
		{"plain", nil, smtp.Server{Security: smtp.None}, "", "", "with ESMTP id"},
		{"STARTTLS", right, smtp.Server{Security: smtp.StartTLS, VerifyTLS: true}, "", "", "with ESMTPS id"},
		{"TLS", with(right, "smtpd_tls_wrappermode", "yes"), smtp.Server{Security: smtp.TLS, VerifyTLS: true}, "", "", "with ESMTPS id"},
		{"PLAIN", login("plain"), smtp.Server{Security: smtp.StartTLS, VerifyTLS: true, Username: "ada", Password: "s3cret word"}, "", "", "with ESMTPSA id"},
		{"LOGIN", login("login"), smtp.Server{Security: smtp.StartTLS, VerifyTLS: true, Username: "ada", Password: "s3cret word"}, "", "", "with ESMTPSA id"},
		{"CRAM-MD5", login("cram-md5"), smtp.Server{Security: smtp.StartTLS, VerifyTLS: true, Username: "ada", Password: "s3cret word"}, "", "", "with ESMTPSA id"},
		{"SCRAM-SHA-1", login("scram-sha-1"), smtp.Server{Security: smtp.StartTLS, VerifyTLS: true, Username: "ada", Password: "s3cret word"}, "", "", "with ESMTPSA id"},
		{"SCRAM-SHA-256", login("scram-sha-256"), smtp.Server{Security: smtp.StartTLS, VerifyTLS: true, Username: "ada", Password: "s3cret word"}, "", "", "with ESMTPSA id"},
		{"login over TLS", with(login("plain"), "smtpd_tls_wrappermode", "yes"), smtp.Server{Security: smtp.TLS, VerifyTLS: true, Username: "ada", Password: "s3cret word"}, "", "", "with ESMTPSA id"},

		{"wrong password", login("plain"), smtp.Server{Security: smtp.StartTLS, VerifyTLS: true, Username: "ada", Password: "wrong"}, "auth", "username and password", ""},
		{"no login offered", right, smtp.Server{Security: smtp.StartTLS, VerifyTLS: true, Username: "ada", Password: "s3cret word"}, "auth", "offers no login", ""},
		{"login only under TLS", with(login("plain"), "smtpd_tls_security_level", "may"), smtp.Server{Security: smtp.None, Username: "ada", Password: "s3cret word"}, "auth", "offers no login", ""},
		{"no STARTTLS", nil, smtp.Server{Security: smtp.StartTLS, VerifyTLS: true}, "starttls", "sends nothing unencrypted", ""},
		{"expired", keyFiles(t, dir, "expired", certificate(t, time.Now().AddDate(-3, 0, 0), "127.0.0.1")), smtp.Server{Security: smtp.StartTLS, VerifyTLS: true}, "tls", "expired", ""},
		{"wrong name", keyFiles(t, dir, "name", certificate(t, time.Now(), "elsewhere.test")), smtp.Server{Security: smtp.StartTLS, VerifyTLS: true}, "tls", "another name", ""},
		{"self-signed", keyFiles(t, dir, "self", certificate(t, time.Now(), "127.0.0.1")), smtp.Server{Security: smtp.StartTLS, VerifyTLS: true}, "tls", "nobody this machine trusts", ""},
		{"self-signed over TLS", with(keyFiles(t, dir, "self2", certificate(t, time.Now(), "127.0.0.1")), "smtpd_tls_wrappermode", "yes"), smtp.Server{Security: smtp.TLS, VerifyTLS: true}, "tls", "nobody this machine trusts", ""},
		{"self-signed, not verified", keyFiles(t, dir, "self3", certificate(t, time.Now(), "127.0.0.1")), smtp.Server{Security: smtp.StartTLS}, "", "", "with ESMTPS id"},
		{"TLS at a plain port", nil, smtp.Server{Security: smtp.TLS, VerifyTLS: true}, "tls", "does not speak TLS", ""},
		{"refuses this machine", map[string]string{"smtpd_client_restrictions": "reject", "smtpd_delay_reject": "no"}, smtp.Server{Security: smtp.None}, "greeting", "refuses this machine", ""},
		{"refuses the sender", map[string]string{"smtpd_sender_restrictions": "reject", "smtpd_delay_reject": "no"}, smtp.Server{Security: smtp.None}, "mail", "refuses us as a sender", ""},
		{"relay access denied", map[string]string{"smtpd_relay_restrictions": "reject"}, smtp.Server{Security: smtp.None}, "rcpt", "wants a login", ""},
	}
	settings := make([]map[string]string, len(doors))
	for i, d := range doors {
		settings[i] = d.settings
	}
	postfix := servicestest.Postfix(t, services.PostfixOptions{Users: map[string]string{"ada": "s3cret word"}, Ports: settings})
	arrived := 0
	for i, d := range doors {
		t.Run(d.name, func(t *testing.T) {
			d.server.Host, d.server.Port, d.server.HELO = "127.0.0.1", postfix.Port(i), "client.test"
			steps := smtp.Probe(t.Context(), d.server, "news@example.com", "ann@example.test")
			last := steps[len(steps)-1]
			said := fmt.Sprintf("%+v", steps)
			if d.fails != "" {
				if last.Name != d.fails || last.OK || !strings.Contains(last.Fix, d.fix) {
					t.Fatalf("ends with %+v, want %s not well and to be told %q; all: %s", last, d.fails, d.fix, said)
				}
			} else if last.Name != "quit" || !last.OK {
				t.Fatalf("ends with %+v; all: %s\n%s", last, said, postfix.Log())
			}
			if strings.Contains(said, "s3cret") || strings.Contains(said, "czNjcmV0") {
				t.Errorf("the password is in the report: %s", said)
			}
			if d.fails == "mail" || d.fails == "rcpt" {
				return
			}
			res, down := try(t, d.server)
			if down != (d.fails != "") || !down && !res.Accepted() {
				t.Fatalf("sending: down %v with %+v", down, res)
			}
			if down {
				return
			}
			arrived++
			for postfix.Arrived() < arrived {
				time.Sleep(10 * time.Millisecond)
			}
			mails, err := postfix.Mailbox("ann@example.test")
			if err != nil || len(mails) != arrived {
				t.Fatalf("%d mails of %d, %v", len(mails), arrived, err)
			}
			if !strings.Contains(strings.Join(mails, "\n"), d.arrives) {
				t.Errorf("no mail came %s:\n%s", d.arrives, mails)
			}
		})
	}
}

func TestProbe_SaysWhyNobodyAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		server smtp.Server
		fails  string
	}{
		"nobody listens": {smtp.Server{Host: "127.0.0.1", Port: 1, Security: smtp.None}, "connect"},
		"no such name":   {smtp.Server{Host: "relay.invalid", Port: 25, Security: smtp.None}, "resolve"},
	} {
		steps := smtp.Probe(t.Context(), c.server, "", "")
		if last := steps[len(steps)-1]; last.Name != c.fails || last.OK || last.Fix == "" || last.Said == "" {
			t.Errorf("%s: %+v", name, steps)
		}
	}
}
