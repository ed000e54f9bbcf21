package smtp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/textproto"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// Security is how the connection to a relay is protected.
type Security string

// A server that does not offer the demanded TLS is refused, never downgraded.
const (
	None     Security = "none"     // usually port 25
	StartTLS Security = "starttls" // usually port 587
	TLS      Security = "tls"      // implicit, usually port 465
)

// Server is a relay and how to log in to it.
type Server struct {
	Host      string
	Port      int
	Security  Security
	Username  string // "": no login
	Password  string
	VerifyTLS bool
	HELO      string // our own name; "": the host's
	Timeouts  Timeouts
	// Lookup finds the host's addresses; nil: as the system does.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
}

// Timeouts of the dialogue, RFC 5321 section 4.5.3.2. Zero values become its minimums.
type Timeouts struct {
	Connect  time.Duration // until logged in
	Command  time.Duration // MAIL, RCPT, DATA
	FinalDot time.Duration // the answer to the body
}

func (t Timeouts) orDefault() Timeouts {
	if t.Connect == 0 {
		t.Connect = time.Minute
	}
	if t.Command == 0 {
		t.Command = 5 * time.Minute
	}
	if t.FinalDot == 0 {
		t.FinalDot = 10 * time.Minute
	}
	return t
}

// dial connects, secures and logs in, unless ctx ends before. A failure is a
// [Result] at [Connect] or [Auth].
func (p *Pool) dial(ctx context.Context) (*conn, Result) {
	d, err := p.server.open(ctx)
	if err != nil {
		return nil, dialResult(err)
	}
	c := &conn{pool: p, client: d.client, r: d.client.Text.R, w: d.client.Text.W}
	c.pipelining, _ = d.client.Extension("PIPELINING")
	c.utf8, _ = d.client.Extension("SMTPUTF8")
	return c, Result{}
}

// opened is what came of opening a connection, as far as it went.
type opened struct {
	client   *smtp.Client // logged in; nil on an error
	remote   string       // the address connected to; "": none was
	secured  *tls.ConnectionState
	tlsError error        // of a handshake before the first byte
	greeting bytes.Buffer // the first bytes that were read, if they are wanted
}

// open connects, secures and logs in; with more options it also keeps the
// greeting. It always returns how far it came.
func (s Server) open(ctx context.Context, more ...mail.Option) (*opened, error) {
	d := &opened{}
	secure := &tls.Config{ServerName: s.Host, InsecureSkipVerify: !s.VerifyTLS, MinVersion: tls.VersionTLS12}
	secure.VerifyConnection = func(state tls.ConnectionState) error {
		d.secured = &state
		return nil
	}
	var raw net.Conn
	stop := func() bool { return true }
	options, err := s.options(secure, func(limit context.Context, network, address string) (net.Conn, error) {
		var err error
		if raw, err = s.reach(limit, network, address); err != nil {
			return nil, err
		}
		d.remote = raw.RemoteAddr().String()
		stop = context.AfterFunc(ctx, func() { _ = raw.Close() }) // go-mail reads on without looking at ctx
		conn := raw
		if s.Security == TLS {
			encrypted := tls.Client(raw, secure)
			if d.tlsError = encrypted.HandshakeContext(limit); d.tlsError != nil {
				return encrypted, d.tlsError
			}
			conn = encrypted
		}
		if len(more) > 0 {
			conn = &greeted{Conn: conn, heard: &d.greeting}
		}
		return conn, nil
	})
	if err != nil {
		return d, err
	}
	client, err := mail.NewClient(s.Host, append(options, more...)...)
	if err != nil {
		return d, err
	}
	d.client, err = client.DialToSMTPClientWithContext(ctx)
	stop()
	if err != nil {
		d.client = nil
		if raw != nil {
			_ = raw.Close() // go-mail leaves it open when EHLO or the login fails
		}
	}
	return d, err
}

// greeted keeps the first bytes that are read.
type greeted struct {
	net.Conn
	heard *bytes.Buffer
}

func (g *greeted) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if room := 512 - g.heard.Len(); room > 0 {
		g.heard.Write(b[:min(n, room)])
	}
	return n, err
}

// reach connects to the first of the host's addresses that answers.
func (s Server) reach(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	if _, err := netip.ParseAddr(s.Host); err == nil || s.Lookup == nil {
		return dialer.DialContext(ctx, network, address)
	}
	addrs, err := s.Lookup(ctx, s.Host)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", s.Host, err)
	}
	err = fmt.Errorf("%s has no address", s.Host)
	for _, addr := range addrs {
		var raw net.Conn
		if raw, err = dialer.DialContext(ctx, network, netip.AddrPortFrom(addr, uint16(s.Port)).String()); err == nil {
			return raw, nil
		}
	}
	return nil, err
}

