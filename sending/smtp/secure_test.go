package smtp_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"facteur/sending/sandbox"
	"facteur/sending/smtp"
)

// trusted is a certificate for 127.0.0.1 that the tests' process trusts; see TestMain.
var trusted *tls.Config

// TestMain makes a certificate and lets the process trust it before anything asks for the system's.
func TestMain(m *testing.M) {
	code, err := withTrust(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withTrust(m *testing.M) (code int, err error) {
	if trusted, _, err = sandbox.SelfSigned(time.Now(), "127.0.0.1"); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "trust")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "roots.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: trusted.Certificates[0].Certificate[0]})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		return 0, err
	}
	if err := os.Setenv("SSL_CERT_FILE", file); err != nil {
		return 0, err
	}
	if err := os.Setenv("SSL_CERT_DIR", dir); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

func certificate(t *testing.T, at time.Time, host string) *tls.Config {
	t.Helper()
	c, _, err := sandbox.SelfSigned(at, host)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// relay starts a sandbox for the test.
func relay(t *testing.T, o sandbox.Options) *sandbox.Server {
	t.Helper()
	box, err := sandbox.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	return box
}

func serverOf(t *testing.T, box *sandbox.Server, s smtp.Server) smtp.Server {
	t.Helper()
	addr, err := net.ResolveTCPAddr("tcp", box.Addr())
	if err != nil {
		t.Fatal(err)
	}
	s.Host, s.Port, s.HELO = "127.0.0.1", addr.Port, "client.test"
	if s.Security == "" {
		s.Security = smtp.None
	}
	return s
}

// try sends one mail and returns its result, or why the relay is down.
func try(t *testing.T, server smtp.Server) (result smtp.Result, down bool) {
	t.Helper()
	results := make(chan smtp.Result, 2)
	downs := make(chan smtp.Result, 2)
	pool := smtp.NewPool(smtp.Options{Server: server, Turn: func(ended []smtp.Ended, _ smtp.Mail) bool {
		for _, e := range ended {
			results <- e.Result
		}
		return true
	}, Down: func(r smtp.Result) { downs <- r }})
	defer noGoroutines(t)
	defer pool.Close(context.Background())
	_ = pool.Send(t.Context(), &letter{name: "ann", back: func(why error) { t.Errorf("returned: %v", why) }}, false)
	select {
	case r := <-results:
		return r, false
	case r := <-downs:
		return r, true
	case <-time.After(patience):
		t.Fatal("neither result nor down")
	}
	return
}

func TestPool_ChecksTheCertificateWhereItShall(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("trust of a test's own certificate not tried: only on Linux is SSL_CERT_FILE read")
	}
	for name, c := range map[string]struct {
		certificate *tls.Config
		reason      string // "" if it is to be accepted
	}{
		"right":          {trusted, ""},
		"for another":    {certificate(t, time.Now(), "relay.elsewhere.test"), "certificate"},
		"of nobody":      {certificate(t, time.Now(), "127.0.0.1"), "unknown authority"},
		"expired":        {certificate(t, time.Now().AddDate(-3, 0, 0), "127.0.0.1"), "expired"},
		"not yet to use": {certificate(t, time.Now().AddDate(3, 0, 0), "127.0.0.1"), "not yet valid"},
	} {
		for _, security := range []smtp.Security{smtp.StartTLS, smtp.TLS} {
			for _, verify := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%s/verify=%v", name, security, verify), func(t *testing.T) {
					box := relay(t, sandbox.Options{TLS: c.certificate, ImplicitTLS: security == smtp.TLS, RequireTLS: true})
					res, down := try(t, serverOf(t, box, smtp.Server{Security: security, VerifyTLS: verify}))
					if verify && c.reason != "" {
						if !down || res.Err == nil || res.Stage != smtp.Connect || !strings.Contains(res.Err.Error(), c.reason) {
							t.Fatalf("down %v with %+v, want down for %q", down, res, c.reason)
						}
						return
					}
					if down || !res.Accepted() {
						t.Fatalf("down %v with %+v, want accepted", down, res)
					}
				})
			}
		}
	}
}

func TestPool_NeverDowngradesWhenSTARTTLSIsNotOffered(t *testing.T) {
	scene{mails: letters("one"), server: func(s *smtp.Server) { s.Security = smtp.StartTLS }, script: hello + `
		D: connect no answer
		-- closed
		E: one relay is down`}.play(t)
}

func TestPool_NeverDowngradesWhenSTARTTLSIsRefused(t *testing.T) {
	scene{mails: letters("one"), server: func(s *smtp.Server) { s.Security = smtp.StartTLS }, script: `
		-- accept
		S: 220 relay.test
		C: EHLO client.test
		S: 250-relay.test
		S: 250 STARTTLS
		C: STARTTLS
		S: 454 4.7.0 not now
		D: connect 454 4.7.0
		-- closed
		E: one relay is down`}.play(t)
}

