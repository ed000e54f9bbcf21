// Package keyring keeps the keys of the installation: it seals secrets that
// the database stores and signs the tokens that mails carry.
//
// A token proves that we made it and for which purpose, and carries numbers,
// never an address. Keys are rotated by adding one; old ones still verify, so
// that the way out in an old mail never closes.
package keyring

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"strings"
	"sync"

	"facteur/internal/database"
)

// ErrInvalid is a token that we did not make, or not for this purpose. It
// says no more on purpose.
var ErrInvalid = errors.New("invalid token")

// Purpose keeps the tokens of one use from being taken for another's.
type Purpose string

// The purposes of tokens.
const (
	Leave   Purpose = "leave"   // one-click unsubscribe
	Return  Purpose = "return"  // VERP: the envelope sender of a delivery
	Message Purpose = "message" // the Message-ID of a delivery
	View    Purpose = "view"    // the web version of a mail
)

const tagSize = 16

// Keyring holds the unsealed keys in memory. Safe for concurrent use.
type Keyring struct {
	box    cipher.AEAD
	newest byte
	keys   map[byte]map[Purpose]*sync.Pool // of *signer
}

// signer is a key ready to sign, with room for what it makes: a message's four
// tokens are made at full speed.
type signer struct {
	mac  hash.Hash
	sum  []byte
	raw  []byte
	text []byte
}

// SecretFile reads the secret in file, making the file at first use.
func SecretFile(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err == nil {
		return strings.TrimSpace(string(text)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read the secret key: %w", err)
	}
	secret := hex.EncodeToString(random(32))
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write the secret key: %w", err)
	}
	return secret, nil
}

// Open reads the keys, making the first one in a new installation. secret
// must be at least 16 characters and the same on every machine.
func Open(ctx context.Context, db *database.DB, secret string) (*Keyring, error) {
	if len(secret) < 16 {
		return nil, fmt.Errorf("secret key has %d characters: want at least 16, better 64 random hex digits", len(secret))
	}
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "facteur seal", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	k := &Keyring{keys: map[byte]map[Purpose]*sync.Pool{}}
	if k.box, err = cipher.NewGCM(block); err != nil {
		return nil, err
	}
	return k, k.load(ctx, db)
}

func (k *Keyring) load(ctx context.Context, db *database.DB) error {
	sealed, err := k.Seal(hex.EncodeToString(random(32)))
	if err != nil {
		return err
	}
	_, err = db.Exec(ctx, `INSERT INTO keys (purpose, number, sealed, created_at) VALUES ('token', 1, ?, ?) ON CONFLICT (purpose, number) DO NOTHING`,
		sealed, db.Now().UnixMilli())
	if err != nil {
		return fmt.Errorf("make the first key: %w", err)
	}
	var rows []struct {
		Number int64  `db:"number"`
		Sealed string `db:"sealed"`
	}
	if err := db.Select(ctx, &rows, `SELECT number, sealed FROM keys WHERE purpose = 'token' ORDER BY number`); err != nil {
		return fmt.Errorf("read the keys: %w", err)
	}
	for _, row := range rows {
		key, err := k.Unseal(row.Sealed)
		if err != nil {
			return fmt.Errorf("key %d: %w", row.Number, err)
		}
		k.newest = byte(row.Number)
		k.keys[k.newest] = map[Purpose]*sync.Pool{}
		for _, p := range []Purpose{Leave, Return, Message, View} {
			sub, err := hkdf.Key(sha256.New, []byte(key), nil, "facteur "+string(p), 32)
			if err != nil {
				return err
			}
			k.keys[k.newest][p] = &sync.Pool{New: func() any { return &signer{mac: hmac.New(sha256.New, sub)} }}
		}
	}
	return nil
}

// Seal encrypts a secret for storing.
func (k *Keyring) Seal(plain string) (string, error) {
	nonce := random(k.box.NonceSize())
	return base64.RawStdEncoding.EncodeToString(k.box.Seal(nonce, nonce, []byte(plain), nil)), nil
}

// Unseal is the reverse of [Keyring.Seal]; it fails when the secret key has changed since.
func (k *Keyring) Unseal(sealed string) (string, error) {
	raw, err := base64.RawStdEncoding.DecodeString(sealed)
	if err != nil || len(raw) < k.box.NonceSize() {
		return "", errors.New("sealed secret is damaged")
	}
	plain, err := k.box.Open(nil, raw[:k.box.NonceSize()], raw[k.box.NonceSize():], nil)
	if err != nil {
		return "", errors.New("sealed with another secret key: set FACTEUR_SECRET_KEY to the one of before")
	}
	return string(plain), nil
}

// Token signs payload for a place that keeps upper and lower case apart, such as a link.
func (k *Keyring) Token(p Purpose, payload []byte) string {
	return k.sign(p, payload, base64.RawURLEncoding.AppendEncode)
}

// names is base32 for places that may change case, such as a local part.
var names = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// Name signs payload for a place that may change case, such as an address.
func (k *Keyring) Name(p Purpose, payload []byte) string {
	return k.sign(p, payload, names.AppendEncode)
}

// OpenToken returns the payload of a [Keyring.Token] made for p, or [ErrInvalid].
func (k *Keyring) OpenToken(p Purpose, token string) ([]byte, error) {
	if len(token) > 256 {
		return nil, ErrInvalid
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return nil, ErrInvalid
	}
	return k.verify(p, raw)
}

// OpenName returns the payload of a [Keyring.Name] made for p, or [ErrInvalid].
func (k *Keyring) OpenName(p Purpose, name string) ([]byte, error) {
	if len(name) > 256 {
		return nil, ErrInvalid
	}
	raw, err := names.DecodeString(strings.ToLower(name))
	if err != nil {
		return nil, ErrInvalid
	}
	return k.verify(p, raw)
}

// sign lays out: key number (1 byte), payload, tag (16 bytes).
func (k *Keyring) sign(p Purpose, payload []byte, encode func(dst, src []byte) []byte) string {
	pool := k.keys[k.newest][p]
	s := pool.Get().(*signer)
	defer pool.Put(s)
	s.raw = append(append(s.raw[:0], k.newest), payload...)
	s.raw = append(s.raw, s.tag(s.raw)...)
	s.text = encode(s.text[:0], s.raw)
	return string(s.text)
}

// tag lasts until the next one.
func (s *signer) tag(signed []byte) []byte {
	s.mac.Reset()
	s.mac.Write(signed)
	s.sum = s.mac.Sum(s.sum[:0])
	return s.sum[:tagSize]
}

func (k *Keyring) verify(p Purpose, raw []byte) ([]byte, error) {
	if len(raw) < 1+tagSize {
		return nil, ErrInvalid
	}
	pool := k.keys[raw[0]][p]
	if pool == nil {
		return nil, ErrInvalid
	}
	s := pool.Get().(*signer)
	defer pool.Put(s)
	signed, tag := raw[:len(raw)-tagSize], raw[len(raw)-tagSize:]
	if !hmac.Equal(tag, s.tag(signed)) {
		return nil, ErrInvalid
	}
	return signed[1:], nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}
