package consent

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"facteur/internal/database"
)

// ProofFormat names the form of a [Proof].
const ProofFormat = "facteur-consent-proof/1"

// Proof is what one person said, to be checked by whoever holds it: each row
// with the path in its pack's tree, and the signed seals.
type Proof struct {
	Format  string       `json:"format"`
	MadeAt  string       `json:"made_at"` // RFC 3339
	Person  *ProofPerson `json:"person"`  // null: erased
	Entries []ProofEntry `json:"entries"`
	Seals   []Seal       `json:"seals"`
}

// ProofPerson says whom the rows are about.
type ProofPerson struct {
	SubscriberID int64  `json:"subscriber_id,string"`
	Email        string `json:"email"`
	Key          string `json:"key"` // the address's key, which the rows are bound to
	Salt         string `json:"salt"`
}

// ProofEntry is a row of the ledger with its place in a pack.
type ProofEntry struct {
	ID           int64           `json:"id,string"`
	SubscriberID int64           `json:"subscriber_id,string"`
	ListID       int64           `json:"list_id,string"`
	List         string          `json:"list,omitempty"` // its name today; not part of the proof
	Act          Act             `json:"act"`
	Basis        Basis           `json:"basis,omitempty"`
	StatedAt     int64           `json:"stated_at"` // Unix milliseconds, as is the next
	RecordedAt   int64           `json:"recorded_at"`
	Statement    json.RawMessage `json:"statement"`
	StatementID  string          `json:"statement_digest"`
	PersonHash   string          `json:"person_commitment"`
	EvidenceHash string          `json:"evidence_commitment,omitempty"`
	EvidenceSalt string          `json:"evidence_salt,omitempty"`
	Evidence     json.RawMessage `json:"evidence,omitempty"` // absent: none, or erased
	Seal         int64           `json:"seal"`               // 0: not sealed yet
	Index        int             `json:"index"`
	Path         []string        `json:"path"`
}

// Prove makes the proof of a person's rows. Names of lists and the person are
// filled in by the caller, who owns them.
func Prove(ctx context.Context, q database.Queryer, subscriberID int64) (Proof, error) {
	rows, err := rowsOf(ctx, q, subscriberID)
	if err != nil {
		return Proof{}, err
	}
	kept, err := beside(ctx, q, rows)
	if err != nil {
		return Proof{}, err
	}
	p := Proof{Format: ProofFormat, Entries: make([]ProofEntry, len(rows)), Seals: []Seal{}}
	for i, r := range rows {
		e := ProofEntry{
			ID: r.ID, SubscriberID: r.SubscriberID, ListID: r.ListID, Act: Act(r.Act), Basis: Basis(r.Basis), StatedAt: r.StatedAt, RecordedAt: r.RecordedAt,
			Statement: json.RawMessage(kept.statements[r.Statement]), StatementID: r.Statement, PersonHash: r.Person, EvidenceHash: r.Evidence, Path: []string{},
		}
		if e.Statement == nil {
			e.Statement = json.RawMessage("{}")
		}
		if k, ok := kept.evidence[r.ID]; ok {
			e.EvidenceSalt, e.Evidence = k.Salt, json.RawMessage(k.Details)
		}
		if err := p.place(ctx, q, &e); err != nil {
			return Proof{}, err
		}
		p.Entries[i] = e
	}
	return p, nil
}

// place finds the row's pack and its path. A pack is found by the range of its
// ids: rows are sealed within about a second, so few packs can hold one.
func (p *Proof) place(ctx context.Context, q database.Queryer, e *ProofEntry) error {
	var packs []pack
	err := q.Select(ctx, &packs, `SELECT `+sealColumns+`, ids, leaves FROM seals WHERE sealed_at >= ? AND ids LIKE ? ORDER BY number LIMIT 1`,
		e.RecordedAt, `%"`+fmt.Sprint(e.ID)+`"%`)
	if err != nil || len(packs) == 0 {
		return err
	}
	ids, err := database.ParseIDs(packs[0].IDs)
	if err != nil {
		return err
	}
	rows, err := rowsByID(ctx, q, ids)
	if err != nil {
		return err
	}
	leaves := make([][32]byte, len(rows))
	for i := range rows {
		leaves[i] = rows[i].leaf()
	}
	e.Seal, e.Index = packs[0].Number, slices.Index(ids, e.ID)
	for _, h := range treePath(leaves, e.Index) {
		e.Path = append(e.Path, hex.EncodeToString(h[:]))
	}
	if !slices.Contains(p.Seals, packs[0].Seal) {
		p.Seals = append(p.Seals, packs[0].Seal)
	}
	return nil
}

