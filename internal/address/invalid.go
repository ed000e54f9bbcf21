package address

import (
	"fmt"
	"strings"
)

// Reason is a stable code for why an address was refused; exports and the API carry it.
type Reason string

// The reasons. A code, once given out, keeps its meaning.
const (
	Empty   Reason = "empty"
	NotUTF8 Reason = "not_utf8"

	ControlCharacter   Reason = "control_character"
	InvisibleCharacter Reason = "invisible_character" // format, private use, unassigned, odd spaces

	TooLong       Reason = "too_long"        // over 254 octets in all
	LocalTooLong  Reason = "local_too_long"  // over 64 octets before the @
	DomainTooLong Reason = "domain_too_long" // over 253 octets as A-labels
	LabelTooLong  Reason = "label_too_long"  // over 63 octets between two dots

	NoAt      Reason = "no_at"
	SeveralAt Reason = "several_at" // often two addresses in one field
	BadLocal  Reason = "bad_local"  // not a dot-atom
	BadQuoted Reason = "bad_quoted" // quotes that are open, or not around the whole local part

	BadDomain      Reason = "bad_domain"      // not letters, digits, hyphens and dots
	BadIDN         Reason = "bad_idn"         // refused by IDNA (UTS 46)
	SingleLabel    Reason = "single_label"    // a host name without a dot
	AddressLiteral Reason = "address_literal" // [192.0.2.1]

	DisplayName Reason = "display_name" // Name <a@b>
	Comment     Reason = "comment"      // a(b)@c
)

// Invalid says why [Parse] refused an address.
type Invalid struct {
	Address string // what was given, cut if very long; keep it out of logs
	Reason  Reason
	Detail  string // a sentence for a person, without the address
}

func (e *Invalid) Error() string {
	return fmt.Sprintf("invalid e-mail address %q: %s", e.Address, e.Detail)
}

// fault is an Invalid before it knows the whole text it is about.
type fault struct {
	reason Reason
	detail string
}

func faultf(reason Reason, format string, args ...any) *fault {
	return &fault{reason, fmt.Sprintf(format, args...)}
}

func (f *fault) of(s string) *Invalid {
	const shown = 320
	if len(s) > shown {
		s = s[:shown] + "…"
	}
	return &Invalid{Address: strings.ToValidUTF8(s, "\ufffd"), Reason: f.reason, Detail: f.detail}
}