func TestPool_RefusesASecurityItDoesNotKnow(t *testing.T) {
	res, down := try(t, smtp.Server{Host: "127.0.0.1", Port: 1, Security: "some"})
	if !down || res.Err == nil || !strings.Contains(res.Err.Error(), `"some"`) {
		t.Fatalf("down %v with %+v", down, res)
	}
}

func TestPool_LogsIn(t *testing.T) {
	for _, security := range []smtp.Security{smtp.StartTLS, smtp.TLS} {
		box := relay(t, sandbox.Options{TLS: trusted, ImplicitTLS: security == smtp.TLS, Users: map[string]string{"ann": "pass word"}})
		res, down := try(t, serverOf(t, box, smtp.Server{Security: security, Username: "ann", Password: "pass word"}))
		if down || !res.Accepted() {
			t.Errorf("%s, right password: down %v with %+v, want accepted", security, down, res)
		}
		for _, wrong := range []smtp.Server{{Username: "ann", Password: "password"}, {Username: "bob", Password: "pass word"}} {
			wrong.Security = security
			res, down = try(t, serverOf(t, box, wrong))
			if !down || res.Stage != smtp.Auth || res.Code != 535 || res.Enhanced != "5.7.8" {
				t.Errorf("%s, %s with %s: down %v with %+v, want 535 at auth", security, wrong.Username, wrong.Password, down, res)
			}
		}
		res, down = try(t, serverOf(t, box, smtp.Server{Security: security}))
		if down || res.Stage != smtp.MailCmd || res.Code != 530 {
			t.Errorf("%s, no login: down %v with %+v, want 530 at mail", security, down, res)
		}
	}
}

func TestPool_NeverSaysAPasswordInTheClear(t *testing.T) {
	box := relay(t, sandbox.Options{Users: map[string]string{"ann": "secret"}})
	res, down := try(t, serverOf(t, box, smtp.Server{Username: "ann", Password: "secret"}))
	if !down || res.Stage != smtp.Auth || res.Err == nil {
		t.Fatalf("down %v with %+v, want down at auth", down, res)
	}
	if c := box.Count(); c.Accepted+c.Refused["535 5.7.8"] != 0 {
		t.Fatalf("it logged in: %+v", c)
	}
}

func TestPool_IsDownWhereALoginIsNotOffered(t *testing.T) {
	box := relay(t, sandbox.Options{TLS: trusted})
	res, down := try(t, serverOf(t, box, smtp.Server{Security: smtp.StartTLS, Username: "ann", Password: "secret"}))
	if !down || res.Stage != smtp.Auth || res.Err == nil {
		t.Fatalf("down %v with %+v, want down at auth", down, res)
	}
}

// helloLogin is the beginning of a dialogue under TLS with a relay that knows only AUTH LOGIN.
var helloLogin = `
	-- accept
	S: 220 relay.test ESMTP
	C: EHLO client.test
	S: 250-relay.test
	S: 250-PIPELINING
	S: 250 AUTH LOGIN
	C: AUTH LOGIN
	S: 334 VXNlcm5hbWU6
	C: ` + base64.StdEncoding.EncodeToString([]byte("ann")) + `
	S: 334 UGFzc3dvcmQ6
	C: ` + base64.StdEncoding.EncodeToString([]byte("secret")) + `
`

func loginOverTLS(s *smtp.Server) {
	s.Security, s.Username, s.Password = smtp.TLS, "ann", "secret"
}

func TestPool_LogsInWithLOGIN(t *testing.T) {
	scene{mails: letters("one"), tls: trusted, server: loginOverTLS, script: helloLogin + `
		S: 235 2.7.0 welcome` + envelopeOne + `
		S: 250 2.1.0 ok
		S: 250 2.1.5 ok
		S: 354 go on
		T: begin one` + bodyOne + `
		S: 250 2.0.0 taken
		T: settle one body 250 2.0.0` + goodbye}.play(t)
}

func TestPool_IsDownWhenLOGINIsRefused(t *testing.T) {
	scene{mails: letters("one"), tls: trusted, server: loginOverTLS, script: helloLogin + `
		S: 535 5.7.8 wrong
		C: *
		S: 501 5.5.2 called off
		C: QUIT
		S: 221 2.0.0 bye
		-- closed
		D: auth 535 5.7.8
		E: one relay is down`}.play(t)
}

func TestPool_ClosesAConnectionThatFailsUnderTLS(t *testing.T) {
	scene{mails: letters("one"), tls: trusted, server: loginOverTLS, script: `
		-- accept
		S: 220 relay.test
		C: EHLO client.test
		S: 550 5.7.1 not you
		C: HELO client.test
		S: 550 5.7.1 not you
		D: connect 550 5.7.1
		-- closed
		E: one relay is down`}.play(t)
}
