package consent

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
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

// Bases are all that may be stated.
func Bases() []Basis { return []Basis{DoubleOptIn, OptIn, Customer, Contract, LegitimateInterestB2B} }

// ParseBasis reads a basis by its name.
func ParseBasis(s string) (Basis, error) {
	if b := Basis(s); slices.Contains(Bases(), b) {
		return b, nil
	}
	names := make([]string, len(Bases()))
	for i, b := range Bases() {
		names[i] = string(b)
	}
	return "", fmt.Errorf("basis %q is unknown: want one of %s", s, strings.Join(names, ", "))
}

// Statement is a yes or a no as it was said.
type Statement struct {
	Basis   Basis
	Source  string    // where: a form, a shop, a fair
	At      time.Time // when it was given; not in the future
	Wording string    // the words agreed to, where known
	Version int64     // of the list's wording; 0: not one of ours
	Locale  string    // of the wording, where known
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

// Said is the part of a statement that is kept once, however many said it.
type Said struct {
	Source  string `json:"source"`
	Wording string `json:"wording,omitempty"`
	Version int64  `json:"wording_version,omitempty"`
	Locale  string `json:"locale,omitempty"`
}

// text is the JSON under whose digest it is kept.
func (s Statement) text() string {
	b, _ := json.Marshal(Said{s.Source, s.Wording, s.Version, s.Locale}) // texts and a number always marshal
	return string(b)
}

// Act is what a person did.
type Act string

// The acts of the ledger.
const (
	Requested Act = "requested" // signed up; no yes yet
	Given     Act = "given"
	Withdrawn Act = "withdrawn"
	Restored  Act = "restored" // took a leaving back within the hour
	Expired   Act = "expired"  // a sign-up that nobody confirmed
	Erased    Act = "erased"   // all that was held on the person
)
