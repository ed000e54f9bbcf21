package inbound

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/time/rate"
)

// Take takes in a mail and returns when what it causes is durable. known is
// false for a mail that means nothing to us.
type Take func(ctx context.Context, source string, to []string, raw io.Reader) (known bool, err error)

// Limits bound what strangers can make a listener do; zero fields take the
// defaults.
type Limits struct {
	Connections int           // at once; 200
	PerNetwork  int           // of them from one network (/24, /48); 50
	PerSecond   int           // mails from one network; 0: any number
	MailBytes   int64         // the longest mail; 50 MiB
	Held        int64         // bytes of unfinished mails in memory over all; 64 MiB
	KeptOfMail  int64         // bytes of one mail that are looked at; 2 MiB
	Idle        time.Duration // until the next command, and for a whole body; 2 min
	Session     time.Duration // for a whole connection; 15 min
}

func (l Limits) complete() Limits {
	for _, x := range []struct {
		to *int64
		by int64
	}{{&l.MailBytes, 50 << 20}, {&l.Held, 64 << 20}, {&l.KeptOfMail, 2 << 20}} {
		if *x.to == 0 {
			*x.to = x.by
		}
	}
	if l.Connections == 0 {
		l.Connections = 200
	}
	if l.PerNetwork == 0 {
		l.PerNetwork = 50
	}
	if l.Idle == 0 {
		l.Idle = 2 * time.Minute
	}
	if l.Session == 0 {
		l.Session = 15 * time.Minute
	}
	return l
}

// Options of [Listen].
type Options struct {
	Name    string                    // by which the listener greets
	Expects func(address string) bool // whether an address is ours
	Take    Take
	TLS     *tls.Config // offers STARTTLS; may be nil
	Limits  Limits
	Metrics *Metrics
	Log     *slog.Logger
}

// Listener is a server for mails that come back.
type Listener struct {
	options Options
	server  *smtp.Server
	socket  net.Listener
	held    atomic.Int64
	done    chan struct{}

	mu    sync.Mutex
	open  map[netip.Prefix]int
	paces map[netip.Prefix]*rate.Limiter // of networks with open connections
}

// Listen serves SMTP, or LMTP (RFC 2033), until [Listener.Close].
func Listen(ctx context.Context, addr string, lmtp bool, o Options) (*Listener, error) {
	o.Limits = o.Limits.complete()
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	l := &Listener{options: o, socket: socket, done: make(chan struct{}), open: map[netip.Prefix]int{}, paces: map[netip.Prefix]*rate.Limiter{}}
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{listener: l, network: networkOf(c.Conn().RemoteAddr())}, nil
	}))
	s.LMTP, s.Domain, s.TLSConfig, s.EnableSMTPUTF8 = lmtp, o.Name, o.TLS, true
	s.MaxMessageBytes, s.MaxRecipients = o.Limits.MailBytes, 100
	s.ReadTimeout, s.WriteTimeout = o.Limits.Idle, o.Limits.Idle
	s.ErrorLog = errorLog{o.Log}
	l.server = s
	go func() {
		defer close(l.done)
		if err := s.Serve(&door{Listener: socket, of: l}); err != nil {
			o.Log.Error("the inbound listener has ended", "error", err)
		}
	}()
	return l, nil
}

// Addr is where the listener listens.
func (l *Listener) Addr() string { return l.socket.Addr().String() }

// Close ends all connections: who was not answered yet comes again.
func (l *Listener) Close() {
	_ = l.server.Close() // the sockets are gone either way
	<-l.done
}

// session is one connection's mails.
type session struct {
	listener *Listener
	network  netip.Prefix
	null     bool // the sender is the null sender, as that of reports is (RFC 3464 section 2)
	to       []string
}

func (s *session) Reset()        { s.to = nil }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.null, s.to = from == "", nil
	if !s.listener.pace(s.network) {
		s.listener.options.Metrics.listened.WithLabelValues("too_fast").Inc()
		return refusal(450, smtp.EnhancedCode{4, 7, 0}, "too many mails at once, try again later")
	}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if !s.listener.options.Expects(to) {
		s.listener.options.Metrics.listened.WithLabelValues("no_such_address").Inc()
		return refusal(550, smtp.EnhancedCode{5, 1, 1}, "no such address here; this host takes reports about mail that it has sent, and passes nothing on")
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	l := s.listener
	raw := &held{listener: l}
	defer raw.release()
	if err := raw.read(r); err != nil {
		l.options.Metrics.listened.WithLabelValues("too_much").Inc()
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	known, err := l.options.Take(ctx, "listener", s.to, raw.reader())
	switch {
	case err != nil:
		l.options.Metrics.listened.WithLabelValues("later").Inc()
		l.options.Log.Error("a mail that came back cannot be taken in; its sender is asked to come again", "error", err)
		return refusal(451, smtp.EnhancedCode{4, 3, 0}, "cannot be taken in now, try again later")
	case !known && !s.null:
		l.options.Metrics.listened.WithLabelValues("no_report").Inc()
		return refusal(554, smtp.EnhancedCode{5, 6, 0}, "this address takes reports only, nobody reads here")
	}
	l.options.Metrics.listened.WithLabelValues("taken").Inc()
	return nil
}

func refusal(code int, enhanced smtp.EnhancedCode, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// errorLog passes on what go-smtp finds worth telling.
type errorLog struct{ log *slog.Logger }

func (e errorLog) Printf(format string, v ...any) {
	e.log.Debug("inbound", "what", fmt.Sprintf(format, v...))
}
func (e errorLog) Println(v ...any) { e.log.Debug("inbound", "what", fmt.Sprint(v...)) }
