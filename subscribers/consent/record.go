package consent

import (
	"context"
	"encoding/json"
	"slices"

	"facteur/internal/database"
)

// Person is whom a row is about: what their commitment is made of.
type Person struct {
	Salt string // kept with the person; goes when they are erased
	Key  string // of the address
}

// Evidence is what is personal about an act. It can be erased while its row stays.
type Evidence struct {
	IP        string `json:"ip,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	Form      string `json:"form,omitempty"` // the page or call by which it came
}

// Entry is one row: a person's act about a list.
type Entry struct {
	SubscriberID int64
	ListID       int64 // 0: every list
	Act          Act
	Statement
	Person   Person
	Evidence Evidence // zero: none
}

// row is an entry as the ledger keeps it.
type row struct {
	ID           int64  `db:"id"`
	SubscriberID int64  `db:"subscriber_id"`
	ListID       int64  `db:"list_id"`
	Act          string `db:"act"`
	Basis        string `db:"basis"`
	Statement    string `db:"statement"`
	StatedAt     int64  `db:"stated_at"`
	RecordedAt   int64  `db:"recorded_at"`
	Person       string `db:"person"`
	Evidence     string `db:"evidence"`
}

const rowColumns = `id, subscriber_id, list_id, act, basis, statement, stated_at, recorded_at, person, evidence`

// Record adds entries to the ledger in the transaction of their effect. The
// leader seals them soon after; nobody waits for that.
func Record(ctx context.Context, tx *database.Tx, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	if err := keepStatements(ctx, tx, entries); err != nil {
		return err
	}
	now := tx.DB().Now().UnixMilli()
	ids := make([]int64, len(entries))
	for i := range entries {
		ids[i] = tx.DB().NewID()
	}
	commitments, err := keepEvidence(ctx, tx, entries, ids)
	if err != nil {
		return err
	}
	var last Statement
	var digest string
	err = tx.Insert(ctx, `INSERT INTO consents (`+rowColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, len(entries), func(i int, p *database.Params) {
		e := &entries[i]
		if digest == "" || e.Statement != last {
			last, digest = e.Statement, digestOf(e.text())
		}
		evidence := ""
		if commitments != nil {
			evidence = commitments[i]
		}
		p.Set(ids[i], e.SubscriberID, e.ListID, string(e.Act), string(e.Basis), digest, e.At.UnixMilli(), now, e.Person.commitment(), evidence)
	})
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO unsealed (id, entries) VALUES (?, ?)`, tx.DB().NewID(), database.FormatIDs(ids))
	return err
}

// keepStatements adds the statements that are not there yet.
func keepStatements(ctx context.Context, tx *database.Tx, entries []Entry) error {
	var texts []string
	var last Statement
	for i := range entries {
		if i > 0 && entries[i].Statement == last {
			continue
		}
		last = entries[i].Statement
		if text := last.text(); !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return tx.Each(ctx, `INSERT INTO statements (digest, text) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING`, len(texts), func(i int, p *database.Params) {
		p.Set(digestOf(texts[i]), texts[i])
	}, nil)
}

// keepEvidence stores the details of the entries and returns their
// commitments; nil when no entry has any.
func keepEvidence(ctx context.Context, tx *database.Tx, entries []Entry, ids []int64) ([]string, error) {
	var with []int
	for i := range entries {
		if entries[i].Evidence != (Evidence{}) {
			with = append(with, i)
		}
	}
	if len(with) == 0 {
		return nil, nil
	}
	commitments := make([]string, len(entries))
	err := tx.Insert(ctx, `INSERT INTO evidences (consent_id, subscriber_id, salt, details) VALUES (?, ?, ?, ?)`, len(with), func(n int, p *database.Params) {
		i := with[n]
		details, _ := json.Marshal(entries[i].Evidence) // texts always marshal
		salt := NewSalt()
		commitments[i] = evidenceCommitment(salt, string(details))
		p.Set(ids[i], entries[i].SubscriberID, salt, string(details))
	})
	return commitments, err
}

// Erase removes the details of a person's rows; the rows stay.
func Erase(ctx context.Context, tx *database.Tx, subscriberID int64) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM evidences WHERE subscriber_id = ?`, subscriberID)
}

// Forget removes the details of rows recorded before a time (Unix
// milliseconds), at most limit of them, and returns how many. It looks at the
// oldest alone.
func Forget(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM evidences WHERE consent_id IN (SELECT e.consent_id FROM (SELECT consent_id FROM evidences ORDER BY consent_id LIMIT ?) AS e
		JOIN consents c ON c.id = e.consent_id WHERE c.recorded_at < ?)`, limit, before)
}

