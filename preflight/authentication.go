package preflight

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"facteur/campaign"
	"facteur/internal/address"
	"facteur/sending/doctor"

	msgauth "github.com/emersion/go-msgauth/dkim"
)

// reserved tells whether a domain can be nobody's (RFC 2606, RFC 6761): it is
// there to try things out.
func reserved(domain string) bool {
	for _, name := range []string{"example.com", "example.net", "example.org", "example", "test", "invalid", "localhost"} {
		if domain == name || strings.HasSuffix(domain, "."+name) {
			return true
		}
	}
	return false
}

// authentication asks whether receivers will believe that the mail is ours.
func (p *Preflight) authentication(ctx context.Context, s *subject, r *campaign.Report) error {
	if reserved(s.domain.Name) {
		r.Add(campaign.Finding{
			Code: "reserved_domain", Severity: campaign.Info, Where: s.domain.Name,
			Message: s.domain.Name + " is reserved for trying out: no real mailbox provider takes mail from it",
			Fix:     "Send real mail from a domain of your own.",
		})
		if !p.published(ctx, s) {
			return nil
		}
	}
	p.signatures(ctx, s, r)
	return p.examine(ctx, s, r)
}

// published tells whether DNS has anything about the sending domain.
func (p *Preflight) published(ctx context.Context, s *subject) bool {
	for _, name := range []string{s.domain.Name, "_dmarc." + s.domain.Name, s.domain.ReturnPath} {
		if found, err := p.opt.DNS.TXT(ctx, name); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}

// signatures verifies the mail's DKIM signatures as a receiver would.
func (p *Preflight) signatures(ctx context.Context, s *subject, r *campaign.Report) {
	if !s.domain.DKIM {
		r.Add(campaign.Finding{
			Code: "dkim_by_relay", Severity: campaign.Info, Where: s.domain.Name,
			Message: "the relay signs for " + s.domain.Name + ", which cannot be seen from here",
			Fix:     "Mail yourself a test and look for dkim=pass with your own domain; or let facteur sign: PUT /domains/ID/dkim.",
		})
		return
	}
	found, err := msgauth.VerifyWithOptions(bytes.NewReader(s.messages[0].raw), &msgauth.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		p.opt.DNS.Forget(name)
		return p.opt.DNS.TXT(ctx, name)
	}})
	if err == nil && len(found) == 0 {
		err = errors.New("the mail has no signature")
	}
	if err != nil {
		r.Add(campaign.Finding{Code: "dkim_fails", Severity: campaign.Error, Message: "the mail's signature cannot be verified: " + err.Error(), Fix: "Look at GET /domains/ID: its keys and records."})
	}
	for _, v := range found {
		f := campaign.Finding{
			Code: "dkim_fails", Severity: campaign.Error, Where: v.Domain, Message: fmt.Sprintf("receivers will not believe the signature of %s: %v", v.Domain, v.Err),
			Fix: "Publish the DKIM records that GET /domains/ID names; facteur doctor " + s.domain.Name + " says which are missing.",
		}
		switch {
		case v.Err == nil:
			continue
		case errors.Is(v.Err, address.ErrNoAnswer) || msgauth.IsTempFail(v.Err):
			f.Code, f.Severity, f.Message = "dkim_unknown", campaign.Warning, "DNS does not answer for the DKIM keys of "+v.Domain
			f.Fix = "Try again later; look at FACTEUR_DNS."
		}
		r.Add(f)
	}
}

// examine lets the doctor look at the domain. What concerns only single relays
// or addresses is a warning.
func (p *Preflight) examine(ctx context.Context, s *subject, r *campaign.Report) error {
	patient, err := p.opt.Senders.Subject(ctx, s.domain)
	if err != nil {
		return err
	}
	patient.Relays = nil // they are asked when they are tested, and are sent through all day
	for _, f := range p.opt.Doctor.Check(ctx, patient).Findings {
		severity := campaign.Info
		switch {
		case f.Severity == doctor.OK || f.Severity == doctor.Info || f.Check == "dkim" && f.Severity != doctor.Error:
			continue
		case f.Severity == doctor.Error && (f.Check == "spf" || f.Check == "dkim" || f.Check == "dmarc"):
			severity = campaign.Error
		case f.Severity == doctor.Error, strings.HasSuffix(f.Code, "_unknown") && (f.Check == "spf" || f.Check == "dmarc"):
			severity = campaign.Warning
		}
		fix := f.Fix
		if f.Record != nil {
			fix += " Publish: " + f.Record.Name + " " + f.Record.Type + " " + f.Record.Value
		}
		r.Add(campaign.Finding{Code: f.Code, Severity: severity, Message: f.Message, Where: f.About, Fix: fix})
	}
	return nil
}
