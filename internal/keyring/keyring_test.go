package keyring_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"facteur/internal/database/databasetest"
	"facteur/internal/keyring"
)

const secret = "0123456789abcdef0123456789abcdef"

func TestKeyring_TokensOpenOnlyForTheirPurposeAndUnchanged(t *testing.T) {
	ctx := context.Background()
	db := databasetest.New(t)
	k, err := keyring.Open(ctx, db, secret)
	if err != nil {
		t.Fatal(err)
	}
	again, err := keyring.Open(ctx, db, secret)
	if err != nil {
		t.Fatal(err)
	}
	payload := []byte("0123456789abcdef")
	token, name := k.Token(keyring.Leave, payload), k.Name(keyring.Return, payload)
	if got, err := again.OpenToken(keyring.Leave, token); err != nil || string(got) != string(payload) {
		t.Errorf("after a restart: %q, %v", got, err)
	}
	if got, err := k.OpenName(keyring.Return, strings.ToUpper(name)); err != nil || string(got) != string(payload) {
		t.Errorf("in capitals: %q, %v", got, err)
	}
	forged := []string{"", "x", token[:len(token)-1], token + "A", "B" + token[1:], strings.Repeat("A", 10_000), token[:10] + "!" + token[11:]}
	for _, f := range forged {
		if _, err := k.OpenToken(keyring.Leave, f); !errors.Is(err, keyring.ErrInvalid) {
			t.Errorf("%.60q: %v", f, err)
		}
	}
	if _, err := k.OpenToken(keyring.Message, token); !errors.Is(err, keyring.ErrInvalid) {
		t.Error("a token of one purpose opened for another")
	}
}

func TestKeyring_SaysSoWhenTheSecretChanged(t *testing.T) {
	ctx := context.Background()
	db := databasetest.New(t)
	if _, err := keyring.Open(ctx, db, secret); err != nil {
		t.Fatal(err)
	}
	_, err := keyring.Open(ctx, db, secret+"x")
	if err == nil || !strings.Contains(err.Error(), "FACTEUR_SECRET_KEY") {
		t.Errorf("another secret: %v", err)
	}
	if _, err := keyring.Open(ctx, db, "short"); err == nil {
		t.Error("a short secret was accepted")
	}
}

func BenchmarkToken(b *testing.B) {
	k, err := keyring.Open(context.Background(), databasetest.New(b), secret)
	if err != nil {
		b.Fatal(err)
	}
	payload := []byte("0123456789abcdef")
	b.ReportAllocs()
	for b.Loop() {
		k.Token(keyring.Leave, payload)
	}
}
