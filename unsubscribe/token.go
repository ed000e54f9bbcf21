package unsubscribe

import (
	"encoding/binary"

	"facteur/internal/keyring"
)

// Reference names a delivery without an address: a campaign and a person.
type Reference struct {
	CampaignID   int64
	SubscriberID int64
}

func (r Reference) payload() []byte {
	b := make([]byte, 16)
	binary.BigEndian.PutUint64(b, uint64(r.CampaignID))
	binary.BigEndian.PutUint64(b[8:], uint64(r.SubscriberID))
	return b
}

func reference(payload []byte, err error) (Reference, error) {
	if err != nil {
		return Reference{}, err
	}
	if len(payload) != 16 {
		return Reference{}, keyring.ErrInvalid
	}
	return Reference{int64(binary.BigEndian.Uint64(payload)), int64(binary.BigEndian.Uint64(payload[8:]))}, nil
}

// LeaveToken is the signed token of the links that end a subscription. It
// never expires and can do nothing else.
func (r Reference) LeaveToken(k *keyring.Keyring) string {
	return k.Token(keyring.Leave, r.payload())
}

// ParseLeaveToken is the reverse; [keyring.ErrInvalid] for anything we did not sign.
func ParseLeaveToken(k *keyring.Keyring, token string) (Reference, error) {
	return reference(k.OpenToken(keyring.Leave, token))
}

// ViewToken is the signed token of the link to the web version, which shows
// what the mail shows. It cannot end a subscription, nor the other way round.
func (r Reference) ViewToken(k *keyring.Keyring) string {
	return k.Token(keyring.View, r.payload())
}

// ParseViewToken is the reverse; [keyring.ErrInvalid] for anything we did not sign.
func ParseViewToken(k *keyring.Keyring, token string) (Reference, error) {
	return reference(k.OpenToken(keyring.View, token))
}

// ReturnAddress is the delivery's envelope sender (VERP): a bounce to it names
// the delivery.
func (r Reference) ReturnAddress(k *keyring.Keyring, domain string) string {
	return "b-" + k.Name(keyring.Return, r.payload()) + "@" + domain
}

// MessageID is the delivery's Message-ID without its brackets, the same for
// every attempt.
func (r Reference) MessageID(k *keyring.Keyring, domain string) string {
	return k.Name(keyring.Message, r.payload()) + "@" + domain
}
