package unsubscribe

import (
	"strings"
	"time"

	"facteur/internal/keyring"
)

// The local parts of our own addresses begin so; the rest is signed.
const (
	returnPrefix     = "b-"
	leavePrefix      = "u-"
	complaintsPrefix = "c-"
	probePrefix      = "p-"
)

// ReturnAddress is the delivery's envelope sender (VERP): a bounce to it names
// the delivery.
func (r Reference) ReturnAddress(k *keyring.Keyring, domain string) string {
	return returnPrefix + k.Name(keyring.Return, r.payload()) + "@" + domain
}

// ParseReturnAddress is the reverse, whatever stands behind the @;
// [keyring.ErrInvalid] for anything we did not sign.
func ParseReturnAddress(k *keyring.Keyring, address string) (Reference, error) {
	return reference(openLocal(k, keyring.Return, returnPrefix, address))
}

// MessageID is the delivery's Message-ID without its brackets, the same for
// every attempt.
func (r Reference) MessageID(k *keyring.Keyring, domain string) string {
	return k.Name(keyring.Message, r.payload()) + "@" + domain
}

// ParseMessageID is the reverse, with or without what stands behind the @.
func ParseMessageID(k *keyring.Keyring, id string) (Reference, error) {
	return reference(openLocal(k, keyring.Message, "", id))
}

// LeaveAddress is where a mail of any content ends the subscriptions that the
// delivery came by (RFC 2369 section 3.2).
func (r Reference) LeaveAddress(k *keyring.Keyring, domain string) string {
	return leavePrefix + k.Name(keyring.LeaveMail, r.payload()) + "@" + domain
}

// ParseLeaveAddress is the reverse.
func ParseLeaveAddress(k *keyring.Keyring, address string) (Reference, error) {
	return reference(openLocal(k, keyring.LeaveMail, leavePrefix, address))
}

// ComplaintsAddress is where providers shall send complaints about a sending
// domain: signed, so that nobody can make up others that we would listen to.
func ComplaintsAddress(k *keyring.Keyring, domainID int64, returnPath string) string {
	return complaintsPrefix + k.Name(keyring.Complaints, numbers(domainID)) + "@" + returnPath
}

// ParseComplaintsAddress tells the domain of such an address.
func ParseComplaintsAddress(k *keyring.Keyring, address string) (domainID int64, err error) {
	payload, err := openLocal(k, keyring.Complaints, complaintsPrefix, address)
	if err != nil || len(payload) != 8 {
		return 0, keyring.ErrInvalid
	}
	return number(payload), nil
}

// ProbeAddress is where we mail ourselves, to see whether what is sent to a
// domain's return path comes home.
func ProbeAddress(k *keyring.Keyring, domainID int64, madeAt time.Time, returnPath string) string {
	return probePrefix + k.Name(keyring.Probe, numbers(domainID, madeAt.UnixMilli())) + "@" + returnPath
}

// ParseProbeAddress tells the domain of such an address, and when it was made.
func ParseProbeAddress(k *keyring.Keyring, address string) (domainID int64, madeAt time.Time, err error) {
	payload, err := openLocal(k, keyring.Probe, probePrefix, address)
	if err != nil || len(payload) != 16 {
		return 0, time.Time{}, keyring.ErrInvalid
	}
	return number(payload), time.UnixMilli(number(payload[8:])), nil
}

// openLocal opens the signed part of an address. Case may have been changed on
// its way.
func openLocal(k *keyring.Keyring, p keyring.Purpose, prefix, address string) ([]byte, error) {
	local, _, _ := strings.Cut(strings.Trim(strings.TrimSpace(address), "<>"), "@")
	name, ok := strings.CutPrefix(strings.ToLower(local), prefix)
	if !ok || name == "" {
		return nil, keyring.ErrInvalid
	}
	return k.OpenName(p, name)
}
