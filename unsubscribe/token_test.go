package unsubscribe_test

import (
	"encoding/base64"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"facteur/internal/database/databasetest"
	"facteur/internal/keyring"
	"facteur/unsubscribe"
)

func keys(t *testing.T) *keyring.Keyring {
	t.Helper()
	k, err := keyring.Open(t.Context(), databasetest.New(t), "a secret of the tests")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestLeaveToken_NamesItsDelivery(t *testing.T) {
	k := keys(t)
	for _, r := range []unsubscribe.Reference{{}, {CampaignID: 1, SubscriberID: 2}, {CampaignID: math.MaxInt64, SubscriberID: math.MinInt64}, {CampaignID: -1, SubscriberID: 1 << 40}} {
		token := r.LeaveToken(k)
		if got, err := unsubscribe.ParseLeaveToken(k, token); err != nil || got != r {
			t.Errorf("%+v came back as %+v, %v", r, got, err)
		}
		if token != r.LeaveToken(k) {
			t.Errorf("%+v has two tokens", r)
		}
		if strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" || len(token) > 64 {
			t.Errorf("%q is no word for a URL", token)
		}
		if got, err := unsubscribe.ParseViewToken(k, r.ViewToken(k)); err != nil || got != r {
			t.Errorf("to view: %+v came back as %+v, %v", r, got, err)
		}
	}
}

func TestLeaveToken_IsRefusedWhenWeDidNotMakeIt(t *testing.T) {
	k := keys(t)
	r := unsubscribe.Reference{CampaignID: 1 << 50, SubscriberID: 1 << 51}
	token := r.LeaveToken(k)
	forged := map[string]string{
		"empty":              "",
		"another's":          r.LeaveToken(keys(t)),
		"to view":            r.ViewToken(k),
		"a return address":   r.ReturnAddress(k, "example.com"),
		"a return name":      k.Name(keyring.Return, make([]byte, 16)),
		"a message's name":   k.Name(keyring.Message, make([]byte, 16)),
		"for returns":        k.Token(keyring.Return, make([]byte, 16)),
		"too short":          k.Token(keyring.Leave, make([]byte, 15)),
		"too long":           k.Token(keyring.Leave, make([]byte, 17)),
		"of nothing":         k.Token(keyring.Leave, nil),
		"twice":              token + token,
		"very long":          strings.Repeat(token, 1000),
		"padded":             token + "=",
		"with spaces":        " " + token,
		"in another case":    strings.ToUpper(token),
		"in another base 64": strings.NewReplacer("-", "+", "_", "/").Replace(token) + "+",
	}
	for i := range token {
		forged["cut at "+token[i:]] = token[:i]
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(raw) * 8 {
		flipped := slices.Clone(raw)
		flipped[bit/8] ^= 1 << (bit % 8)
		forged["bit "+string(rune('a'+bit%8))+" of "+string(rune('A'+bit/8))] = base64.RawURLEncoding.EncodeToString(flipped)
	}
	for name, token := range forged {
		if got, err := unsubscribe.ParseLeaveToken(k, token); !errors.Is(err, keyring.ErrInvalid) || got != (unsubscribe.Reference{}) {
			t.Errorf("%s: taken for %+v, %v", name, got, err)
		}
	}
	if _, err := unsubscribe.ParseViewToken(k, token); !errors.Is(err, keyring.ErrInvalid) {
		t.Errorf("a token to leave lets view: %v", err)
	}
}

func TestReference_HasNamesForEnvelopeAndMessageID(t *testing.T) {
	k := keys(t)
	r := unsubscribe.Reference{CampaignID: math.MaxInt64, SubscriberID: math.MaxInt64}
	name := func(address string) string {
		local, domain, _ := strings.Cut(address, "@")
		if domain != "example.com" {
			t.Errorf("%q is not at the domain", address)
		}
		return local
	}
	ret, msg := name(r.ReturnAddress(k, "example.com")), name(r.MessageID(k, "example.com"))
	if !strings.HasPrefix(ret, "b-") || len(ret) > 64 { // RFC 5321 section 4.5.3.1.1
		t.Errorf("%q is no local part", ret)
	}
	for _, name := range []string{ret, msg} {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("%q does not survive a change of case", name)
		}
	}
	payload, err := k.OpenName(keyring.Return, strings.ToUpper(strings.TrimPrefix(ret, "b-")))
	if err != nil || len(payload) != 16 {
		t.Errorf("a bounce's name: %x, %v", payload, err)
	}
	other := unsubscribe.Reference{CampaignID: math.MaxInt64, SubscriberID: 1}
	if name(other.ReturnAddress(k, "example.com")) == ret || name(other.MessageID(k, "example.com")) == msg || strings.HasSuffix(ret, msg) {
		t.Error("two deliveries, or two purposes, share a name")
	}
}

// FuzzParseLeaveToken: nothing but our own tokens opens.
func FuzzParseLeaveToken(f *testing.F) {
	k, err := keyring.Open(f.Context(), databasetest.New(f), "a secret of the tests")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(unsubscribe.Reference{CampaignID: 1, SubscriberID: 2}.LeaveToken(k))
	f.Add("")
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, token string) {
		r, err := unsubscribe.ParseLeaveToken(k, token)
		if err != nil && !errors.Is(err, keyring.ErrInvalid) {
			t.Errorf("%q: %v", token, err)
		}
		if err == nil && r.LeaveToken(k) != strings.NewReplacer("\r", "", "\n", "").Replace(token) {
			t.Errorf("%q opens as %+v", token, r)
		}
	})
}
