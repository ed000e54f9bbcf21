package keyring

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
)

// SigningKey is the newest Ed25519 key of a use, such as "ledger", made at
// first need; known are the public keys of all there ever were, hex.
func (k *Keyring) SigningKey(ctx context.Context, use string) (key ed25519.PrivateKey, known []string, err error) {
	sealed, err := k.Seal(hex.EncodeToString(random(ed25519.SeedSize)))
	if err != nil {
		return nil, nil, err
	}
	_, err = k.db.Exec(ctx, `INSERT INTO keys (purpose, number, sealed, created_at) VALUES (?, 1, ?, ?) ON CONFLICT (purpose, number) DO NOTHING`,
		use, sealed, k.db.Now().UnixMilli())
	if err != nil {
		return nil, nil, fmt.Errorf("make a key for %s: %w", use, err)
	}
	var all []string
	if err := k.db.Select(ctx, &all, `SELECT sealed FROM keys WHERE purpose = ? ORDER BY number`, use); err != nil {
		return nil, nil, fmt.Errorf("read the keys for %s: %w", use, err)
	}
	for _, sealed := range all {
		seed, err := k.Unseal(sealed)
		if err != nil {
			return nil, nil, fmt.Errorf("key for %s: %w", use, err)
		}
		raw, err := hex.DecodeString(seed)
		if err != nil || len(raw) != ed25519.SeedSize {
			return nil, nil, fmt.Errorf("key for %s is damaged", use)
		}
		key = ed25519.NewKeyFromSeed(raw)
		known = append(known, hex.EncodeToString(key.Public().(ed25519.PublicKey)))
	}
	return key, known, nil
}
