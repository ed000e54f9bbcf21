package consent

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"facteur/internal/database"
)

// LedgerFault is something in the ledger that is not as it was written.
type LedgerFault struct {
	Seal int64  `json:"seal,omitempty"` // 0: none in particular
	Row  int64  `json:"row,omitempty,string"`
	Text string `json:"text"`
}

func (f LedgerFault) String() string {
	switch {
	case f.Row != 0:
		return fmt.Sprintf("row %d (seal %d): %s", f.Row, f.Seal, f.Text)
	case f.Seal != 0:
		return fmt.Sprintf("seal %d: %s", f.Seal, f.Text)
	}
	return f.Text
}

// LedgerReport is what a check of the ledger found.
type LedgerReport struct {
	Seals    int64         `json:"seals"`
	Entries  int64         `json:"entries"`  // sealed rows
	Unsealed int64         `json:"unsealed"` // rows that wait for their pack
	Erased   int64         `json:"erased"`   // sealed rows whose details were erased
	Faults   []LedgerFault `json:"faults"`   // the first 100
}

// mostFaults bounds a report; more are not worth reading.
const mostFaults = 100

// checker is one check under way.
type checker struct {
	q       database.Queryer
	trusted []string
	people  func(context.Context, []int64) (map[int64]Person, error)
	report  LedgerReport
	last    Seal
}

// Check goes through the whole chain: each seal follows the one before and is
// signed by one of the trusted keys (hex), each row is as it was sealed, and
// what stands beside it matches its commitments. people finds the persons that
// are still there. Memory is bounded by a pack.
func Check(ctx context.Context, q database.Queryer, trusted []string, people func(context.Context, []int64) (map[int64]Person, error)) (LedgerReport, error) {
	c := checker{q: q, trusted: trusted, people: people}
	for {
		var packs []pack
		err := q.Select(ctx, &packs, `SELECT `+sealColumns+`, ids, leaves FROM seals WHERE number > ? ORDER BY number LIMIT 20`, c.last.Number)
		if err != nil {
			return c.report, err
		}
		if len(packs) == 0 {
			return c.report, c.strays(ctx)
		}
		for _, p := range packs {
			if err := c.pack(ctx, p); err != nil {
				return c.report, err
			}
			c.last = p.Seal
			c.report.Seals++
			c.report.Entries += p.Entries
		}
	}
}

func (c *checker) fault(seal, row int64, format string, args ...any) {
	if len(c.report.Faults) < mostFaults {
		c.report.Faults = append(c.report.Faults, LedgerFault{seal, row, fmt.Sprintf(format, args...)})
	}
}

func (c *checker) pack(ctx context.Context, p pack) error {
	if p.Number != c.last.Number+1 {
		c.fault(p.Number, 0, "the seal before it, %d, is missing", p.Number-1)
	} else if previous := ""; c.last.Number > 0 {
		if previous = c.last.hash(); p.Previous != previous {
			c.fault(p.Number, 0, "it does not follow seal %d as that one is now", c.last.Number)
		}
	}
	switch {
	case !slices.Contains(c.trusted, p.Key):
		c.fault(p.Number, 0, "it is signed with a key that is not ours: %s", p.Key)
	case !p.signed():
		c.fault(p.Number, 0, "its signature is wrong: it was not written by us as it is now")
	}
	ids, err := database.ParseIDs(p.IDs)
	if err != nil || int64(len(ids)) != p.Entries || len(p.Leaves) != leafStart*len(ids) {
		c.fault(p.Number, 0, "its list of rows is damaged")
		return nil
	}
	return c.rows(ctx, p, ids)
}

// rows compares the pack's rows with their hashes, and what stands beside them.
func (c *checker) rows(ctx context.Context, p pack, ids []int64) error {
	found, err := findRows(ctx, c.q, ids)
	if err != nil {
		return err
	}
	leaves := make([][32]byte, 0, len(ids))
	rows := make([]row, 0, len(ids))
	before := len(c.report.Faults)
	for i, id := range ids {
		r, ok := found[id]
		if !ok {
			c.fault(p.Number, id, "it was deleted")
			continue
		}
		leaf := r.leaf()
		if hex.EncodeToString(leaf[:leafStart/2]) != p.Leaves[i*leafStart:(i+1)*leafStart] {
			c.fault(p.Number, id, "it was changed: subscriber %d, list %d, %s", r.SubscriberID, r.ListID, r.Act)
		}
		leaves, rows = append(leaves, leaf), append(rows, r)
	}
	if before == len(c.report.Faults) && len(leaves) > 0 {
		if root := treeRoot(leaves); hex.EncodeToString(root[:]) != p.Root {
			c.fault(p.Number, 0, "its rows give another tree: rows were changed together with the list of their hashes")
		}
	}
	for part := range slices.Chunk(rows, 500) {
		if err := c.beside(ctx, p.Number, part); err != nil {
			return err
		}
	}
	return nil
}