// Verdict is what the check of a [Proof] found.
type Verdict struct {
	Entries  int      // that are proven
	Unsealed int      // that are too young to be sealed
	Erased   int      // whose details were erased
	Keys     []string // by which the seals are signed
	Faults   []string
}

// Verify checks a proof without the database. A seal by another key than those
// given (hex) is a fault; if none is given, whether the keys in the verdict are
// the sender's is for the reader to compare with what the sender publishes.
func (p *Proof) Verify(keys ...string) Verdict {
	var v Verdict
	if p.Format != ProofFormat {
		v.Faults = append(v.Faults, fmt.Sprintf("format %q is not %s", p.Format, ProofFormat))
		return v
	}
	seals := map[int64]Seal{}
	for _, s := range p.Seals {
		if !s.signed() {
			v.Faults = append(v.Faults, fmt.Sprintf("seal %d: its signature is wrong", s.Number))
			continue
		}
		if len(keys) > 0 && !slices.Contains(keys, s.Key) {
			v.Faults = append(v.Faults, fmt.Sprintf("seal %d: it is signed with another key: %s", s.Number, s.Key))
			continue
		}
		seals[s.Number] = s
		if !slices.Contains(v.Keys, s.Key) {
			v.Keys = append(v.Keys, s.Key)
		}
	}
	for i := range p.Entries {
		e := &p.Entries[i]
		switch fault := e.fault(p.Person, seals); {
		case fault != "":
			v.Faults = append(v.Faults, fmt.Sprintf("row %d: %s", e.ID, fault))
		case e.Seal == 0:
			v.Unsealed++
		default:
			v.Entries++
		}
		if e.EvidenceHash != "" && len(e.Evidence) == 0 {
			v.Erased++
		}
	}
	return v
}

// fault is what is wrong with the entry, "" if nothing is.
func (e *ProofEntry) fault(person *ProofPerson, seals map[int64]Seal) string {
	if digestOf(asWritten[Said](e.Statement)) != e.StatementID && !strings.HasPrefix(e.StatementID, "before ") {
		return "what was said was changed"
	}
	if len(e.Evidence) > 0 && evidenceCommitment(e.EvidenceSalt, asWritten[Evidence](e.Evidence)) != e.EvidenceHash {
		return "its details were changed"
	}
	if person != nil {
		if person.SubscriberID != e.SubscriberID {
			return "it is another person's"
		}
		if (Person{Salt: person.Salt, Key: person.Key}).commitment() != e.PersonHash {
			return "it is about another address"
		}
	}
	if e.Seal == 0 {
		return ""
	}
	s, ok := seals[e.Seal]
	if !ok {
		return fmt.Sprintf("there is no good seal %d", e.Seal)
	}
	path := make([][32]byte, len(e.Path))
	for i, text := range e.Path {
		raw, err := hex.DecodeString(text)
		if err != nil || len(raw) != 32 {
			return "its path is damaged"
		}
		copy(path[i][:], raw)
	}
	r := row{
		ID: e.ID, SubscriberID: e.SubscriberID, ListID: e.ListID, Act: string(e.Act), Basis: string(e.Basis), Statement: e.StatementID,
		StatedAt: e.StatedAt, RecordedAt: e.RecordedAt, Person: e.PersonHash, Evidence: e.EvidenceHash,
	}
	root, ok := climb(r.leaf(), e.Index, int(s.Entries), path)
	if !ok || hex.EncodeToString(root[:]) != s.Root {
		return fmt.Sprintf("it was changed since seal %d was made", e.Seal)
	}
	return ""
}

// asWritten is JSON as the ledger wrote it, however a program has laid it out since.
func asWritten[T any](text json.RawMessage) string {
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		return string(text)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return string(text)
	}
	return string(b)
}
