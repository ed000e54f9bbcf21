package inbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"facteur/internal/panics"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Mailbox is an IMAP mailbox whose unseen mails are taken in.
type Mailbox struct {
	addr, host, user, password string
	folder                     string
	implicit                   bool // TLS from the first byte
	plain                      bool // no TLS at all: on loopback only
	done                       string
	take                       Take
	log                        *slog.Logger
	every                      time.Duration
	tls                        *tls.Config
	metrics                    *Metrics
}

// MailboxOptions of [NewMailbox].
type MailboxOptions struct {
	// URL is imaps://user:password@host[:993][/folder], or imap://… with STARTTLS.
	URL string
	// Done is the folder to which mails go that were taken in; "": they stay, seen.
	Done  string
	Take  Take
	Every time.Duration // how often it is looked at where IDLE is not offered; 30 s if 0
	TLS   *tls.Config   // may be nil
	Log   *slog.Logger

	Metrics *Metrics
}

// NewMailbox reads the address; nothing is connected yet.
func NewMailbox(o MailboxOptions) (*Mailbox, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Hostname() == "" || u.User == nil || (u.Scheme != "imap" && u.Scheme != "imaps") {
		return nil, errors.New("want imaps://user:password@host/INBOX, with %40 for an @ in the user's name")
	}
	b := &Mailbox{host: u.Hostname(), user: u.User.Username(), folder: strings.Trim(u.Path, "/"), implicit: u.Scheme == "imaps", done: o.Done, take: o.Take, log: o.Log, metrics: o.Metrics, every: o.Every, tls: o.TLS}
	b.password, _ = u.User.Password()
	port := u.Port()
	if port == "" {
		if port = "143"; b.implicit {
			port = "993"
		}
	}
	b.addr = net.JoinHostPort(b.host, port)
	if b.folder == "" {
		b.folder = "INBOX"
	}
	if b.every == 0 {
		b.every = 30 * time.Second
	}
	if ip, err := netip.ParseAddr(b.host); err == nil && ip.IsLoopback() || b.host == "localhost" {
		b.plain = !b.implicit
	}
	return b, nil
}

// Run polls until ctx ends. When the server is away it tries again, later and later.
func (b *Mailbox) Run(ctx context.Context) {
	wait := time.Second
	for ctx.Err() == nil {
		began := time.Now()
		err := b.visit(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			wait = time.Second
		}
		b.log.Warn("the IMAP mailbox cannot be read; trying again", "host", b.addr, "in", wait, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, 5*time.Minute)
	}
}

// visit stays connected and takes in what comes, until something fails.
func (b *Mailbox) visit(ctx context.Context) error {
	news := make(chan struct{}, 1)
	c, err := b.dial(ctx, &imapclient.Options{TLSConfig: b.tlsConfig(), UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				select {
				case news <- struct{}{}:
				default:
				}
			}
		},
	}})
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // whatever it was, we are done with it
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	if err := c.Login(b.user, b.password).Wait(); err != nil {
		return fmt.Errorf("log in as %s: %w", b.user, err)
	}
	if _, err := c.Select(b.folder, nil).Wait(); err != nil {
		return fmt.Errorf("open %s: %w", b.folder, err)
	}
	for {
		if err := b.takeAll(ctx, c); err != nil {
			return err
		}
		if err := b.await(ctx, c, news); err != nil {
			return err
		}
	}
}

func (b *Mailbox) tlsConfig() *tls.Config {
	if b.tls == nil {
		return &tls.Config{ServerName: b.host, MinVersion: tls.VersionTLS12}
	}
	t := b.tls.Clone()
	t.ServerName = b.host
	return t
}

func (b *Mailbox) dial(ctx context.Context, o *imapclient.Options) (*imapclient.Client, error) {
	conn, err := (&net.Dialer{Timeout: 30 * time.Second}).DialContext(ctx, "tcp", b.addr)
	if err != nil {
		return nil, err
	}
	switch {
	case b.implicit:
		t := tls.Client(conn, o.TLSConfig)
		if err := t.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return imapclient.New(t, o), nil
	case b.plain:
		return imapclient.New(conn, o), nil
	}
	c, err := imapclient.NewStartTLS(conn, o) // a password never goes in the clear
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

// await waits for news: by IDLE (RFC 2177) where it is offered, else for a while.
func (b *Mailbox) await(ctx context.Context, c *imapclient.Client, news <-chan struct{}) error {
	timeout := b.every
	var idle *imapclient.IdleCommand
	if c.Caps().Has(imap.CapIdle) {
		var err error
		if idle, err = c.Idle(); err != nil {
			return err
		}
		timeout = 10 * time.Minute // and look anyway
	}
	select {
	case <-ctx.Done():
	case <-c.Closed():
	case <-news:
	case <-time.After(timeout):
	}
	if idle != nil {
		if err := errors.Join(idle.Close(), idle.Wait()); err != nil {
			return err
		}
	}
	if ctx.Err() == nil && idle == nil {
		return c.Noop().Wait()
	}
	return ctx.Err()
}

// together is how many mails are taken in at once, for one commit.
const together = 20

// takeAll takes in all unseen mails.
func (b *Mailbox) takeAll(ctx context.Context, c *imapclient.Client) error {
	for {
		found, err := c.UIDSearch(&imap.SearchCriteria{NotFlag: []imap.Flag{imap.FlagSeen, imap.FlagDeleted}}, nil).Wait()
		if err != nil {
			return fmt.Errorf("search: %w", err)
		}
		ids := found.AllUIDs()
		if len(ids) == 0 {
			return nil
		}
		if err := b.takeSome(ctx, c, ids[:min(len(ids), together)]); err != nil {
			return err
		}
	}
}

// takeSome takes in some mails; they are flagged, and moved, once all of it is
// durable. A mail that cannot be taken in stays unseen.
func (b *Mailbox) takeSome(ctx context.Context, c *imapclient.Client, ids []imap.UID) error {
	body := &imap.FetchItemBodySection{Peek: true, Partial: &imap.SectionPartial{Offset: 0, Size: 2 << 20}}
	mails, err := c.Fetch(imap.UIDSetNum(ids...), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{body}}).Collect()
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	failures := make([]error, len(mails))
	if len(mails) == 0 {
		return errors.New("fetch: the server gave none of the mails that it found")
	}
	var wg sync.WaitGroup
	for i, m := range mails {
		wg.Go(func() {
			failures[i] = panics.Do(func() error { // one mail at which the program fails keeps no other back
				known, err := b.take(ctx, "imap", nil, bytes.NewReader(m.FindBodySection(body)))
				if err == nil {
					b.metrics.polled.WithLabelValues(fmt.Sprint(known)).Inc()
				}
				return err
			})
		})
	}
	wg.Wait()
	var done imap.UIDSet
	for i, m := range mails {
		if failures[i] == nil {
			done.AddNum(m.UID)
		}
	}
	if len(done) > 0 {
		flags := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagSeen}}
		if err := c.Store(done, flags, nil).Close(); err != nil {
			return fmt.Errorf("flag: %w", err)
		}
		if b.done != "" {
			if _, err := c.Move(done, b.done).Wait(); err != nil {
				return fmt.Errorf("move to %s: %w", b.done, err)
			}
		}
	}
	return errors.Join(failures...)
}
