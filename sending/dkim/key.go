package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
)

// Algorithm is how a key signs, as the k= tag of its record names it.
type Algorithm string

// The algorithms.
const (
	RSA     Algorithm = "rsa"     // 2048 bits: longer keys do not fit every DNS
	Ed25519 Algorithm = "ed25519" // RFC 8463
)

const rsaBits = 2048

// Key is a private key under the name by which its public one is found in DNS.
type Key struct {
	Selector string
	private  crypto.Signer
}

// Generate makes a key.
func Generate(selector string, a Algorithm) (Key, error) {
	var private crypto.Signer
	var err error
	switch a {
	case RSA:
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case Ed25519:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("algorithm %q: want %s or %s", a, RSA, Ed25519)
	}
	if err != nil {
		return Key{}, fmt.Errorf("make a DKIM key: %w", err)
	}
	return Key{selector, private}, nil
}

// Open reads a key that [Key.Private] wrote.
func Open(selector, private string) (Key, error) {
	der, err := base64.StdEncoding.DecodeString(private)
	if err != nil {
		return Key{}, fmt.Errorf("DKIM key %s: %w", selector, err)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return Key{}, fmt.Errorf("DKIM key %s: %w", selector, err)
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return Key{selector, k}, nil
	case ed25519.PrivateKey:
		return Key{selector, k}, nil
	}
	return Key{}, fmt.Errorf("DKIM key %s: %w", selector, errors.ErrUnsupported)
}

// Private is the key itself, to be sealed: PKCS #8 in base64.
func (k Key) Private() (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return "", fmt.Errorf("DKIM key %s: %w", k.Selector, err)
	}
	return base64.StdEncoding.EncodeToString(der), nil
}

// Algorithm is how the key signs.
func (k Key) Algorithm() Algorithm {
	if _, ok := k.private.(ed25519.PrivateKey); ok {
		return Ed25519
	}
	return RSA
}

// Public is the p= tag of the key's record (RFC 6376 section 3.6.1): for RSA a
// SubjectPublicKeyInfo, for Ed25519 the bare 32 bytes (RFC 8463 section 4).
func (k Key) Public() (string, error) {
	if public, ok := k.private.Public().(ed25519.PublicKey); ok {
		return base64.StdEncoding.EncodeToString(public), nil
	}
	der, err := x509.MarshalPKIXPublicKey(k.private.Public())
	if err != nil {
		return "", fmt.Errorf("DKIM key %s: %w", k.Selector, err)
	}
	return base64.StdEncoding.EncodeToString(der), nil
}

// sign signs a hash of SHA-256.
func (k Key) sign(sum [sha256.Size]byte) ([]byte, error) {
	if k.Algorithm() == Ed25519 {
		return k.private.Sign(nil, sum[:], crypto.Hash(0)) // the hash is the message: RFC 8463 section 3
	}
	return k.private.Sign(rand.Reader, sum[:], crypto.SHA256)
}

// Record is the TXT record by which others find the key, at
// SELECTOR._domainkey.DOMAIN.
func (k Key) Record() (string, error) {
	public, err := k.Public()
	return "v=DKIM1; k=" + string(k.Algorithm()) + "; p=" + public, err
}
