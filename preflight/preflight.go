package preflight

import (
	"context"
	"fmt"

	"facteur/campaign"
	"facteur/internal/address"
	"facteur/preflight/inspect"
	"facteur/sending"
	"facteur/sending/doctor"
	"facteur/subscribers"
)

// Options are what a check speaks to.
type Options struct {
	Campaigns *campaign.Store
	Senders   *sending.Store
	DNS       *address.Resolver
	Doctor    *doctor.Checker
	PublicURL string         // base of the links in mails
	Words     []inspect.Word // an operator's own spam words
	Spamd     string         // host:port of a SpamAssassin; empty: none is asked

	// Compose makes the mail that a person would get, signed as it would be,
	// with their links to leave and to the web version.
	Compose func(ctx context.Context, c campaign.Campaign, p subscribers.Subscriber) (message []byte, leave, web string, err error)
}

// Preflight checks campaigns.
type Preflight struct{ opt Options }

// New checks with these.
func New(opt Options) *Preflight { return &Preflight{opt} }

// sampleSize is of how many people the attributes are looked at.
const sampleSize = 2000

// subject is a campaign with what belongs to it.
type subject struct {
	campaign campaign.Campaign
	sender   sending.Sender
	domain   sending.Domain
	relays   []sending.Relay
	audience campaign.Audience
	messages []message // one in each language
}

// message is a mail of the campaign as somebody would get it.
type message struct {
	locale     string // "": the campaign's own language
	raw        []byte
	leave, web string
}

// Inspect implements [campaign.Gate].
func (p *Preflight) Inspect(ctx context.Context, c campaign.Campaign) (campaign.Report, error) {
	s, err := p.subject(ctx, c)
	if err != nil {
		return campaign.Report{}, err
	}
	r := campaign.Report{At: p.opt.Campaigns.Now().UnixMilli(), Findings: []campaign.Finding{}}
	for _, check := range []func(context.Context, *subject, *campaign.Report) error{p.content, p.spam, p.variables, p.authentication, p.people, p.volume} {
		if err := check(ctx, s, &r); err != nil {
			return campaign.Report{}, err
		}
	}
	return r, nil
}

func (p *Preflight) subject(ctx context.Context, c campaign.Campaign) (*subject, error) {
	c, err := p.opt.Campaigns.Rendered(c)
	if err != nil {
		return nil, err
	}
	s := &subject{campaign: c}
	if s.sender, err = p.opt.Senders.Sender(ctx, c.SenderID); err != nil {
		return nil, err
	}
	if s.domain, err = p.opt.Senders.Domain(ctx, s.sender.DomainID); err != nil {
		return nil, err
	}
	for _, id := range s.sender.RelayIDs {
		relay, err := p.opt.Senders.Relay(ctx, id)
		if err != nil {
			return nil, err
		}
		s.relays = append(s.relays, relay)
	}
	if s.audience, err = p.opt.Campaigns.Audience(ctx, c, sampleSize); err != nil {
		return nil, err
	}
	reader := subscribers.Subscriber{Email: "somebody@example.org", Attributes: "{}"}
	if len(s.audience.Sample) > 0 {
		reader = s.audience.Sample[0]
	}
	locales := []string{""}
	for locale := range c.Translations {
		locales = append(locales, locale)
	}
	for _, locale := range locales {
		of := c
		if locale != "" {
			t := c.Translations[locale]
			of.Subject, of.HTML, of.Text, of.Language = t.Subject, t.HTML, t.Text, locale
		}
		of.Translations = nil
		m := message{locale: locale}
		if m.raw, m.leave, m.web, err = p.opt.Compose(ctx, of, reader); err != nil {
			return nil, fmt.Errorf("compose the mail of campaign %d: %w", c.ID, err)
		}
		s.messages = append(s.messages, m)
	}
	return s, nil
}

// content looks at the mail in each language.
func (p *Preflight) content(_ context.Context, s *subject, r *campaign.Report) error {
	var hosts []string
	for _, relay := range s.relays {
		hosts = append(hosts, relay.Host)
	}
	for _, m := range s.messages {
		found, err := inspect.Message(m.raw, inspect.Context{
			Recipients: s.audience.Recipients, UnsubscribeURL: m.leave, WebURL: m.web, PostalAddress: s.sender.PostalAddress,
			PublicURL: p.opt.PublicURL, RelayHosts: hosts, Locale: m.locale, Words: p.opt.Words,
		})
		if err != nil {
			return err
		}
		for _, f := range found {
			if f.Code == "from_domain" && reserved(s.domain.Name) {
				continue // said once, by the authentication
			}
			r.Add(findingOf(f, m.locale))
		}
	}
	return nil
}

// findingOf is what was found in the mail of a language; "": the campaign's own.
func findingOf(f inspect.Finding, locale string) campaign.Finding {
	where := f.Where
	if locale != "" {
		where = locale + ": " + where
	}
	return campaign.Finding{Code: f.Code, Severity: campaign.Severity(f.Severity), Message: f.Message, Where: where, Fix: f.Fix}
}

var _ campaign.Gate = (*Preflight)(nil)
