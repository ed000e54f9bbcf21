package smtp

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/log"
)

// Limits of a probe, so that nothing hangs.
const (
	probeStep = 10 * time.Second
	probeAll  = 30 * time.Second
)

// Step is one step of a dialogue with a relay.
type Step struct {
	Name string        // resolve, connect, greeting, ehlo, starttls, tls, auth, mail, rcpt, quit
	OK   bool          // it went as it must
	Took time.Duration // since the step before
	Said string        // what the relay answered, or what was found; never a secret
	Fix  string        // what to do, when it did not go well
}

// Probe speaks to a relay as sending would, up to but without a message, and
// reports each step. With to it also asks whether the relay takes mail from
// from to that address; nothing is sent. It ends within 30 s, and with the
// first step that is not OK.
func Probe(ctx context.Context, s Server, from, to string) []Step {
	ctx, cancel := context.WithTimeout(ctx, probeAll)
	defer cancel()
	p := &probe{server: s, last: time.Now()}
	p.server.Timeouts = Timeouts{Connect: probeStep, Command: probeStep, FinalDot: probeStep}
	if p.resolve(ctx) && p.open(ctx) {
		p.envelope(from, to)
	}
	return p.steps
}

// probe is a dialogue that is reported.
type probe struct {
	server   Server
	steps    []Step
	last     time.Time
	dialogue *opened
}

func (p *probe) step(name string, ok bool, said, fix string) bool {
	now := time.Now()
	if ok {
		fix = ""
	}
	p.steps = append(p.steps, Step{Name: name, OK: ok, Took: now.Sub(p.last), Said: clip(said), Fix: fix})
	p.last = now
	return ok
}

// resolve finds the relay's addresses.
func (p *probe) resolve(ctx context.Context) bool {
	if addr, err := netip.ParseAddr(p.server.Host); err == nil {
		return p.step("resolve", true, addr.String(), "")
	}
	lookup := p.server.Lookup
	if lookup == nil {
		lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	addrs, err := lookup(ctx, p.server.Host)
	if err == nil && len(addrs) == 0 {
		err = errors.New("it has no address")
	}
	if err != nil {
		return p.step("resolve", false, err.Error(), "Look at the relay's host name, and at the resolver (FACTEUR_DNS).")
	}
	return p.step("resolve", true, fmt.Sprint(addrs), "")
}

// open connects, secures and logs in as [Pool] does, and reads the transcript.
func (p *probe) open(ctx context.Context) bool {
	heard := &transcript{}
	d, err := p.server.open(ctx, mail.WithDebugLog(), mail.WithLogger(heard))
	if d.remote == "" {
		said, fix := "", "Look at host and port, and whether a firewall stands between. Many providers block port 25 outwards: use 587 or 465."
		if err != nil {
			said = err.Error()
		}
		return p.step("connect", false, said, fix)
	}
	p.step("connect", true, d.remote, "")
	if d.tlsError != nil && p.server.Security == TLS {
		return p.step("tls", false, d.tlsError.Error(), tlsFix(d.tlsError))
	}
	if p.server.Security == TLS {
		p.step("tls", true, describeTLS(d.secured), "")
	}
	greeting := firstLine(d.greeting.Bytes())
	if !p.step("greeting", strings.HasPrefix(greeting, "220"), greeting, greetingFix(greeting)) {
		return false
	}
	failed := p.replay(heard, d, err)
	switch {
	case err == nil:
		p.dialogue = d
		return true
	case failed:
		return false
	}
	return p.step("ehlo", false, err.Error(), "The relay's answer is not understood.")
}

// replay reports what the transcript says, and the step at which err ended it.
func (p *probe) replay(heard *transcript, d *opened, err error) (failed bool) {
	secured := false
	for _, x := range heard.exchanges() {
		switch {
		case strings.HasPrefix(x.command, "EHLO"):
			if !secured {
				p.step("ehlo", x.positive(), x.said, "")
			}
		case strings.HasPrefix(x.command, "STARTTLS"):
			if !p.step("starttls", x.positive(), x.said, "The relay offers STARTTLS and then refuses it: ask its operator.") {
				return true
			}
			secured = true
			if err != nil && d.secured == nil {
				return !p.step("tls", false, err.Error(), tlsFix(err))
			}
			p.step("tls", true, describeTLS(d.secured), "")
		}
	}
	if err == nil {
		if p.server.Username != "" {
			p.step("auth", true, "logged in as "+p.server.Username, "")
		}
		return false
	}
	res := dialResult(err)
	switch {
	case res.Stage == Auth:
		p.step("auth", false, err.Error(), authFix(res))
	case strings.Contains(strings.ToUpper(err.Error()), "STARTTLS"):
		p.step("starttls", false, err.Error(), "The relay does not offer STARTTLS here, and facteur sends nothing unencrypted to a relay that is set to it. Try port 587, or security tls with port 465.")
	default:
		return false
	}
	return true
}

// envelope asks MAIL and RCPT and takes it back.
func (p *probe) envelope(from, to string) {
	client := p.dialogue.client
	defer func() { _ = client.Close() }()
	_ = client.UpdateDeadline(probeStep)
	ask := func(name, command, fix string) bool {
		_, err := client.Text.W.WriteString(command + "\r\n")
		var res Result
		if err == nil {
			err = client.Text.W.Flush()
		}
		if err == nil {
			res, err = readReply(client.Text.R)
		}
		if err != nil {
			return p.step(name, false, err.Error(), "The relay hung up.")
		}
		return p.step(name, res.Code/100 == 2, strings.TrimSpace(fmt.Sprintf("%d %s %s", res.Code, res.Enhanced, res.Text)), fix)
	}
	if to != "" {
		if !ask("mail", "MAIL FROM:<"+from+">", "The relay refuses us as a sender: it may want a login, or know us for bad mail. Its answer says which.") ||
			!ask("rcpt", "RCPT TO:<"+to+">", "A relay that says “relay access denied” wants a login, or must be told to relay for this machine.") {
			return
		}
	}
	ask("quit", "QUIT", "")
}

func greetingFix(greeting string) string {
	switch {
	case greeting == "":
		return "Nothing was said. A port that speaks TLS from the first byte is silent: set security to tls (465)."
	case strings.HasPrefix(greeting, "4"):
		return "The relay is busy, or has a limit on connections: try again, with fewer connections."
	case strings.HasPrefix(greeting, "5"):
		return "The relay refuses this machine: ask its operator to allow our address."
	}
	return "What answers is not an SMTP server, or one that speaks TLS from the first byte."
}

func authFix(r Result) string {
	switch {
	case r.Code/100 == 5:
		return "The relay does not accept the username and password: mend them with PUT /relays/{id}."
	case r.Code/100 == 4:
		return "The relay cannot check logins now: try again later."
	}
	return "The relay offers no login that facteur speaks on this port and security. Logins are often offered on 587 or 465 only."
}

func tlsFix(err error) string {
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var authority x509.UnknownAuthorityError
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &name):
		return "The certificate is for another name: set the relay's host to a name in it."
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "The certificate has expired, or is not valid yet: the relay's operator must renew it. Look at this machine's clock as well."
	case errors.As(err, &authority):
		return "The certificate is signed by nobody this machine trusts. For an authority of your own, put its certificate into the system's store, or name a file of it in SSL_CERT_FILE. verify_tls false would send to whoever answers."
	case errors.As(err, &header):
		return "What answers does not speak TLS from the first byte: set security to starttls (587) or none (25)."
	}
	return "The encrypted connection could not be made."
}

