package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// Relay is a server that takes our mail.
type Relay struct {
	Addr     string // host:port
	Implicit bool   // it speaks TLS from the first byte
	Plain    bool   // it is meant to be spoken to without TLS
	Lax      bool   // its certificate is not looked at when mail is sent
}

// soonExpires is when a certificate should be renewed.
const soonExpires = 14 * 24 * time.Hour

// mostReply bounds an answer of a relay.
const mostReply = 16 << 10

// relay examines the greeting, the encryption and the certificate of a relay.
func (e *examination) relay(ctx context.Context, r Relay) []Finding {
	f := &findings{check: "relay"}
	host, port, err := net.SplitHostPort(r.Addr)
	if err != nil {
		f.add(Error, "relay_address", r.Addr, "%s is not host:port.", quote(r.Addr)).Fix = "Write it as in mail.example.com:587."
		return f.all
	}
	conn := e.connect(ctx, f, r, host, port)
	if conn == nil {
		return f.all
	}
	defer func() { _ = conn.Close() }()
	// At the end of the time, or when nobody waits any more, every read ends.
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	d := &dialogue{conn: conn, host: host, r: bufio.NewReader(io.LimitReader(conn, 1<<20))}
	ip, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
	if r.Implicit && !f.secure(r, d, e.opt) || !f.dialogue(r, d, e.helo()) {
		return f.all
	}
	switch {
	case d.state != nil:
	case d.offers:
		if !f.startTLS(r, d, e.opt) {
			return f.all
		}
	default:
		f.unencrypted(r, ip.Addr().Unmap())
	}
	_ = d.command("QUIT")
	if !f.faulty() {
		with := ""
		if d.state != nil {
			with = fmt.Sprintf(" with %s and a certificate until %s", tls.VersionName(d.state.Version), d.state.PeerCertificates[0].NotAfter.UTC().Format(time.DateOnly))
		}
		f.add(OK, "relay_ok", r.Addr, "%s answers%s: %s.", r.Addr, with, quote(d.greeting))
	}
	return f.all
}

// unencrypted judges a relay that offers no encryption.
func (f *findings) unencrypted(r Relay, at netip.Addr) {
	if at.IsLoopback() {
		f.add(Info, "relay_local", r.Addr, "%s is on this machine and offers no encryption; nothing leaves it here.", r.Addr)
		return
	}
	severity := Error
	if r.Plain {
		severity = Warning
	}
	f.add(severity, "relay_tls_missing", r.Addr, "%s offers no STARTTLS: mail and logins would go there in the clear.", r.Addr).Fix = "Use port 587 with STARTTLS or port 465 with TLS, or let its operator set a certificate up."
}

func (f *findings) faulty() bool {
	for _, x := range f.all {
		if x.Severity == Error || x.Severity == Warning {
			return true
		}
	}
	return false
}

func (e *examination) helo() string {
	if e.opt.HELO != "" {
		return e.opt.HELO
	}
	if name, err := os.Hostname(); err == nil && name != "" && !strings.ContainsAny(name, " \r\n") {
		return name
	}
	return "localhost"
}

// connect reaches the relay at one of its addresses.
func (e *examination) connect(ctx context.Context, f *findings, r Relay, host, port string) net.Conn {
	ips, err := []netip.Addr(nil), error(nil)
	if ip, wrong := netip.ParseAddr(host); wrong == nil {
		ips = []netip.Addr{ip}
	} else if ips, err = e.dns.Host(ctx, host); missing(err) {
		f.add(Error, "relay_unresolved", r.Addr, "%s has no address.", host).Fix = "Look at the relay's host name."
		return nil
	} else if err != nil {
		f.unlearned("relay_unknown", r.Addr, err)
		return nil
	}
	for _, ip := range ips[:min(len(ips), 4)] {
		limit, cancel := context.WithTimeout(ctx, e.opt.Patience/3)
		var conn net.Conn
		conn, err = new(net.Dialer).DialContext(limit, "tcp", net.JoinHostPort(ip.String(), port))
		cancel()
		if err == nil {
			return conn
		}
	}
	if timedOut(err) {
		f.add(Warning, "relay_unknown", r.Addr, "%s did not answer in time.", r.Addr).Fix = "Look whether a firewall stands between; many providers block port 25 outwards."
		return nil
	}
	f.add(Error, "relay_unreachable", r.Addr, "%s cannot be reached: %s.", r.Addr, quote(err.Error())).Fix = "Look at host and port, and whether the relay runs."
	return nil
}

func timedOut(err error) bool {
	var slow net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &slow) && slow.Timeout()
}

// dialogue is a connection to a relay.
type dialogue struct {
	conn     net.Conn
	host     string
	r        *bufio.Reader
	greeting string
	offers   bool // STARTTLS
	state    *tls.ConnectionState
}

// dialogue reads the greeting and says EHLO.
func (f *findings) dialogue(r Relay, d *dialogue, helo string) bool {
	code, lines, err := readReply(d.r)
	if err == nil && code == 220 {
		d.greeting = lines[0]
		err = d.command("EHLO " + helo)
		if err == nil {
			code, lines, err = readReply(d.r)
		}
		for _, line := range lines {
			d.offers = d.offers || strings.EqualFold(strings.TrimSpace(line), "STARTTLS")
		}
	}
	switch {
	case timedOut(err):
		f.add(Warning, "relay_unknown", r.Addr, "%s took the connection and then did not say anything in time.", r.Addr).Fix = "A port that speaks TLS from the first byte is silent: that is 465. Else ask the relay's operator."
	case err != nil:
		f.add(Error, "relay_greeting", r.Addr, "%s does not speak SMTP: %s.", r.Addr, quote(err.Error())).Fix = "Look at host and port."
	case code/100 != 2:
		f.add(Error, "relay_greeting", r.Addr, "%s refuses us: %d %s.", r.Addr, code, quote(strings.Join(lines, " "))).Fix = "Ask its operator to allow this machine."
	default:
		return true
	}
	return false
}

