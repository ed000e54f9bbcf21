package consent

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// NewSalt is a fresh salt: 128 bits, hex.
func NewSalt() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

// Salts are n fresh ones.
func Salts(n int) []string {
	b := make([]byte, 16*n)
	_, _ = rand.Read(b)
	salts := make([]string, n)
	for i := range salts {
		salts[i] = hex.EncodeToString(b[16*i : 16*(i+1)])
	}
	return salts
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// commitment binds a row to a person without naming them.
func (p Person) commitment() string { return digestOf("facteur person\n" + p.Salt + "\n" + p.Key) }

func evidenceCommitment(salt, details string) string {
	return digestOf("facteur evidence\n" + salt + "\n" + details)
}

// leaf is the row's hash in its pack's tree: over all of its columns.
func (r *row) leaf() [32]byte {
	b := make([]byte, 0, 400)
	b = append(b, 0) // a leaf: RFC 6962 section 2.1
	b = append(b, "facteur consent\n"...)
	for _, n := range []int64{r.ID, r.SubscriberID, r.ListID, r.StatedAt, r.RecordedAt} {
		b = append(strconv.AppendInt(b, n, 10), '\n')
	}
	for _, s := range []string{r.Act, r.Basis, r.Statement, r.Person, r.Evidence} {
		b = append(strconv.AppendQuote(b, s), '\n')
	}
	return sha256.Sum256(b)
}

// node joins two subtrees.
func node(left, right [32]byte) [32]byte {
	var b [65]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[33:], right[:])
	return sha256.Sum256(b[:])
}

// split is the number of leaves in the left subtree: the largest power of two below n.
func split(n int) int {
	k := 1
	for k*2 < n {
		k *= 2
	}
	return k
}

// treeRoot is the Merkle tree hash of RFC 6962 section 2.1; leaves has at least one.
func treeRoot(leaves [][32]byte) [32]byte {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := split(len(leaves))
	return node(treeRoot(leaves[:k]), treeRoot(leaves[k:]))
}

// treePath is the audit path of leaf at (RFC 6962 section 2.1.1), from the leaf upwards.
func treePath(leaves [][32]byte, at int) [][32]byte {
	if len(leaves) == 1 {
		return nil
	}
	k := split(len(leaves))
	if at < k {
		return append(treePath(leaves[:k], at), treeRoot(leaves[k:]))
	}
	return append(treePath(leaves[k:], at-k), treeRoot(leaves[:k]))
}

// climb is the root to which a path leads from leaf at of n; false when the
// path has another length than it must.
func climb(leaf [32]byte, at, n int, path [][32]byte) ([32]byte, bool) {
	if n == 1 {
		return leaf, len(path) == 0
	}
	if len(path) == 0 || at < 0 || at >= n {
		return leaf, false
	}
	last := len(path) - 1
	k := split(n)
	if at < k {
		below, ok := climb(leaf, at, k, path[:last])
		return node(below, path[last]), ok
	}
	below, ok := climb(leaf, at-k, n-k, path[:last])
	return node(path[last], below), ok
}
