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
	"sync/atomic"
	"time"

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
	Confirm Purpose = "confirm" // the yes of a double opt-in
	Access  Purpose = "access"  // a person's preferences and data, for an hour
	Track   Purpose = "track"   // the links of one who agreed to be watched
	File    Purpose = "file"    // a hosted file of a campaign

	LeaveMail  Purpose = "leave_mail" // the address of a mailto unsubscribe
	Complaints Purpose = "complaints" // the address that providers send complaints to
	Probe      Purpose = "probe"      // the address of a mail to ourselves
)

func purposes() []Purpose {
	return []Purpose{Leave, Return, Message, View, Confirm, Access, Track, File, LeaveMail, Complaints, Probe}
}

const tagSize = 16

// Keyring holds the unsealed keys in memory. Safe for concurrent use.
type Keyring struct {
	db   *database.DB
	box  cipher.AEAD
	held atomic.Pointer[held]

	loading sync.Mutex
	loaded  time.Time // when the table was read last
}

// held are the keys as they were read last.
type held struct {
	newest    byte
	keys      map[byte]map[Purpose]*sync.Pool // of *signer
	tombstone []byte
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
	k := &Keyring{db: db}
	if k.box, err = cipher.NewGCM(block); err != nil {
		return nil, err
	}
	if err := k.add(ctx, 1); err != nil && !errors.Is(err, database.ErrConflict) {
		return nil, fmt.Errorf("make the first key: %w", err)
	}
	return k, k.load(ctx)
}

// add makes the token key of a number; [database.ErrConflict] if there is one.
func (k *Keyring) add(ctx context.Context, number int64) error {
	sealed, err := k.Seal(hex.EncodeToString(random(32)))
	if err != nil {
		return err
	}
	n, err := k.db.Exec(ctx, `INSERT INTO keys (purpose, number, sealed, created_at) VALUES ('token', ?, ?, ?) ON CONFLICT (purpose, number) DO NOTHING`,
		number, sealed, k.db.Now().UnixMilli())
	if err == nil && n == 0 {
		err = database.ErrConflict
	}
	return err
}

// maxKeys is what the one byte in a token can tell apart.
const maxKeys = 255

// Rotate adds a key and signs with it from now on; other processes follow
// within [Keyring.Refresh]. What the old keys have signed stays good: the way
// out in an old mail never closes. It returns the new key's number.
func (k *Keyring) Rotate(ctx context.Context) (int, error) {
	if err := k.load(ctx); err != nil {
		return 0, err
	}
	next := int(k.held.Load().newest) + 1
	if next > maxKeys {
		return 0, fmt.Errorf("%w: there are %d keys already", database.ErrConflict, maxKeys)
	}
	if err := k.add(ctx, int64(next)); err != nil {
		return 0, err
	}
	return next, k.load(ctx)
}

// Refresh reads the keys that other processes have added.
func (k *Keyring) Refresh(ctx context.Context) error { return k.load(ctx) }

func (k *Keyring) load(ctx context.Context) error {
	k.loading.Lock()
	defer k.loading.Unlock()
	var rows []struct {
		Number int64  `db:"number"`
		Sealed string `db:"sealed"`
	}
	if err := k.db.Select(ctx, &rows, `SELECT number, sealed FROM keys WHERE purpose = 'token' ORDER BY number`); err != nil {
		return fmt.Errorf("read the keys: %w", err)
	}
	k.loaded = time.Now()
	if h := k.held.Load(); h != nil && len(h.keys) == len(rows) {
		return nil
	}
	h := &held{keys: map[byte]map[Purpose]*sync.Pool{}}
	for _, row := range rows {
		key, err := k.Unseal(row.Sealed)
		if err != nil {
			return fmt.Errorf("key %d: %w", row.Number, err)
		}
		h.newest = byte(row.Number)
		h.keys[h.newest] = map[Purpose]*sync.Pool{}
		for _, p := range purposes() {
			sub, err := hkdf.Key(sha256.New, []byte(key), nil, "facteur "+string(p), 32)
			if err != nil {
				return err
			}
			h.keys[h.newest][p] = &sync.Pool{New: func() any { return &signer{mac: hmac.New(sha256.New, sub)} }}
		}
		if h.tombstone == nil { // of the first key, for good: it must find what it has hashed
			if h.tombstone, err = hkdf.Key(sha256.New, []byte(key), nil, "facteur tombstone", 32); err != nil {
				return err
			}
		}
	}
	k.held.Store(h)
	return nil
}

// unknown reads the table again for a key number that is not held: another
// process may have rotated. At most once in ten seconds, as anybody can make up numbers.
func (k *Keyring) unknown(number byte) *held {
	k.loading.Lock()
	lately := time.Since(k.loaded) < 10*time.Second
	k.loading.Unlock()
	if !lately {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = k.load(ctx) // the token is then as good as unknown
	}
	return k.held.Load()
}

// Tombstone is the keyed hash by which an erased address is known again.
func (k *Keyring) Tombstone(key string) string {
	mac := hmac.New(sha256.New, k.held.Load().tombstone)
	mac.Write([]byte(key))
	return hex.EncodeToString(mac.Sum(nil))
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
	h := k.held.Load()
	pool := h.keys[h.newest][p]
	s := pool.Get().(*signer)
	defer pool.Put(s)
	s.raw = append(append(s.raw[:0], h.newest), payload...)
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
	h := k.held.Load()
	if h.keys[raw[0]] == nil {
		h = k.unknown(raw[0])
	}
	pool := h.keys[raw[0]][p]
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