// startTLS goes over to TLS.
func (f *findings) startTLS(r Relay, d *dialogue, o Options) bool {
	err := d.command("STARTTLS")
	code := 0
	if err == nil {
		code, _, err = readReply(d.r)
	}
	if err != nil || code != 220 {
		f.add(Error, "relay_tls_failed", r.Addr, "%s offers STARTTLS and then refuses it (%d).", r.Addr, code).Fix = "Ask its operator."
		return false
	}
	return f.secure(r, d, o)
}

// secure makes the TLS connection and judges the certificate. The handshake
// itself trusts everybody, so that all that is wrong can be told.
func (f *findings) secure(r Relay, d *dialogue, o Options) bool {
	conn := tls.Client(d.conn, &tls.Config{ServerName: d.host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS10}) // nothing is sent over it
	if err := conn.Handshake(); err != nil {
		if timedOut(err) {
			f.add(Warning, "relay_unknown", r.Addr, "%s did not finish the TLS handshake in time.", r.Addr).Fix = "Ask again in a while."
		} else {
			f.add(Error, "relay_tls_failed", r.Addr, "No TLS connection to %s could be made: %s.", r.Addr, quote(err.Error())).Fix = "Look at the port: 465 speaks TLS from the first byte, 587 and 25 do not."
		}
		return false
	}
	state := conn.ConnectionState()
	d.conn, d.r, d.state = conn, bufio.NewReader(io.LimitReader(conn, 1<<20)), &state
	if state.Version < tls.VersionTLS12 {
		f.add(Error, "relay_tls_old", r.Addr, "%s speaks only %s, which facteur does not.", r.Addr, tls.VersionName(state.Version)).Fix = "Let its operator allow TLS 1.2 or 1.3."
	}
	f.certificate(r, d.host, state.PeerCertificates, o)
	return true
}

// certificate judges whom a relay shows itself to be.
func (f *findings) certificate(r Relay, host string, chain []*x509.Certificate, o Options) {
	now := o.Now()
	severity := Error
	if r.Lax {
		severity = Warning
	}
	leaf := chain[0]
	until := leaf.NotAfter.UTC().Format(time.DateOnly)
	if err := leaf.VerifyHostname(host); err != nil {
		f.add(severity, "relay_certificate_name", r.Addr, "The certificate of %s is not for %s: %s.", r.Addr, host, quote(err.Error())).Fix = "Set the relay's host to a name in its certificate."
	}
	switch {
	case now.After(leaf.NotAfter):
		f.add(severity, "relay_certificate_expired", r.Addr, "The certificate of %s expired on %s.", r.Addr, until).Fix = "Its operator must renew it."
		return
	case now.Before(leaf.NotBefore):
		f.add(severity, "relay_certificate_expired", r.Addr, "The certificate of %s is not valid before %s.", r.Addr, leaf.NotBefore.UTC().Format(time.DateOnly)).Fix = "Look at the clocks."
		return
	case now.Add(soonExpires).After(leaf.NotAfter):
		f.add(Warning, "relay_certificate_expiring", r.Addr, "The certificate of %s expires on %s.", r.Addr, until).Fix = "Its operator must renew it."
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: o.Roots, Intermediates: between, CurrentTime: now}); err != nil {
		f.add(severity, "relay_certificate_untrusted", r.Addr, "The certificate of %s is signed by nobody this machine trusts: %s.", r.Addr, quote(err.Error())).
			Fix = "For an authority of your own, put its certificate into the system's store or name a file of it in SSL_CERT_FILE. Else its operator must send the whole chain."
	}
}

func (d *dialogue) command(line string) error {
	_, err := io.WriteString(d.conn, line+"\r\n")
	return err
}

// readReply reads an SMTP answer of one or more lines (RFC 5321 section 4.2).
func readReply(r *bufio.Reader) (code int, lines []string, err error) {
	for size := 0; ; {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, nil, fmt.Errorf("after %s: %w", quote(strings.Join(lines, " ")+string(line)), err)
		}
		if size += len(line); size > mostReply {
			return 0, nil, errors.New("the answer does not end")
		}
		text := strings.TrimRight(string(line), "\r\n")
		if len(text) < 3 || text[0] < '2' || text[0] > '5' || text[1] < '0' || text[1] > '9' || text[2] < '0' || text[2] > '9' || len(text) > 3 && text[3] != '-' && text[3] != ' ' {
			return 0, nil, fmt.Errorf("%s is no answer", quote(text))
		}
		n := int(text[0]-'0')*100 + int(text[1]-'0')*10 + int(text[2]-'0')
		if code != 0 && n != code {
			return 0, nil, fmt.Errorf("%s does not go on with %d", quote(text), code)
		}
		code = n
		lines = append(lines, strings.TrimPrefix(strings.TrimPrefix(text[3:], "-"), " "))
		if len(text) == 3 || text[3] == ' ' {
			return code, lines, nil
		}
	}
}
