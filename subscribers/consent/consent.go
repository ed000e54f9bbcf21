// Package consent is the ledger of what each person said about each list,
// and how we know. Rows are only ever added.
package consent

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"facteur/internal/database"
)

// Basis is why a person may be mailed (GDPR art. 6, ePrivacy art. 13).
type Basis string

// The bases that may be stated.
const (
	DoubleOptIn           Basis = "double_opt_in"
	OptIn                 Basis = "opt_in"
	Customer              Basis = "customer"
	Contract              Basis = "contract"
	LegitimateInterestB2B Basis = "legitimate_interest_b2b"
)

var bases = []Basis{DoubleOptIn, OptIn, Customer, Contract, LegitimateInterestB2B}

// ParseBasis reads a basis by its name.
func ParseBasis(s string) (Basis, error) {
	if b := Basis(s); slices.Contains(bases, b) {
		return b, nil
	}
	names := make([]string, len(bases))
	for i, b := range bases {
		names[i] = string(b)
	}
	return "", fmt.Errorf("basis %q is unknown: want one of %s", s, strings.Join(names, ", "))
}

// Statement is a yes that was given elsewhere, as its bringer states it.
type Statement struct {
	Basis   Basis
	Source  string    // where: a form, a shop, a fair
	At      time.Time // when it was given; not in the future
	Wording string    // the words agreed to, where known
}

// Check refuses a statement that could not be shown to anybody.
func (s Statement) Check(now time.Time) error {
	if _, err := ParseBasis(string(s.Basis)); err != nil {
		return err
	}
	if strings.TrimSpace(s.Source) == "" {
		return fmt.Errorf("source is empty: say where the consent was given")
	}
	if s.At.IsZero() {
		return fmt.Errorf("at is missing: say when the consent was given (RFC 3339)")
	}
	if s.At.After(now.Add(time.Minute)) {
		return fmt.Errorf("at is in the future: %s", s.At.UTC().Format(time.RFC3339))
	}
	return nil
}

// Act is what a person did.
type Act string

// The acts of the ledger.
const (
	Given     Act = "given"
	Withdrawn Act = "withdrawn"
)

// Entry is one row: a person's act about a list.
type Entry struct {
	SubscriberID int64
	ListID       int64
	Act          Act
	Statement
}

// Record adds entries to the ledger in the transaction of their effect.
func Record(ctx context.Context, tx *database.Tx, entries []Entry) error {
	now := tx.DB().Now().UnixMilli()
	return tx.Insert(ctx, `INSERT INTO consents (id, subscriber_id, list_id, act, basis, source, stated_at, recorded_at, details)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, len(entries), func(i int, p *database.Params) {
		e := entries[i]
		details := `{}`
		if e.Wording != "" {
			text, _ := json.Marshal(map[string]string{"wording": e.Wording})
			details = string(text)
		}
		p.Set(tx.DB().NewID(), e.SubscriberID, e.ListID, string(e.Act), string(e.Basis), e.Source, e.At.UnixMilli(), now, details)
	})
}
