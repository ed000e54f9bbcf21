package api

import (
	"context"
	"errors"
	"time"

	"facteur/internal/database"
	"facteur/sending"
	"facteur/unsubscribe"
)

// NewDomain is a domain to send from.
type NewDomain struct {
	Name       string  `json:"name" maxLength:"253" example:"example.com"`
	Warmup     string  `json:"warmup,omitempty" enum:"conservative,own,none" doc:"conservative if left out; own, with a ramp; none for an established domain."`
	Ramp       []int64 `json:"ramp,omitempty" maxItems:"365" doc:"The operator's own ramp: mails to each provider on the first sending days; it goes on by 1.4 a day."`
	Timezone   string  `json:"timezone,omitempty" maxLength:"64" example:"Europe/Paris" doc:"Where the domain's days begin; UTC if left out."`
	DKIM       *bool   `json:"dkim,omitempty" default:"true" doc:"facteur signs; false: the relays do."`
	ReturnPath string  `json:"return_path,omitempty" maxLength:"253" doc:"Where bounces go; bounces.NAME if left out."`
}

// Domain is a domain that mail is sent from.
type Domain struct {
	ID         ID         `json:"id"`
	Name       string     `json:"name"`
	ReturnPath string     `json:"return_path"`
	Warmup     string     `json:"warmup"`
	Ramp       []int64    `json:"ramp"`
	Timezone   string     `json:"timezone"`
	DKIM       bool       `json:"dkim"`
	Keys       []DKIMKey  `json:"dkim_keys"`
	DNS        []Record   `json:"dns" doc:"What to publish."`
	CreatedAt  *time.Time `json:"created_at"`

	ComplaintsAddress string     `json:"complaints_address" doc:"Where providers shall send complaints (feedback loops) about this domain."`
	ProbedAt          *time.Time `json:"probed_at" doc:"When facteur last mailed its own return path."`
	InboundAt         *time.Time `json:"inbound_at" doc:"When the last such mail was sent that came home; null: none has."`
	Inbound           bool       `json:"inbound" doc:"What is sent to the return path comes home; only then mails offer to unsubscribe by mail."`
}

// Record is a DNS record to publish.
type Record struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
	Why   string `json:"why"`
}

func (c *calls) domainOf(d sending.Domain, ips []string) Domain {
	out := Domain{
		ID: idOf(d.ID), Name: d.Name, ReturnPath: d.ReturnPath, Warmup: d.Warmup, Timezone: d.Timezone, DKIM: d.DKIM, CreatedAt: at(d.CreatedAt),
		ComplaintsAddress: unsubscribe.ComplaintsAddress(c.Keys, d.ID, d.ReturnPath), ProbedAt: at(d.ProbedAt), InboundAt: at(d.InboundAt), Inbound: d.Inbound(c.DB.Now()),
	}
	out.Ramp, _ = d.Steps() // it was checked when it was set
	for _, r := range d.Records(ips) {
		out.DNS = append(out.DNS, Record{r.Name, r.Type, r.Value, r.Why})
	}
	return out
}

// egressIPs are the addresses that any relay sends from.
func egressIPs(ctx context.Context, s *sending.Store) ([]string, error) {
	relays, err := s.Relays(ctx)
	var ips []string
	seen := map[string]bool{}
	for _, r := range relays {
		for _, ip := range r.Egress() {
			if !seen[ip] {
				seen[ip] = true
				ips = append(ips, ip)
			}
		}
	}
	return ips, err
}

func (c *calls) createDomain(ctx context.Context, tx *database.Tx, in *struct{ Body NewDomain }) (Domain, error) {
	b := in.Body
	d, err := c.Sending.CreateDomain(ctx, tx, sending.Domain{Name: b.Name, Warmup: b.Warmup, Ramp: rampText(b.Ramp), Timezone: b.Timezone, DKIM: b.DKIM == nil || *b.DKIM, ReturnPath: b.ReturnPath})
	if err != nil {
		return Domain{}, err
	}
	return c.wholeDomain(ctx, c.Sending.With(tx), d.ID)
}

// probeDomain mails ourselves.
func (c *calls) probeDomain(ctx context.Context, tx *database.Tx, in *ByID) (Domain, error) {
	if err := c.ProbeDomain(ctx, tx, in.id()); err != nil {
		return Domain{}, err
	}
	return c.wholeDomain(ctx, c.Sending.With(tx), in.id())
}

func (c *calls) domain(ctx context.Context, in *ByID) (Domain, error) {
	return c.wholeDomain(ctx, c.Sending, in.id())
}

func (c *calls) domains(ctx context.Context, in *Paging) (Page[Domain], error) {
	all, err := c.Sending.Domains(ctx)
	if err != nil {
		return Page[Domain]{}, err
	}
	ips, err := egressIPs(ctx, c.Sending)
	if err != nil {
		return Page[Domain]{}, err
	}
	id := func(d sending.Domain) int64 { return d.ID }
	return pageOf(*in, after(*in, all, id), id, func(d sending.Domain) Domain {
		whole, failed := c.domainWith(ctx, c.Sending, d, ips)
		err = errors.Join(err, failed)
		return whole
	}), err
}

// NewSender is as whom mail is to be sent.
type NewSender struct {
	FromEmail     string   `json:"from_email" example:"news@example.com"`
	FromName      string   `json:"from_name,omitempty" maxLength:"200"`
	ReplyTo       string   `json:"reply_to,omitempty"`
	PostalAddress string   `json:"postal_address" maxLength:"1000" doc:"Stands at the bottom of every mail."`
	RelayIDs      []ID     `json:"relay_ids" maxItems:"50"`
	Seeds         []string `json:"seeds,omitempty" maxItems:"20" doc:"Addresses of your own, at several providers, that get a copy of each campaign when it starts."`
}

// Sender is as whom mail is sent.
type Sender struct {
	ID            ID         `json:"id"`
	DomainID      ID         `json:"domain_id"`
	FromEmail     string     `json:"from_email"`
	FromName      string     `json:"from_name"`
	ReplyTo       string     `json:"reply_to"`
	PostalAddress string     `json:"postal_address"`
	RelayIDs      []ID       `json:"relay_ids"`
	Seeds         []string   `json:"seeds"`
	CreatedAt     *time.Time `json:"created_at"`
}

func senderOf(s sending.Sender) Sender {
	return Sender{
		ID: idOf(s.ID), DomainID: idOf(s.DomainID), FromEmail: s.FromEmail, FromName: s.FromName, ReplyTo: s.ReplyTo,
		PostalAddress: s.PostalAddress, RelayIDs: idsOf(s.RelayIDs), Seeds: append([]string{}, s.Seeds...), CreatedAt: at(s.CreatedAt),
	}
}

func (c *calls) createSender(ctx context.Context, tx *database.Tx, in *struct{ Body NewSender }) (Sender, error) {
	b := in.Body
	s, err := c.Sending.CreateSender(ctx, tx, sending.Sender{
		FromEmail: b.FromEmail, FromName: b.FromName, ReplyTo: b.ReplyTo,
		PostalAddress: b.PostalAddress, RelayIDs: ints(b.RelayIDs), Seeds: b.Seeds,
	})
	return senderOf(s), err
}

func (c *calls) senders(ctx context.Context, in *Paging) (Page[Sender], error) {
	all, err := c.Sending.Senders(ctx)
	id := func(s sending.Sender) int64 { return s.ID }
	return pageOf(*in, after(*in, all, id), id, senderOf), err
}
