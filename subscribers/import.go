package subscribers

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/subscribers/consent"
	"facteur/subscribers/importer"
)

// ImportStatus is where an [Import] stands.
type ImportStatus string

// Done and failed are final.
const (
	ImportRunning ImportStatus = "running"
	ImportDone    ImportStatus = "done"
	ImportFailed  ImportStatus = "failed"
)

// Import is one file of people brought to a list. While it runs its counts
// grow page by page; Rows is always Created + Updated + Refused.
type Import struct {
	ID      int64        `db:"id"`
	ListID  int64        `db:"list_id"`
	Status  ImportStatus `db:"status"`
	Error   string       `db:"error"`     // why it failed, for a person
	Rows    int64        `db:"rows_read"` // lines of the file below its header, empty ones apart
	Created int64        `db:"created"`   // people not known before
	Updated int64        `db:"updated"`   // known people, or met before in this file
	Refused int64        `db:"refused"`
	// Problems are the first refused rows, at most 50.
	Problems   []ImportProblem `db:"-"`
	Basis      string          `db:"basis"`
	Source     string          `db:"source"`
	StatedAt   int64           `db:"stated_at"` // when the consent was given; all times are Unix milliseconds
	CreatedAt  int64           `db:"created_at"`
	FinishedAt int64           `db:"finished_at"` // 0: still running
	Confirm    bool            `db:"-"`           // see [ImportTerms]
	DryRun     bool            `db:"-"`
	Columns    []string        `db:"-"` // of a CSV file
}

// ImportProblem is one refused row. It never holds an address.
type ImportProblem struct {
	Line   int    `json:"line"` // of the file, from 1
	Column string `json:"column,omitempty"`
	Reason string `json:"reason"` // a stable code: suppressed, unsubscribed, value_too_long, or those of importer.Reason and address.Reason
	Detail string `json:"detail"` // a sentence for a person
}

const mostProblems = 50

// importRow is an import with what only the [Importer] needs.
type importRow struct {
	Import
	File         string `db:"file"`
	Host         string `db:"host"`
	ProgressText string `db:"progress"`
	ProblemsText string `db:"problems"`

	progress importProgress
}

// ImportTerms are how a file is to be taken.
type ImportTerms struct {
	consent.Statement                   // of everybody in the file; only the source where Confirm asks for it
	Confirm           bool              // the people are pending, and each is asked once for their yes
	DryRun            bool              // nobody is brought; the counts say who would be
	Columns           map[string]string // column of the file → email, name, first_name, last_name, locale, timezone, another name, or - for none
}

func (t ImportTerms) check(now time.Time) error {
	if !t.Confirm {
		return t.Check(now)
	}
	if t.Basis != "" {
		return &Invalid{"confirm", "the people are asked because there is no basis: leave one of both away"}
	}
	if strings.TrimSpace(t.Source) == "" {
		return &Invalid{"source", "is empty: say where these addresses come from"}
	}
	return nil
}

// importProgress is where the next page begins, and the terms that have no
// column of their own.
type importProgress struct {
	State   importer.State    `json:"state"`
	Wording string            `json:"wording,omitempty"`
	Confirm bool              `json:"confirm,omitempty"`
	DryRun  bool              `json:"dry_run,omitempty"`
	Columns map[string]string `json:"columns,omitempty"`
}

const importColumns = `id, list_id, status, error, file, host, progress, basis, source, stated_at,
	rows_read, created, updated, refused, problems, created_at, finished_at`

// Import finds an import by id.
func (s *Store) Import(ctx context.Context, id int64) (Import, error) {
	row, err := s.importRow(ctx, id)
	return row.Import, err
}

// Imports pages through a list's imports, the newest first: those with ids
// below before, or from the newest on when before is 0.
func (s *Store) Imports(ctx context.Context, listID, before int64, limit int) ([]Import, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	var rows []importRow
	err := s.q.Select(ctx, &rows, `SELECT `+importColumns+` FROM imports WHERE list_id = ? AND id < ? ORDER BY id DESC LIMIT ?`, listID, before, limit)
	if err != nil {
		return nil, fmt.Errorf("imports of list %d: %w", listID, err)
	}
	imports := make([]Import, len(rows))
	for i := range rows {
		if err := rows[i].decode(); err != nil {
			return nil, err
		}
		imports[i] = rows[i].Import
	}
	return imports, nil
}

func (s *Store) importRow(ctx context.Context, id int64) (importRow, error) {
	var row importRow
	if err := s.q.Get(ctx, &row, `SELECT `+importColumns+` FROM imports WHERE id = ?`, id); err != nil {
		return importRow{}, fmt.Errorf("import %d: %w", id, err)
	}
	return row, row.decode()
}

func (r *importRow) decode() error {
	if err := json.Unmarshal([]byte(r.ProgressText), &r.progress); err != nil {
		return fmt.Errorf("import %d: progress: %w", r.ID, err)
	}
	r.Confirm, r.DryRun, r.Columns = r.progress.Confirm, r.progress.DryRun, r.progress.State.Columns
	if err := json.Unmarshal([]byte(r.ProblemsText), &r.Problems); err != nil {
		return fmt.Errorf("import %d: problems: %w", r.ID, err)
	}
	return nil
}

func (r *importRow) encode() (progress, problems string, err error) {
	a, err := json.Marshal(r.progress)
	if err != nil {
		return "", "", err
	}
	if r.Problems == nil {
		return string(a), "[]", nil
	}
	b, err := json.Marshal(r.Problems)
	return string(a), string(b), err
}

// statement is the consent that the import was accepted with.
func (r *importRow) statement() consent.Statement {
	return consent.Statement{Basis: consent.Basis(r.Basis), Source: r.Source, At: time.UnixMilli(r.StatedAt).UTC(), Wording: r.progress.Wording}
}

// create adds the import and says in the journal who brought it.
func (r *importRow) create(ctx context.Context, tx *database.Tx) error {
	progress, problems, err := r.encode()
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO imports (`+importColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.ID, r.ListID, string(r.Status), r.Error, r.File, r.Host, progress, r.Basis, r.Source, r.StatedAt,
		r.Rows, r.Created, r.Updated, r.Refused, problems, r.CreatedAt, r.FinishedAt)
	if err != nil {
		return err
	}
	return journal.Write(ctx, tx, "create", "import", r.ID, map[string]any{"list": fmt.Sprint(r.ListID), "basis": r.Basis, "source": r.Source})
}

// save writes what a page changed, provided that the import still runs and
// stands at row before; otherwise somebody else has been here: errOvertaken.
func (r *importRow) save(ctx context.Context, tx *database.Tx, before int64) error {
	progress, problems, err := r.encode()
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE imports SET status = ?, error = ?, progress = ?, rows_read = ?, created = ?, updated = ?, refused = ?, problems = ?, finished_at = ?
		WHERE id = ? AND status = ? AND rows_read = ?`,
		string(r.Status), r.Error, progress, r.Rows, r.Created, r.Updated, r.Refused, problems, r.FinishedAt,
		r.ID, string(ImportRunning), before)
	switch {
	case err != nil:
		return err
	case n == 0:
		return errOvertaken
	case r.Status == ImportRunning:
		return nil
	}
	return journal.Write(ctx, tx, "finish", "import", r.ID, map[string]any{
		"list": fmt.Sprint(r.ListID), "status": r.Status,
		"rows": r.Rows, "created": r.Created, "updated": r.Updated, "refused": r.Refused,
	})
}
