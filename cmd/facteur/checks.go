package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"facteur/campaign"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/keyring"
	"facteur/sending"
	"facteur/sending/doctor"
)

// checkPause is how often the leader looks whose daily check is due.
const checkPause = 10 * time.Minute

// checker examines domains with this installation's resolver and name.
func (c *Config) checker() (*doctor.Checker, error) {
	d, err := doctor.New(doctor.Options{DNS: c.DNS, HELO: c.HELO})
	if err != nil {
		return nil, fmt.Errorf("FACTEUR_DNS: %w", err)
	}
	return d, nil
}

// checkDomain examines one of our domains.
func checkDomain(ctx context.Context, senders *sending.Store, d *doctor.Checker, domain sending.Domain) (doctor.Report, error) {
	subject, err := senders.Subject(ctx, domain)
	if err != nil {
		return doctor.Report{}, err
	}
	return d.Check(ctx, subject), nil
}

// checkDomains examines the domains whose turn it is, and raises an alarm about
// what is newly wrong.
func (a *App) checkDomains(senders *sending.Store, d *doctor.Checker) func(context.Context, campaign.Fenced) (any, error) {
	return func(ctx context.Context, write campaign.Fenced) (any, error) {
		due, err := senders.Unchecked(ctx)
		if err != nil {
			return nil, err
		}
		for _, domain := range due {
			report, err := checkDomain(ctx, senders, d, domain)
			if err != nil {
				return nil, err
			}
			if ctx.Err() != nil {
				return nil, ctx.Err() // what was not learned in a hurry says nothing
			}
			if err := write(ctx, func(tx *database.Tx) error { return a.keepCheck(ctx, tx, senders, domain, report) }); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
}

func (a *App) keepCheck(ctx context.Context, tx *database.Tx, senders *sending.Store, domain sending.Domain, report doctor.Report) error {
	came, err := senders.KeepCheck(ctx, tx, domain, report)
	if err != nil || len(came) == 0 {
		return err
	}
	words := make([]string, len(came))
	for i, p := range came {
		words[i] = p.String()
	}
	return a.campaigns.Raise(ctx, tx, campaign.Alarm{
		Kind: "domain_check", Scope: "domain:" + domain.Name, State: "warn", Domain: domain.Name, Reason: "the daily check found anew: " + strings.Join(words, ", "),
	})
}

// examine examines a domain and prints what is found.
func (d doctorCmd) examine(ctx context.Context, c *Config) error {
	a, err := address.Parse("postmaster@" + strings.TrimSuffix(d.Domain, "."))
	if err != nil {
		return fmt.Errorf("%q is not a domain", d.Domain)
	}
	subject, err := stored(ctx, c, a.Domain())
	if err != nil {
		fmt.Fprintf(os.Stderr, "facteur: what is stored about %s cannot be read: %v\n", a.Domain(), err)
	}
	if err := d.complete(&subject); err != nil {
		return err
	}
	checker, err := c.checker()
	if err != nil {
		return err
	}
	report := checker.Check(ctx, subject)
	wrong := report.Count(doctor.Error)
	if d.JSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		err = out.Encode(struct {
			Errors   int `json:"errors"`
			Warnings int `json:"warnings"`
			doctor.Report
		}{wrong, report.Count(doctor.Warning), report})
	} else {
		err = report.Print(os.Stdout)
	}
	if err == nil && wrong > 0 {
		err = fmt.Errorf("%s is not in order: %d to be mended", subject.Domain, wrong)
	}
	return err
}

// stored is what this installation knows about a domain; without it, what it
// would set up.
func stored(ctx context.Context, c *Config, name string) (doctor.Subject, error) {
	unknown := doctor.Subject{Domain: name, ReturnPath: "bounces." + name}
	if file, ok := strings.CutPrefix(c.DatabaseURL, "sqlite:"); ok {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return unknown, nil // opening would make it
		}
	}
	db, err := database.Open(ctx, c.DatabaseURL, database.Options{Now: wallClock()})
	if err != nil {
		return unknown, err
	}
	defer func() { _ = db.Close() }() // it was only read
	senders := sending.NewStore(db, (*keyring.Keyring)(nil))
	domain, err := senders.DomainByName(ctx, name)
	if errors.Is(err, database.ErrNotFound) {
		return unknown, nil
	}
	if err != nil {
		return unknown, err
	}
	subject, err := senders.Subject(ctx, domain)
	if err != nil {
		return unknown, err
	}
	return subject, nil
}

// complete puts what the command line says in the place of what is stored.
func (d doctorCmd) complete(s *doctor.Subject) error {
	if d.ReturnPath != "" {
		a, err := address.Parse("postmaster@" + strings.TrimSuffix(d.ReturnPath, "."))
		if err != nil {
			return fmt.Errorf("--return-path: %q is not a domain", d.ReturnPath)
		}
		s.ReturnPath = a.Domain()
	}
	if len(d.Egress) > 0 {
		s.Egress = nil
	}
	for _, text := range d.Egress {
		ip, err := netip.ParseAddr(text)
		if err != nil || ip.Zone() != "" {
			return fmt.Errorf("--egress: %q is not an IP address", text)
		}
		s.Egress = append(s.Egress, ip)
	}
	if d.Relay != "" {
		_, port, err := net.SplitHostPort(d.Relay)
		if err != nil {
			return fmt.Errorf("--relay: %q is not host:port", d.Relay)
		}
		s.Relays = []doctor.Relay{{Addr: d.Relay, Implicit: port == "465"}}
	}
	for _, text := range d.DKIM {
		selector, domain, _ := strings.Cut(text, "@")
		if selector == "" || strings.ContainsAny(text, " \t/:") {
			return fmt.Errorf("--dkim: %q is not a selector", text)
		}
		if !slices.ContainsFunc(s.Keys, func(k doctor.Key) bool { return k.Selector == selector && domain == "" }) {
			s.Keys = append(s.Keys, doctor.Key{Selector: selector, Domain: strings.ToLower(domain)})
		}
	}
	return nil
}