// Recorded is a row of the ledger with what stands beside it, for people.
type Recorded struct {
	ID         int64
	ListID     int64 // 0: every list
	Act        Act
	Basis      Basis
	Said       Said
	StatedAt   int64 // Unix milliseconds, as is RecordedAt
	RecordedAt int64
	Evidence   *Evidence // nil: none, or erased
}

// Of lists a person's rows, oldest first.
func Of(ctx context.Context, q database.Queryer, subscriberID int64) ([]Recorded, error) {
	rows, err := rowsOf(ctx, q, subscriberID)
	if err != nil {
		return nil, err
	}
	all, err := beside(ctx, q, rows)
	if err != nil {
		return nil, err
	}
	out := make([]Recorded, len(rows))
	for i, r := range rows {
		out[i] = Recorded{ID: r.ID, ListID: r.ListID, Act: Act(r.Act), Basis: Basis(r.Basis), StatedAt: r.StatedAt, RecordedAt: r.RecordedAt}
		_ = json.Unmarshal([]byte(all.statements[r.Statement]), &out[i].Said) // what cannot be read is shown as nothing said
		if kept, ok := all.evidence[r.ID]; ok {
			out[i].Evidence = &Evidence{}
			_ = json.Unmarshal([]byte(kept.Details), out[i].Evidence)
		}
	}
	return out, nil
}

func rowsOf(ctx context.Context, q database.Queryer, subscriberID int64) ([]row, error) {
	var rows []row
	err := q.Select(ctx, &rows, `SELECT `+rowColumns+` FROM consents WHERE subscriber_id = ? ORDER BY id`, subscriberID)
	return rows, err
}

// keptEvidence is a row of evidences.
type keptEvidence struct {
	ConsentID int64  `db:"consent_id"`
	Salt      string `db:"salt"`
	Details   string `db:"details"`
}

// surroundings are what stands beside some rows.
type surroundings struct {
	statements map[string]string
	evidence   map[int64]keptEvidence
}

// beside reads what stands beside at most some hundreds of rows.
func beside(ctx context.Context, q database.Queryer, rows []row) (surroundings, error) {
	s := surroundings{map[string]string{}, map[int64]keptEvidence{}}
	if len(rows) == 0 {
		return s, nil
	}
	var digests []string
	var ids []int64
	for _, r := range rows {
		if !slices.Contains(digests, r.Statement) {
			digests = append(digests, r.Statement)
		}
		if r.Evidence != "" {
			ids = append(ids, r.ID)
		}
	}
	query, args, err := database.In(`SELECT digest, text FROM statements WHERE digest IN (?)`, digests)
	if err != nil {
		return s, err
	}
	var said []struct {
		Digest string `db:"digest"`
		Text   string `db:"text"`
	}
	if err := q.Select(ctx, &said, query, args...); err != nil {
		return s, err
	}
	for _, t := range said {
		s.statements[t.Digest] = t.Text
	}
	if len(ids) == 0 {
		return s, nil
	}
	if query, args, err = database.In(`SELECT consent_id, salt, details FROM evidences WHERE consent_id IN (?)`, ids); err != nil {
		return s, err
	}
	var kept []keptEvidence
	err = q.Select(ctx, &kept, query, args...)
	for _, k := range kept {
		s.evidence[k.ConsentID] = k
	}
	return s, err
}

// Gave tells which of some people ever gave a yes.
func Gave(ctx context.Context, q database.Queryer, subscriberIDs []int64) (map[int64]bool, error) {
	gave := map[int64]bool{}
	if len(subscriberIDs) == 0 {
		return gave, nil
	}
	query, args, err := database.In(`SELECT DISTINCT subscriber_id FROM consents WHERE act = 'given' AND subscriber_id IN (?)`, subscriberIDs)
	if err != nil {
		return nil, err
	}
	var ids []int64
	err = q.Select(ctx, &ids, query, args...)
	for _, id := range ids {
		gave[id] = true
	}
	return gave, err
}

// CountBases counts the yeses of each list by basis.
func CountBases(ctx context.Context, q database.Queryer) (map[int64]map[string]int64, error) {
	var rows []struct {
		ListID int64  `db:"list_id"`
		Basis  string `db:"basis"`
		N      int64  `db:"n"`
	}
	err := q.Select(ctx, &rows, `SELECT list_id, basis, COUNT(*) AS n FROM consents WHERE act = 'given' GROUP BY list_id, basis`)
	bases := map[int64]map[string]int64{}
	for _, r := range rows {
		if bases[r.ListID] == nil {
			bases[r.ListID] = map[string]int64{}
		}
		bases[r.ListID][r.Basis] = r.N
	}
	return bases, err
}
