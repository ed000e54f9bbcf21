package consent

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"facteur/internal/database"
)

// Seal is the head of a pack: what is signed, and the signature.
type Seal struct {
	Number    int64  `db:"number" json:"number"` // from 1, without gaps
	Previous  string `db:"previous" json:"previous"`
	Root      string `db:"root" json:"root"`
	Entries   int64  `db:"entries" json:"entries"`
	SealedAt  int64  `db:"sealed_at" json:"sealed_at"` // Unix milliseconds
	Key       string `db:"key" json:"key"`
	Signature string `db:"signature" json:"signature"`
}

const sealColumns = `number, previous, root, entries, sealed_at, key, signature`

// pack is a seal with the rows it is over.
type pack struct {
	Seal
	IDs    string `db:"ids"`
	Leaves string `db:"leaves"`
}

// leafStart is how much of each row's hash a pack keeps, in hex digits.
const leafStart = 16

// text is what is signed.
func (s *Seal) text() string {
	return fmt.Sprintf("facteur seal\n%d\n%s\n%s\n%d\n%d\n%s\n", s.Number, s.Previous, s.Root, s.Entries, s.SealedAt, s.Key)
}

// hash is how the next seal names this one.
func (s *Seal) hash() string { return digestOf(s.text() + s.Signature) }

// signed tells whether the seal's own key has signed it. Whether that key is
// to be trusted is another question.
func (s *Seal) signed() bool {
	key, err := hex.DecodeString(s.Key)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return false
	}
	signature, err := hex.DecodeString(s.Signature)
	return err == nil && ed25519.Verify(key, []byte(s.text()), signature)
}

// maxPack bounds the rows of a pack: a proof carries a path, but a check reads
// the whole pack.
const maxPack = 2000

// sealRound bounds what one transaction seals.
const sealRound = 10_000

// Sealer gathers new rows into packs. Only the leader may run one: its
// transactions must be fenced.
type Sealer struct {
	db  *database.DB
	key ed25519.PrivateKey
}

// NewSealer signs with key.
func NewSealer(db *database.DB, key ed25519.PrivateKey) *Sealer { return &Sealer{db: db, key: key} }

// Seal seals what has been recorded so far, in fenced transactions, and
// returns the number of rows.
func (s *Sealer) Seal(ctx context.Context, write func(context.Context, func(*database.Tx) error) error) (int64, error) {
	var all int64
	for limit := 32; ; {
		var waiting []waitingRows
		if err := s.db.Select(ctx, &waiting, `SELECT id, entries FROM unsealed ORDER BY id LIMIT ?`, limit); err != nil || len(waiting) == 0 {
			return all, err
		}
		packs, n, err := s.gather(ctx, waiting)
		if err != nil {
			return all, err
		}
		if err := write(ctx, func(tx *database.Tx) error { return s.add(ctx, tx, packs) }); err != nil {
			return all, fmt.Errorf("seal the consent ledger: %w", err)
		}
		if all += n; ctx.Err() != nil {
			return all, ctx.Err()
		}
		if len(waiting) == limit && n < maxPack { // many clicks, not a few pages of an import
			limit = min(4*limit, maxPack)
		}
	}
}

type waitingRows struct {
	ID      int64  `db:"id"`
	Entries string `db:"entries"`
}

// unsigned is a pack before it has a place in the chain.
type unsigned struct {
	pack
	waiting []int64 // the rows of unsealed that it answers
}