func describeTLS(s *tls.ConnectionState) string {
	if s == nil {
		return "encrypted"
	}
	text := tls.VersionName(s.Version) + ", " + tls.CipherSuiteName(s.CipherSuite)
	if len(s.PeerCertificates) > 0 {
		c := s.PeerCertificates[0]
		names := append([]string{}, c.DNSNames...)
		for _, ip := range c.IPAddresses {
			names = append(names, ip.String())
		}
		text += fmt.Sprintf(", certificate for %s by %s until %s", strings.Join(names, " "), c.Issuer.String(), c.NotAfter.UTC().Format(time.DateOnly))
	}
	if len(s.VerifiedChains) == 0 {
		text += ", NOT VERIFIED"
	}
	return text
}

func firstLine(b []byte) string {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return strings.TrimRight(string(line), "\r")
}

// transcript is the dialogue as go-mail logs it; it leaves out what a login says.
type transcript struct {
	mu   sync.Mutex
	said []log.Log
}

// exchange is a command and its answer.
type exchange struct{ command, said string }

func (x exchange) positive() bool { return strings.HasPrefix(x.said, "2") }

func (t *transcript) exchanges() []exchange {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []exchange
	for _, l := range t.said {
		text := fmt.Sprintf(l.Format, l.Messages...)
		if l.Direction == log.DirClientToServer {
			all = append(all, exchange{command: strings.ToUpper(text)})
		} else if n := len(all); n > 0 && all[n-1].said == "" {
			all[n-1].said = strings.Join(strings.Fields(text), " ")
		}
	}
	return all
}

func (t *transcript) Debugf(l log.Log) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.said = append(t.said, l)
}

// Infof implements [log.Logger].
func (t *transcript) Infof(log.Log) {}

// Warnf implements [log.Logger].
func (t *transcript) Warnf(log.Log) {}

// Errorf implements [log.Logger].
func (t *transcript) Errorf(log.Log) {}
