package subscribers

import (
	"context"
	"errors"

	"facteur/internal/database"
)

// bury remembers an address whose person was erased by a keyed hash, so that
// no import brings it back.
func (s *Store) bury(ctx context.Context, tx *database.Tx, key string) error {
	if s.keys == nil {
		return errors.New("erase: the store has no keys")
	}
	_, err := tx.Exec(ctx, `INSERT INTO tombstones (hash, at) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING`, s.keys.Tombstone(key), s.db.Now().UnixMilli())
	return err
}

func (s *Store) unbury(ctx context.Context, tx *database.Tx, key string) error {
	if s.keys == nil {
		return nil
	}
	_, err := tx.Exec(ctx, `DELETE FROM tombstones WHERE hash = ?`, s.keys.Tombstone(key))
	return err
}

// buried are those of the keys whose people were erased.
func (s *Store) buried(ctx context.Context, keys []string) ([]string, error) {
	if s.keys == nil || len(keys) == 0 {
		return nil, nil
	}
	var any []int64
	if err := s.q.Select(ctx, &any, `SELECT at FROM tombstones LIMIT 1`); err != nil || len(any) == 0 {
		return nil, err
	}
	of := make(map[string]string, len(keys))
	hashes := make([]string, len(keys))
	for i, k := range keys {
		hashes[i] = s.keys.Tombstone(k)
		of[hashes[i]] = k
	}
	query, args, err := database.In(`SELECT hash FROM tombstones WHERE hash IN (?)`, hashes)
	if err != nil {
		return nil, err
	}
	var found []string
	err = s.q.Select(ctx, &found, query, args...)
	for i, h := range found {
		found[i] = of[h]
	}
	return found, err
}