// gather reads the waiting rows and lays out their packs, outside any transaction.
func (s *Sealer) gather(ctx context.Context, waiting []waitingRows) ([]unsigned, int64, error) {
	var packs []unsigned
	var next unsigned
	var ids []int64
	var total int64
	finish := func() error {
		if len(next.waiting) == 0 {
			return nil
		}
		rows, err := rowsByID(ctx, s.db, ids)
		if err != nil {
			return err
		}
		leaves := make([][32]byte, len(rows))
		for i := range rows {
			leaves[i] = rows[i].leaf()
		}
		next.Entries, next.IDs, next.Leaves = int64(len(ids)), database.FormatIDs(ids), starts(leaves)
		root := treeRoot(leaves)
		next.Root = hex.EncodeToString(root[:])
		packs, total = append(packs, next), total+next.Entries
		next, ids = unsigned{}, nil
		return nil
	}
	for _, w := range waiting {
		more, err := database.ParseIDs(w.Entries)
		if err != nil {
			return nil, 0, fmt.Errorf("unsealed rows %d: %w", w.ID, err)
		}
		if len(ids)+len(more) > maxPack {
			if err := finish(); err != nil {
				return nil, 0, err
			}
		}
		if total+int64(len(ids)+len(more)) > sealRound && total > 0 {
			break
		}
		next.waiting, ids = append(next.waiting, w.ID), append(ids, more...)
	}
	return packs, total, errors.Join(finish())
}

// add signs the packs behind the newest seal. What another leader has sealed
// since is gone from unsealed, and its pack is left out.
func (s *Sealer) add(ctx context.Context, tx *database.Tx, packs []unsigned) error {
	head, err := Head(ctx, tx)
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		return err
	}
	for _, p := range packs {
		query, args, err := database.In(`DELETE FROM unsealed WHERE id IN (?)`, p.waiting)
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, query, args...)
		if err != nil {
			return err
		}
		if n != int64(len(p.waiting)) {
			return fmt.Errorf("%w: rows were sealed by somebody else", database.ErrConflict)
		}
		p.Number, p.SealedAt, p.Key = head.Number+1, s.db.Now().UnixMilli(), hex.EncodeToString(s.key.Public().(ed25519.PublicKey))
		if head.Number > 0 {
			p.Previous = head.hash()
		}
		p.Signature = hex.EncodeToString(ed25519.Sign(s.key, []byte(p.text())))
		_, err = tx.Exec(ctx, `INSERT INTO seals (`+sealColumns+`, ids, leaves) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			p.Number, p.Previous, p.Root, p.Entries, p.SealedAt, p.Key, p.Signature, p.IDs, p.Leaves)
		if err != nil {
			return err
		}
		head = p.Seal
	}
	return nil
}

// Head is the newest seal; [database.ErrNotFound] when there is none.
func Head(ctx context.Context, q database.Queryer) (Seal, error) {
	var head Seal
	err := q.Get(ctx, &head, `SELECT `+sealColumns+` FROM seals ORDER BY number DESC LIMIT 1`)
	return head, err
}

// Waiting counts the transactions whose rows wait for their seal.
func Waiting(ctx context.Context, q database.Queryer) (n int64, err error) {
	err = q.Get(ctx, &n, `SELECT COUNT(*) FROM unsealed`)
	return n, err
}

// rowsByID reads rows in the order of ids; one that is missing is an error.
func rowsByID(ctx context.Context, q database.Queryer, ids []int64) ([]row, error) {
	found, err := findRows(ctx, q, ids)
	if err != nil {
		return nil, err
	}
	rows := make([]row, len(ids))
	for i, id := range ids {
		r, ok := found[id]
		if !ok {
			return nil, fmt.Errorf("row %d of the consent ledger: %w", id, database.ErrNotFound)
		}
		rows[i] = r
	}
	return rows, nil
}

// findRows reads those of the rows that are there.
func findRows(ctx context.Context, q database.Queryer, ids []int64) (map[int64]row, error) {
	found := make(map[int64]row, len(ids))
	for len(ids) > 0 {
		n := min(len(ids), 1000)
		query, args, err := database.In(`SELECT `+rowColumns+` FROM consents WHERE id IN (?)`, ids[:n])
		if err != nil {
			return nil, err
		}
		var some []row
		if err := q.Select(ctx, &some, query, args...); err != nil {
			return nil, err
		}
		for _, r := range some {
			found[r.ID] = r
		}
		ids = ids[n:]
	}
	return found, nil
}

// starts are the beginnings of the leaves, one after the other.
func starts(leaves [][32]byte) string {
	var b strings.Builder
	for _, l := range leaves {
		b.WriteString(hex.EncodeToString(l[:leafStart/2]))
	}
	return b.String()
}
