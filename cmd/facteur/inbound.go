package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"facteur/campaign"
	"facteur/feedback"
	"facteur/feedback/inbound"
	"facteur/internal/database"
	"facteur/internal/panics"
	"facteur/sending"
	"facteur/worker"
)

// takesMail tells whether this installation has a way home for mail.
func (c *Config) takesMail() bool { return c.InboundAddr != "" || c.IMAPURL != "" }

// inboundDoor is an address to listen on for mails that come back.
type inboundDoor struct {
	addr string
	lmtp bool
}

// inboundDoors reads host:port or lmtp:host:port, several with commas between them.
func (c *Config) inboundDoors() (doors []inboundDoor) {
	for text := range strings.SplitSeq(c.InboundAddr, ",") {
		if text = strings.TrimSpace(text); text != "" {
			addr, lmtp := strings.CutPrefix(text, "lmtp:")
			doors = append(doors, inboundDoor{addr, lmtp})
		}
	}
	return doors
}

// listenInbound opens the ways home.
func (a *App) listenInbound(ctx context.Context) error {
	a.homeMetrics = inbound.NewMetrics()
	take := a.takeReturned
	var secure *tls.Config
	if a.config.InboundCert != "" {
		var err error
		if secure, err = inbound.Certificate(a.config.InboundCert, a.config.InboundKey); err != nil {
			return fmt.Errorf("FACTEUR_INBOUND_CERT: %w", err)
		}
	}
	name := a.config.HELO
	if name == "" {
		name = "facteur"
	}
	for _, d := range a.config.inboundDoors() {
		l, err := inbound.Listen(ctx, d.addr, d.lmtp, inbound.Options{Name: name, Expects: a.feedback.Expects, Take: take, TLS: secure, Metrics: a.homeMetrics, Log: a.log, Limits: inbound.Limits{PerSecond: a.config.InboundRate}})
		if err != nil {
			return fmt.Errorf("FACTEUR_INBOUND_ADDR: %w", err)
		}
		a.inbound = append(a.inbound, l)
		a.log.Info("facteur takes mail that comes back", "addr", l.Addr(), "lmtp", d.lmtp)
	}
	if a.config.IMAPURL == "" {
		return nil
	}
	box, err := inbound.NewMailbox(inbound.MailboxOptions{URL: a.config.IMAPURL, Done: a.config.IMAPDone, Take: take, Metrics: a.homeMetrics, Log: a.log})
	if err != nil {
		return fmt.Errorf("FACTEUR_IMAP_URL: %w", err)
	}
	a.polled = make(chan struct{})
	go func() { defer close(a.polled); a.mishaps.Loop(a.background, "mailbox", box.Run) }()
	return nil
}

// takeReturned is [inbound.Take]. A mail at which the program fails is to come again.
func (a *App) takeReturned(ctx context.Context, source string, to []string, raw io.Reader) (known bool, err error) {
	var events []feedback.Event
	err = panics.Do(func() (err error) {
		events, err = a.feedback.Mail(ctx, source, to, raw)
		return err
	})
	a.mishaps.Note("inbound", err)
	for _, e := range events {
		known = known || e.Effect != feedback.Ignored || e.Kind != feedback.None
	}
	return known, err
}

// probe mails ourselves once a day for each domain, to see whether what is sent
// to its return path comes home.
func (a *App) probe(senders *sending.Store, scribe *worker.Scribe) func(context.Context, campaign.Fenced) error {
	return func(ctx context.Context, write campaign.Fenced) error {
		if !a.config.takesMail() {
			return nil
		}
		domains, err := senders.Domains(ctx)
		if err != nil {
			return err
		}
		for _, d := range domains {
			if a.db.Now().Sub(database.Time(d.ProbedAt)).Abs() < sending.ProbeEvery {
				continue
			}
			err := write(ctx, func(tx *database.Tx) error { return scribe.Probe(ctx, tx, d.ID) })
			if err != nil && !errors.Is(err, worker.ErrNoWayOut) {
				return err
			}
		}
		return nil
	}
}

// probePause is how often is looked for domains that are due.
const probePause = 30 * time.Second
