package doctor_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"facteur/internal/dnstest"
	"facteur/sending/doctor"
)

// authority signs certificates of relays.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(10 * 365 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if ca, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return authority{key, ca}
}

func (a authority) sign(t *testing.T, name string, days int) *tls.Config {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: time.Now().Add(-100 * 24 * time.Hour), NotAfter: time.Now().Add(time.Duration(days) * 24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: a.key}}}
}

// mailServer speaks as much SMTP as the check needs.
type mailServer struct {
	greeting string      // "" is a friendly one, "-" none
	starttls *tls.Config // offered
	implicit bool        // from the first byte
	refuses  bool        // STARTTLS
}

func (m mailServer) serve(t *testing.T) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go m.talk(conn)
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

func (m mailServer) talk(conn net.Conn) {
	defer conn.Close()
	if m.implicit {
		conn = tls.Server(conn, m.starttls)
	}
	if m.greeting != "-" {
		fmt.Fprint(conn, m.greeting+map[bool]string{true: "220-mx.test\r\n220 hello\r\n"}[m.greeting == ""])
	}
	for r := bufio.NewReader(conn); ; {
		line, err := r.ReadString('\n')
		switch {
		case err != nil:
			return
		case strings.HasPrefix(line, "EHLO") && m.starttls != nil && !m.implicit:
			fmt.Fprint(conn, "250-mx.test\r\n250-PIPELINING\r\n250 STARTTLS\r\n")
		case strings.HasPrefix(line, "EHLO"):
			fmt.Fprint(conn, "250 mx.test\r\n")
		case strings.HasPrefix(line, "STARTTLS") && m.refuses:
			fmt.Fprint(conn, "454 not now\r\n")
		case strings.HasPrefix(line, "STARTTLS"):
			fmt.Fprint(conn, "220 go\r\n")
			conn = tls.Server(conn, m.starttls)
			r = bufio.NewReader(conn)
		default:
			fmt.Fprint(conn, "221 bye\r\n")
		}
	}
}

func TestCheck_JudgesTheRelay(t *testing.T) {
	ca := newAuthority(t)
	good := ca.sign(t, "relay.test", 90)
	server := dnstest.Serve(t, "relay.test. IN A 127.0.0.1\n", map[string]dnstest.Fault{"lame.test.": dnstest.Refused})
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	for _, c := range []struct {
		name   string
		server mailServer
		host   string
		relay  doctor.Relay
		want   string
	}{
		{name: "STARTTLS", server: mailServer{starttls: good}, want: "relay_ok"},
		{name: "TLS", server: mailServer{starttls: good, implicit: true}, relay: doctor.Relay{Implicit: true}, want: "relay_ok"},
		{name: "no encryption, on this machine", want: "relay_local relay_ok"},
		{name: "wrong name", server: mailServer{starttls: ca.sign(t, "other.test", 90)}, want: "relay_certificate_name"},
		{name: "expired", server: mailServer{starttls: ca.sign(t, "relay.test", -1)}, want: "relay_certificate_expired"},
		{name: "expires soon", server: mailServer{starttls: ca.sign(t, "relay.test", 10)}, want: "relay_certificate_expiring"},
		{name: "signed by a stranger", server: mailServer{starttls: newAuthority(t).sign(t, "relay.test", 90)}, want: "relay_certificate_untrusted"},
		{name: "STARTTLS refused", server: mailServer{starttls: good, refuses: true}, want: "relay_tls_failed"},
		{name: "plain where TLS is meant", relay: doctor.Relay{Implicit: true}, want: "relay_tls_failed"},
		{name: "old TLS", server: mailServer{starttls: &tls.Config{Certificates: good.Certificates, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}}, want: "relay_tls_old"},
		{name: "refused", server: mailServer{greeting: "554 go away\r\n"}, want: "relay_greeting"},
		{name: "no SMTP", server: mailServer{greeting: "HTTP/1.1 400 Bad Request\r\n"}, want: "relay_greeting"},
		{name: "endless", server: mailServer{greeting: strings.Repeat("220-x\r\n", 10_000)}, want: "relay_greeting"},
		{name: "silent", server: mailServer{greeting: "-"}, want: "relay_unknown"},
		{name: "no address", host: "gone.test", want: "relay_unresolved"},
		{name: "DNS refuses", host: "lame.test", want: "relay_unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			patience := 30 * time.Second
			if c.server.greeting == "-" {
				patience = 2 * time.Second
			}
			d, err := doctor.New(doctor.Options{DNS: server.Addr(), Patience: patience, Lists: []doctor.Blocklist{}, Roots: roots})
			if err != nil {
				t.Fatal(err)
			}
			if c.host == "" {
				c.host = "relay.test"
			}
			c.relay.Addr = net.JoinHostPort(c.host, c.server.serve(t))
			same(t, onlyRelay(d.Check(t.Context(), doctor.Subject{Domain: "news.test", Relays: []doctor.Relay{c.relay}})), strings.Fields(c.want))
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		d, _ := doctor.New(doctor.Options{DNS: server.Addr(), Lists: []doctor.Blocklist{}})
		same(t, onlyRelay(d.Check(t.Context(), doctor.Subject{Domain: "news.test", Relays: []doctor.Relay{{Addr: l.Addr().String()}, {Addr: "nonsense"}}})), []string{"relay_unreachable", "relay_address"})
	})
	t.Run("nobody waits any more", func(t *testing.T) {
		d, _ := doctor.New(doctor.Options{DNS: server.Addr(), Patience: time.Minute, Lists: []doctor.Blocklist{}})
		ctx, leave := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer leave()
		began := time.Now()
		d.Check(ctx, doctor.Subject{Domain: "news.test", Relays: []doctor.Relay{{Addr: "127.0.0.1:" + mailServer{greeting: "-"}.serve(t)}}})
		if took := time.Since(began); took > 5*time.Second {
			t.Error(took)
		}
	})
}

func onlyRelay(r doctor.Report) doctor.Report {
	var kept []doctor.Finding
	for _, f := range r.Findings {
		if f.Check == "relay" {
			kept = append(kept, f)
		}
	}
	r.Findings = kept
	return r
}