// beside checks the statements, the details and the persons of rows.
func (c *checker) beside(ctx context.Context, seal int64, rows []row) error {
	kept, err := beside(ctx, c.q, rows)
	if err != nil {
		return err
	}
	wrong := map[string]string{}
	for digest, text := range kept.statements {
		if digestOf(text) != digest && !strings.HasPrefix(digest, "before ") {
			wrong[digest] = "what was said, or its source, was changed"
		}
	}
	ids := make([]int64, 0, len(rows))
	for _, r := range rows {
		ids = append(ids, r.SubscriberID)
	}
	slices.Sort(ids)
	people, err := c.people(ctx, slices.Compact(ids))
	if err != nil {
		return err
	}
	for _, r := range rows {
		if _, ok := kept.statements[r.Statement]; !ok {
			c.fault(seal, r.ID, "what was said was deleted")
		} else if text := wrong[r.Statement]; text != "" {
			c.fault(seal, r.ID, "%s", text)
		}
		if e, ok := kept.evidence[r.ID]; ok && evidenceCommitment(e.Salt, e.Details) != r.Evidence {
			c.fault(seal, r.ID, "its details were changed")
		} else if !ok && r.Evidence != "" {
			c.report.Erased++
		}
		if p, ok := people[r.SubscriberID]; ok && r.Person != "" && p.commitment() != r.Person {
			c.fault(seal, r.ID, "it is about another address than subscriber %d has now", r.SubscriberID)
		}
	}
	return nil
}

// strays looks for rows that neither a pack nor the waiting list names.
func (c *checker) strays(ctx context.Context) error {
	waiting := map[int64]bool{}
	var lists []waitingRows
	if err := c.q.Select(ctx, &lists, `SELECT id, entries FROM unsealed`); err != nil {
		return err
	}
	for _, w := range lists {
		ids, err := database.ParseIDs(w.Entries)
		if err != nil {
			return err
		}
		for _, id := range ids {
			waiting[id] = true
		}
	}
	c.report.Unsealed = int64(len(waiting))
	var all int64
	if err := c.q.Get(ctx, &all, `SELECT COUNT(*) FROM consents`); err != nil || all <= c.report.Entries+c.report.Unsealed {
		return err
	}
	return c.name(ctx, waiting)
}

// name finds the rows that came in beside the ledger's own way. It runs only
// when there are some, or when rows were recorded while the check ran.
func (c *checker) name(ctx context.Context, known map[int64]bool) error {
	for number := int64(0); number < c.last.Number; {
		var packs []pack
		err := c.q.Select(ctx, &packs, `SELECT `+sealColumns+`, ids, leaves FROM seals WHERE number > ? AND number <= ? ORDER BY number LIMIT 20`, number, c.last.Number)
		if err != nil || len(packs) == 0 {
			return err
		}
		for _, p := range packs {
			ids, _ := database.ParseIDs(p.IDs) // damage was reported above
			for _, id := range ids {
				known[id] = true
			}
			number = p.Number
		}
	}
	for after := int64(0); ; {
		var ids []int64
		if err := c.q.Select(ctx, &ids, `SELECT id FROM consents WHERE id > ? ORDER BY id LIMIT 5000`, after); err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			if after = id; !known[id] {
				if now, err := c.sealedSince(ctx, id); err != nil {
					return err
				} else if !now {
					c.fault(0, id, "it came into the table by another way than the ledger's")
				}
			}
		}
	}
}

// sealedSince tells whether a row joined the chain, or its queue, while the check ran.
func (c *checker) sealedSince(ctx context.Context, id int64) (bool, error) {
	pattern := `%"` + fmt.Sprint(id) + `"%`
	var n int64
	err := c.q.Get(ctx, &n, `SELECT (SELECT COUNT(*) FROM unsealed WHERE entries LIKE ?) + (SELECT COUNT(*) FROM seals WHERE number > ? AND ids LIKE ?)`,
		pattern, c.last.Number, pattern)
	return n > 0, err
}
