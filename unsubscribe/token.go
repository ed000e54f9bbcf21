package unsubscribe

import (
	"encoding/binary"
	"time"

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
	return Reference{number(payload), number(payload[8:])}, nil
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

// Request names a sign-up that waits for its confirmation.
type Request struct {
	SubscriberID int64
	ListID       int64
	AskedAt      time.Time // to the millisecond
}

// ConfirmToken is the signed token of the link in a confirmation mail. It can
// confirm this one subscription and nothing else.
func (r Request) ConfirmToken(k *keyring.Keyring) string {
	return k.Token(keyring.Confirm, numbers(r.SubscriberID, r.ListID, r.AskedAt.UnixMilli()))
}

// ParseConfirmToken is the reverse; [keyring.ErrInvalid] for anything we did not sign.
func ParseConfirmToken(k *keyring.Keyring, token string) (Request, error) {
	payload, err := k.OpenToken(keyring.Confirm, token)
	if err != nil || len(payload) != 24 {
		return Request{}, keyring.ErrInvalid
	}
	return Request{number(payload), number(payload[8:]), time.UnixMilli(number(payload[16:]))}, nil
}

// AccessFor is how long a link to a person's preferences and data is good.
const AccessFor = time.Hour

// TrackToken is before the number of a link in the mail of somebody who agreed
// to be watched.
func (r Reference) TrackToken(k *keyring.Keyring) string { return k.Token(keyring.Track, r.payload()) }

// ParseTrackToken is the reverse; [keyring.ErrInvalid] for anything we did not sign.
func ParseTrackToken(k *keyring.Keyring, token string) (Reference, error) {
	return reference(k.OpenToken(keyring.Track, token))
}

// FileToken names a campaign's file in the link to it.
func FileToken(k *keyring.Keyring, fileID int64) string {
	return k.Token(keyring.File, numbers(fileID))
}

// ParseFileToken is the file that a link names; [keyring.ErrInvalid] for what we did not sign.
func ParseFileToken(k *keyring.Keyring, token string) (fileID int64, err error) {
	payload, err := k.OpenToken(keyring.File, token)
	if err != nil || len(payload) != 8 {
		return 0, keyring.ErrInvalid
	}
	return number(payload), nil
}

// AccessToken is the signed token of a fresh link to a person's preferences
// and data, sent to their address when they ask for it.
func AccessToken(k *keyring.Keyring, subscriberID int64, madeAt time.Time) string {
	return k.Token(keyring.Access, numbers(subscriberID, madeAt.UnixMilli()))
}

// ParseAccessToken is the reverse; [keyring.ErrInvalid] for anything we did not
// sign, and for what is older than [AccessFor].
func ParseAccessToken(k *keyring.Keyring, token string, now time.Time) (subscriberID int64, err error) {
	payload, err := k.OpenToken(keyring.Access, token)
	if err != nil || len(payload) != 16 {
		return 0, keyring.ErrInvalid
	}
	age := now.Sub(time.UnixMilli(number(payload[8:])))
	if age > AccessFor || age < -time.Minute {
		return 0, keyring.ErrInvalid
	}
	return number(payload), nil
}

func numbers(all ...int64) []byte {
	var b []byte
	for _, n := range all {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return b
}

func number(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }
