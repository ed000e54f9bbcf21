package sending

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/sending/doctor"
	"facteur/sending/smtp"
)

// checkEvery is how often a domain is checked. A new one is left alone for a
// while, in which its records are published.
const (
	checkEvery = 24 * time.Hour
	checkFirst = time.Hour
)

// DomainCheck is what the last daily check of a domain found.
type DomainCheck struct {
	CheckedAt int64 // Unix milliseconds, as is the next
	ChangedAt int64 // when what is wrong changed last
	Report    doctor.Report
	Standing  []doctor.Problem
}

// Subject is what a domain's check needs to know: the relays of its senders,
// or all of them while it has none, and its keys.
func (s *Store) Subject(ctx context.Context, d Domain) (doctor.Subject, error) {
	relays, err := s.relaysOf(ctx, d.ID)
	if err != nil {
		return doctor.Subject{}, err
	}
	keys, err := s.doctorKeys(ctx, d)
	if err != nil {
		return doctor.Subject{}, err
	}
	subject := doctor.Subject{Domain: d.Name, ReturnPath: d.ReturnPath, Keys: keys}
	ownEnvelope := len(relays) > 0
	for _, r := range relays {
		ownEnvelope = ownEnvelope && r.Envelope == SenderAddr
		subject.Relays = append(subject.Relays, doctor.Relay{
			Addr: net.JoinHostPort(r.Host, strconv.Itoa(r.Port)), Implicit: r.Security == smtp.TLS, Plain: r.Security == smtp.None, Lax: !r.VerifyTLS,
		})
		var ips []netip.Addr
		if err := json.Unmarshal([]byte(r.EgressIPs), &ips); err != nil {
			return doctor.Subject{}, fmt.Errorf("egress_ips of relay %s: %w", r.Name, err)
		}
		for _, ip := range ips {
			if !slices.Contains(subject.Egress, ip) {
				subject.Egress = append(subject.Egress, ip)
			}
		}
	}
	if ownEnvelope {
		subject.ReturnPath = d.Name
	}
	return subject, nil
}

// doctorKeys are the DKIM keys that receivers must find: those that sign, and
// none where the domain's relays do.
func (s *Store) doctorKeys(ctx context.Context, d Domain) ([]doctor.Key, error) {
	if !d.DKIM {
		return nil, nil
	}
	keys, err := s.Keys(ctx, d.ID)
	var signing []doctor.Key
	for _, k := range keys {
		if k.State == ActiveKey {
			signing = append(signing, doctor.Key{Selector: k.Selector, Type: string(k.Algorithm), Public: k.Public})
		}
	}
	return signing, err
}

// relaysOf are the relays of a domain's senders; all while it has none.
func (s *Store) relaysOf(ctx context.Context, domainID int64) ([]Relay, error) {
	all, err := s.Relays(ctx)
	if err != nil {
		return nil, err
	}
	senders, err := s.Senders(ctx)
	if err != nil {
		return nil, err
	}
	var used []Relay
	for _, r := range all {
		if slices.ContainsFunc(senders, func(v Sender) bool { return v.DomainID == domainID && slices.Contains(v.RelayIDs, r.ID) }) {
			used = append(used, r)
		}
	}
	if len(used) == 0 {
		return all, nil
	}
	return used, nil
}

// Unchecked lists the domains whose daily check is due.
func (s *Store) Unchecked(ctx context.Context) ([]Domain, error) {
	var due []Domain
	now := s.db.Now()
	err := s.q.Select(ctx, &due, `SELECT `+domainColumns+` FROM domains d WHERE created_at <= ?
		AND NOT EXISTS (SELECT 1 FROM domain_checks c WHERE c.domain_id = d.id AND c.checked_at > ? AND c.checked_at <= ?) ORDER BY id`,
		now.Add(-checkFirst).UnixMilli(), now.Add(-checkEvery).UnixMilli(), now.Add(database.Skew).UnixMilli())
	return due, err
}

type checkRow struct {
	CheckedAt int64  `db:"checked_at"`
	ChangedAt int64  `db:"changed_at"`
	Report    string `db:"report"`
	Standing  string `db:"standing"`
}

// LastCheck is a domain's last daily check; [database.ErrNotFound] if there was none.
func (s *Store) LastCheck(ctx context.Context, domainID int64) (DomainCheck, error) {
	var row checkRow
	if err := s.q.Get(ctx, &row, `SELECT checked_at, changed_at, report, standing FROM domain_checks WHERE domain_id = ?`, domainID); err != nil {
		return DomainCheck{}, fmt.Errorf("check of domain %d: %w", domainID, err)
	}
	c := DomainCheck{CheckedAt: row.CheckedAt, ChangedAt: row.ChangedAt}
	return c, errors.Join(json.Unmarshal([]byte(row.Report), &c.Report), json.Unmarshal([]byte(row.Standing), &c.Standing))
}

// KeepCheck keeps what the daily check of a domain found, and returns the
// problems that are new since the check before. Of a domain's first check
// those are its errors alone: what is merely not as it could be is shown and
// wakes nobody.
func (s *Store) KeepCheck(ctx context.Context, tx *database.Tx, d Domain, r doctor.Report) (came []doctor.Problem, err error) {
	last, err := s.With(tx).LastCheck(ctx, d.ID)
	first := errors.Is(err, database.ErrNotFound)
	if err != nil && !first {
		return nil, err
	}
	standing, came, gone := r.Standing(last.Standing)
	now := s.db.Now().UnixMilli()
	changed := last.ChangedAt
	if first || len(came)+len(gone) > 0 {
		changed = now
		err := journal.Write(ctx, tx, "check", "domain", d.ID, map[string]any{"name": d.Name, "came": texts(came), "gone": texts(gone)})
		if err != nil {
			return nil, err
		}
	}
	report, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	kept, err := json.Marshal(standing)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO domain_checks (domain_id, checked_at, changed_at, report, standing) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (domain_id) DO UPDATE SET checked_at = excluded.checked_at, changed_at = excluded.changed_at, report = excluded.report, standing = excluded.standing`,
		d.ID, now, changed, string(report), string(kept))
	if err != nil {
		return nil, fmt.Errorf("keep the check of %s: %w", d.Name, err)
	}
	if first {
		came = slices.DeleteFunc(came, func(p doctor.Problem) bool { return p.Severity != doctor.Error })
	}
	return came, nil
}

func texts(problems []doctor.Problem) []string {
	all := []string{}
	for _, p := range problems {
		all = append(all, p.String())
	}
	return all
}
