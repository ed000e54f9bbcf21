package sending

import (
	"context"
	"fmt"
	"strings"
	"time"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/journal"
)

// Domain is one that mail is sent from.
type Domain struct {
	ID         int64  `db:"id"`
	Name       string `db:"name"`        // an A-label, lower case
	ReturnPath string `db:"return_path"` // the domain of the envelope senders
	Warmup     string `db:"warmup"`      // conservative, own, none
	Ramp       string `db:"ramp"`        // of an own warm-up: the caps of the first sending days, a JSON array
	Timezone   string `db:"timezone"`    // IANA name of the zone in which its days begin
	DKIM       bool   `db:"dkim"`
	CreatedAt  int64  `db:"created_at"`
	ProbedAt   int64  `db:"probed_at"`  // when we last mailed ourselves by its return path; 0: never
	InboundAt  int64  `db:"inbound_at"` // when the last such mail that came home was sent; 0: none has
}

// ProbeEvery is how often a domain's way home is tried.
const ProbeEvery = 24 * time.Hour

// Inbound tells whether what is sent to the domain's return path is known to
// come home: a probe of the last three days did.
func (d Domain) Inbound(now time.Time) bool {
	return d.InboundAt > now.Add(-3*ProbeEvery).UnixMilli()
}

// Record is a DNS record to publish.
type Record struct {
	Name  string
	Type  string
	Value string
	Why   string
}

// CreateDomain adds a sending domain. An empty return path means "bounces.NAME",
// an empty warm-up "conservative".
func (s *Store) CreateDomain(ctx context.Context, tx *database.Tx, d Domain) (Domain, error) {
	a, err := address.Parse("postmaster@" + strings.TrimSuffix(strings.TrimSpace(d.Name), "."))
	if err != nil {
		return Domain{}, invalid("name", "%q is not a domain", d.Name)
	}
	d.Name = a.Domain()
	if d.ReturnPath == "" {
		d.ReturnPath = "bounces." + d.Name
	}
	if a, err = address.Parse("postmaster@" + d.ReturnPath); err != nil {
		return Domain{}, invalid("return_path", "%q is not a domain", d.ReturnPath)
	}
	d.ReturnPath = a.Domain()
	if err := d.checkWarmup(); err != nil {
		return Domain{}, err
	}
	d.ID, d.CreatedAt = s.db.NewID(), s.db.Now().UnixMilli()
	if err := tx.Touch(ctx, database.Terms); err != nil {
		return Domain{}, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO domains (id, name, return_path, warmup, ramp, timezone, dkim, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		d.ID, d.Name, d.ReturnPath, d.Warmup, d.Ramp, d.Timezone, d.DKIM, d.CreatedAt)
	if err != nil {
		return Domain{}, fmt.Errorf("domain %s: %w", d.Name, err)
	}
	if d.DKIM {
		if err := s.MakeKeys(ctx, tx, d); err != nil {
			return Domain{}, err
		}
	}
	return d, journal.Write(ctx, tx, "create", "domain", d.ID, map[string]any{"name": d.Name})
}

const domainColumns = `id, name, return_path, warmup, ramp, timezone, dkim, created_at, probed_at, inbound_at`

// Domain finds a domain by id.
func (s *Store) Domain(ctx context.Context, id int64) (Domain, error) {
	var d Domain
	if err := s.q.Get(ctx, &d, `SELECT `+domainColumns+` FROM domains WHERE id = ?`, id); err != nil {
		return Domain{}, fmt.Errorf("domain %d: %w", id, err)
	}
	return d, nil
}

// DomainByName finds a domain by its A-label.
func (s *Store) DomainByName(ctx context.Context, name string) (Domain, error) {
	var d Domain
	err := s.q.Get(ctx, &d, `SELECT `+domainColumns+` FROM domains WHERE name = ?`, name)
	return d, err
}

// HoldDomain is [Store.DomainByName], and keeps the domain from being changed
// until the transaction ends.
func (s *Store) HoldDomain(ctx context.Context, tx *database.Tx, name string) (Domain, error) {
	if err := tx.Lock(ctx, `SELECT id FROM domains WHERE name = ?`, name); err != nil {
		return Domain{}, err
	}
	return s.With(tx).DomainByName(ctx, name)
}

// Domains lists all sending domains.
func (s *Store) Domains(ctx context.Context) ([]Domain, error) {
	var all []Domain
	err := s.q.Select(ctx, &all, `SELECT `+domainColumns+` FROM domains ORDER BY id`)
	return all, err
}

// Probed notes that a mail to ourselves is on its way.
func (s *Store) Probed(ctx context.Context, tx *database.Tx, id int64, at time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE domains SET probed_at = ? WHERE id = ?`, at.UnixMilli(), id)
	return err
}

// Home notes that a mail to ourselves, sent at the given time, has come home.
func (s *Store) Home(ctx context.Context, tx *database.Tx, id int64, sentAt time.Time) error {
	var before int64
	if err := tx.Get(ctx, &before, `SELECT inbound_at FROM domains WHERE id = ?`, id); err != nil {
		return fmt.Errorf("domain %d: %w", id, err)
	}
	if sentAt.UnixMilli() <= before {
		return nil
	}
	if _, err := tx.Exec(ctx, `UPDATE domains SET inbound_at = ? WHERE id = ?`, sentAt.UnixMilli(), id); err != nil {
		return fmt.Errorf("domain %d: %w", id, err)
	}
	if before != 0 {
		return nil
	}
	return journal.Write(ctx, tx, "inbound", "domain", id, nil)
}

// Records are what must be published for the domain: who receives its
// bounces, who may send for it, and what receivers do with the rest.
func (d Domain) Records(egressIPs []string) []Record {
	spf := "v=spf1"
	for _, ip := range egressIPs {
		if strings.Contains(ip, ":") {
			spf += " ip6:" + ip
		} else {
			spf += " ip4:" + ip
		}
	}
	why := "the addresses your relays send from"
	if len(egressIPs) == 0 {
		spf += " include:YOUR-RELAY"
		why = "replace YOUR-RELAY by what your relay's provider names, or give the relays their egress_ips"
	}
	return []Record{
		{Name: d.ReturnPath, Type: "TXT", Value: spf + " -all", Why: "SPF of the envelope sender: " + why},
		{Name: d.ReturnPath, Type: "MX", Value: "10 the host that takes your bounces", Why: "bounces come back to this domain"},
		{Name: "_dmarc." + d.Name, Type: "TXT", Value: "v=DMARC1; p=none; rua=mailto:dmarc@" + d.Name, Why: "DMARC; raise p to quarantine and reject once reports are clean"},
	}
}