// options are go-mail's for this server, dialled by dial.
func (s Server) options(secure *tls.Config, dial mail.DialContextFunc) ([]mail.Option, error) {
	options := []mail.Option{mail.WithPort(s.Port), mail.WithTimeout(s.Timeouts.Connect), mail.WithTLSConfig(secure), mail.WithDialContextFunc(dial)}
	login := mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover)
	switch s.Security {
	case None:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	case StartTLS:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	case TLS:
		options = append(options, mail.WithSSL())
		// Auto-discovery does not see that our own dial is encrypted; these are what it would choose from.
		login = mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256PLUS, mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthSCRAMSHA1PLUS, mail.SMTPAuthSCRAMSHA1,
			mail.SMTPAuthNTLM, mail.SMTPAuthCramMD5, mail.SMTPAuthPlain, mail.SMTPAuthLogin)
	default:
		return nil, fmt.Errorf("security %q is unknown", s.Security)
	}
	if s.HELO != "" {
		options = append(options, mail.WithHELO(s.HELO))
	}
	if s.Username != "" {
		options = append(options, login, mail.WithUsername(s.Username), mail.WithPassword(s.Password))
	}
	return options, nil
}

// dialResult tells a refused login and an SMTP answer from a dead line.
func dialResult(err error) Result {
	res := Result{Stage: Connect, Err: err}
	var answer *textproto.Error
	if errors.As(err, &answer) {
		res = Result{Stage: Connect, Code: answer.Code, Text: answer.Msg}
		res.Enhanced, res.Text = splitEnhanced(answer.Code, answer.Msg)
	}
	if strings.Contains(strings.ToUpper(err.Error()), "SMTP AUTH") { // go-mail's words for a login that failed, or is not offered
		res.Stage = Auth
	}
	return res
}

// maxLine is the longest reply line we read; RFC 5321 section 4.5.3.1.5 says 512.
const maxLine = 4096

// readReply reads one reply of any number of lines (RFC 5321 section 4.2.1).
func readReply(r *bufio.Reader) (Result, error) {
	var res Result
	for lines := 0; lines < 100; lines++ {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return res, fmt.Errorf("read reply: %w", err)
		}
		line = trimEOL(line)
		if len(line) < 3 || len(line) > maxLine {
			return res, fmt.Errorf("reply %.40q is not SMTP", line)
		}
		code := 0
		for _, d := range line[:3] {
			if d < '0' || d > '9' {
				return res, fmt.Errorf("reply %.40q is not SMTP", line)
			}
			code = code*10 + int(d-'0')
		}
		if code < 200 || code > 599 || (len(line) > 3 && line[3] != ' ' && line[3] != '-') || (res.Code != 0 && res.Code != code) {
			return res, fmt.Errorf("reply %.40q is not SMTP", line)
		}
		res.Code = code
		if len(line) > 4 {
			enhanced, rest := splitEnhanced(code, string(line[4:]))
			if res.Enhanced == "" {
				res.Enhanced = enhanced
			}
			switch {
			case res.Text == "":
				res.Text = rest
			case rest != "" && len(res.Text) <= maxText:
				res.Text += " " + rest
			}
		}
		if len(line) == 3 || line[3] == ' ' {
			res.Text = clip(res.Text)
			return res, nil
		}
	}
	return res, errors.New("reply has more than 100 lines")
}

func trimEOL(line []byte) []byte {
	for n := len(line); n > 0 && (line[n-1] == '\n' || line[n-1] == '\r'); n-- {
		line = line[:n-1]
	}
	return line
}

// splitEnhanced takes an enhanced status code off the text (RFC 2034). One
// whose class contradicts the reply's is left in the text.
func splitEnhanced(code int, text string) (enhanced, rest string) {
	word, rest, _ := strings.Cut(text, " ")
	class, detail, _ := strings.Cut(word, ".")
	subject, detail, _ := strings.Cut(detail, ".")
	if len(class) != 1 || int(class[0]-'0') != code/100 || !shortNumber(subject) || !shortNumber(detail) {
		return "", text
	}
	return word, rest
}

// shortNumber tells whether s is one to three digits (RFC 3463 section 2).
func shortNumber(s string) bool {
	return len(s) >= 1 && len(s) <= 3 && strings.Trim(s, "0123456789") == ""
}

// maxText is how many bytes of a reply's text are kept.
const maxText = 500

// clip keeps a reply's text to maxText bytes of printable characters.
func clip(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, text)
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "")
}
