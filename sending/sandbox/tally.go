package sandbox

import (
	"bytes"
	"hash/maphash"
	"math"
)

// Sizes of the pieces a tally grows by: small enough for a test's server, large enough for a million pairs.
const (
	tallyPage  = 1024    // entries
	tallyChunk = 1 << 16 // bytes of text; an entry's text lies in one chunk
	maxDomains = math.MaxUint16
	maxText    = 2000 // bytes kept of either half of a pair
)

// tally counts pairs of texts, of which millions must fit in memory: an address and a Message-ID, an address and a
// reply code. It is an append-only array of 32-byte entries with an index of open addressing beside it; texts lie
// end to end in chunks, and their domains, of which there are few, only once. It holds up to 4 GiB of texts.
// The zero value is ready. Not safe for concurrent use.
type tally struct {
	seed    maphash.Seed
	slots   []uint32 // entry number + 1, 0 is free; a power of two, at most three quarters used
	pages   [][]entry
	n       int
	texts   [][]byte
	domains map[string]uint16
	names   []string // names[id-1] is the "@domain" with that id
}

// entry is one pair. Both halves are stored without the domains named by aDomain and bDomain (0: none cut off).
type entry struct {
	first            int64 // Unix ms
	text             uint32
	hash             uint32
	count            uint32
	span             uint32 // ms from first to last, at most 49 days
	aLen, bLen       uint16
	aDomain, bDomain uint16
}

// pair is an entry taken out again.
type pair struct {
	a, b        string
	count       int
	first, last int64
}

// add counts one more of (a, b) and returns how many there are now and when the first came.
func (t *tally) add(a, b []byte, now int64) (count uint32, first int64) {
	if t.slots == nil {
		t.seed = maphash.MakeSeed()
		t.slots = make([]uint32, 64)
		t.domains = map[string]uint16{}
	}
	a, b = a[:min(len(a), maxText)], b[:min(len(b), maxText)]
	hash := uint32((maphash.Bytes(t.seed, a)*0x9e3779b97f4a7c15 + maphash.Bytes(t.seed, b)) >> 16)
	aHead, aDomain := t.cut(a)
	bHead, bDomain := t.cut(b)
	mask := uint32(len(t.slots) - 1)
	slot := hash & mask
	for ; t.slots[slot] != 0; slot = (slot + 1) & mask {
		e := t.entry(int(t.slots[slot] - 1))
		if e.hash == hash && e.aDomain == aDomain && e.bDomain == bDomain && t.holds(e, aHead, bHead) {
			e.count++
			e.span = uint32(min(max(now-e.first, 0), math.MaxUint32))
			return e.count, e.first
		}
	}
	t.slots[slot] = uint32(t.n + 1)
	t.push(entry{
		first: now, text: t.store(aHead, bHead), hash: hash, count: 1,
		aLen: uint16(len(aHead)), bLen: uint16(len(bHead)), aDomain: aDomain, bDomain: bDomain,
	})
	if t.n > len(t.slots)/4*3 {
		t.grow()
	}
	return 1, now
}

// cut takes a known domain off a text. A domain that comes when the dictionary is full is never taken off, so a text is always cut alike.
func (t *tally) cut(text []byte) (head []byte, domain uint16) {
	at := bytes.LastIndexByte(text, '@')
	if at < 0 {
		return text, 0
	}
	if id, ok := t.domains[string(text[at:])]; ok {
		return text[:at], id
	}
	if len(t.names) == maxDomains {
		return text, 0
	}
	name := string(text[at:])
	t.names = append(t.names, name)
	t.domains[name] = uint16(len(t.names))
	return text[:at], uint16(len(t.names))
}

func (t *tally) entry(i int) *entry { return &t.pages[i/tallyPage][i%tallyPage] }

func (t *tally) push(e entry) {
	if t.n%tallyPage == 0 {
		t.pages = append(t.pages, make([]entry, 0, tallyPage))
	}
	last := &t.pages[len(t.pages)-1]
	*last = append(*last, e)
	t.n++
}

// store puts two texts end to end and returns their place: chunk number and offset.
func (t *tally) store(a, b []byte) uint32 {
	if k := len(t.texts); k == 0 || len(t.texts[k-1])+len(a)+len(b) > tallyChunk {
		t.texts = append(t.texts, make([]byte, 0, tallyChunk))
	}
	k := len(t.texts) - 1
	place := uint32(k)*tallyChunk + uint32(len(t.texts[k]))
	t.texts[k] = append(append(t.texts[k], a...), b...)
	return place
}

// halves are the stored texts of an entry, without their domains.
func (t *tally) halves(e *entry) (a, b []byte) {
	text := t.texts[e.text/tallyChunk][e.text%tallyChunk:]
	return text[:e.aLen], text[e.aLen : int(e.aLen)+int(e.bLen)]
}

func (t *tally) holds(e *entry, a, b []byte) bool {
	haveA, haveB := t.halves(e)
	return bytes.Equal(haveA, a) && bytes.Equal(haveB, b)
}

func (t *tally) grow() {
	slots := make([]uint32, 2*len(t.slots))
	mask := uint32(len(slots) - 1)
	for i := range t.n {
		slot := t.entry(i).hash & mask
		for slots[slot] != 0 {
			slot = (slot + 1) & mask
		}
		slots[slot] = uint32(i + 1)
	}
	t.slots = slots
}

// at returns the i-th pair in the order of first arrival.
func (t *tally) at(i int) pair {
	e := t.entry(i)
	a, b := t.halves(e)
	return pair{
		a: t.join(a, e.aDomain), b: t.join(b, e.bDomain), count: int(e.count),
		first: e.first, last: e.first + int64(e.span),
	}
}

func (t *tally) join(head []byte, domain uint16) string {
	if domain == 0 {
		return string(head)
	}
	return string(head) + t.names[domain-1]
}

// of returns all pairs with this first half, by looking through everything: some milliseconds for a million.
func (t *tally) of(a string) []pair {
	var found []pair
	at := bytes.LastIndexByte([]byte(a), '@')
	for i := range t.n {
		e := t.entry(i)
		want := a
		if e.aDomain != 0 {
			if at < 0 || t.names[e.aDomain-1] != a[at:] {
				continue
			}
			want = a[:at]
		}
		if have, _ := t.halves(e); string(have) == want {
			found = append(found, t.at(i))
		}
	}
	return found
}
