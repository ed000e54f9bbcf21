package campaign

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"facteur/internal/database"
	"facteur/internal/journal"
)

// Severity is what a finding means for a launch.
type Severity string

// The severities, the gravest first.
const (
	Error   Severity = "error"   // it cannot be launched like this
	Warning Severity = "warning" // somebody must have taken note of it
	Info    Severity = "info"
)

func (s Severity) rank() int { return slices.Index([]Severity{Error, Warning, Info}, s) }

// Finding is something about a campaign that a person should know before it goes out.
type Finding struct {
	Code     string   `json:"code"` // stable; docs/preflight.md has a section for each
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	Where    string   `json:"where,omitempty"`
	Fix      string   `json:"fix"`
}

// Report is what a check of a campaign found, the gravest first.
type Report struct {
	At       int64     `json:"at"` // Unix milliseconds
	Findings []Finding `json:"findings"`
	Spam     *Spam     `json:"spam,omitempty"` // nil: nobody was asked
}

// Spam is what SpamAssassin says of a message.
type Spam struct {
	Score     float64  `json:"score"`
	Threshold float64  `json:"threshold"` // from there on it calls it spam
	Rules     []string `json:"rules"`
}

// Add adds a finding; of several with one code the gravest stays.
func (r *Report) Add(f Finding) {
	i := slices.IndexFunc(r.Findings, func(g Finding) bool { return g.Code == f.Code })
	switch {
	case i < 0:
		r.Findings = append(r.Findings, f)
	case f.Severity.rank() < r.Findings[i].Severity.rank():
		r.Findings[i] = f
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity.rank(), b.Severity.rank()), cmp.Compare(a.Code, b.Code))
	})
}

// Verdict is ok, warnings or blocked.
func (r Report) Verdict() string {
	verdict := "ok"
	for _, f := range r.Findings {
		switch f.Severity {
		case Error:
			return "blocked"
		case Warning:
			verdict = "warnings"
		case Info:
		}
	}
	return verdict
}

// Unmet are the findings that keep a campaign from going: errors, and warnings
// of which nobody has taken note.
func (r Report) Unmet(acknowledged []string) (unmet []Finding) {
	for _, f := range r.Findings {
		if f.Severity == Error || f.Severity == Warning && !slices.Contains(acknowledged, f.Code) {
			unmet = append(unmet, f)
		}
	}
	return unmet
}

// Gate decides whether a campaign may go.
type Gate interface {
	// Inspect looks at a campaign as it stands; it may take seconds. The error
	// says that nothing could be learned.
	Inspect(ctx context.Context, c Campaign) (Report, error)
}

// Guard lets nothing be launched that the gate finds errors in; before anything
// runs. A store without one launches everything.
func (s *Store) Guard(g Gate) { s.gate = g }

// Refused is a launch that the gate does not let through.
type Refused struct{ Unmet []Finding }

// Error names the findings by their codes.
func (e *Refused) Error() string {
	var errs, warnings []string
	for _, f := range e.Unmet {
		if f.Severity == Error {
			errs = append(errs, f.Code)
		} else {
			warnings = append(warnings, f.Code)
		}
	}
	var says []string
	if len(errs) > 0 {
		says = append(says, "errors to mend: "+strings.Join(errs, ", "))
	}
	if len(warnings) > 0 {
		says = append(says, "warnings to mend or to acknowledge: "+strings.Join(warnings, ", "))
	}
	return strings.Join(says, "; ")
}

// Clearance is a launch's permission by the gate. It holds while the campaign
// is not changed.
type Clearance struct {
	campaignID, updatedAt int64
	report                Report
	acknowledged          []string
}

// Inspect lets the gate look at a campaign. Without a gate nothing is found.
func (s *Store) Inspect(ctx context.Context, id int64) (Report, error) {
	c, err := s.Campaign(ctx, id)
	if err != nil || s.gate == nil {
		return Report{At: s.db.Now().UnixMilli()}, err
	}
	return s.gate.Inspect(ctx, c)
}

// Clear asks the gate whether a campaign may be launched, outside of any
// transaction; [*Refused] if it may not.
func (s *Store) Clear(ctx context.Context, id int64, acknowledged []string) (Clearance, error) {
	c, err := s.Campaign(ctx, id)
	if err != nil || s.gate == nil || c.Status != Draft && c.Status != Blocked { // the launch says what is wrong
		return Clearance{}, err
	}
	report, err := s.gate.Inspect(ctx, c)
	if err != nil {
		return Clearance{}, fmt.Errorf("check campaign %d: %w", id, err)
	}
	if unmet := report.Unmet(acknowledged); len(unmet) > 0 {
		return Clearance{}, &Refused{unmet}
	}
	return Clearance{c.ID, c.UpdatedAt, report, acknowledged}, nil
}

// pass holds a clearance against the campaign as it is now, and keeps it.
func (s *Store) pass(ctx context.Context, tx *database.Tx, c Campaign, p Clearance) error {
	if s.gate == nil {
		return nil
	}
	if p.campaignID != c.ID || p.updatedAt != c.UpdatedAt {
		return fmt.Errorf("campaign %d was changed while it was checked, launch it again: %w", c.ID, ErrState)
	}
	return s.keepReport(ctx, tx, c.ID, p.report, p.acknowledged)
}

func (s *Store) keepReport(ctx context.Context, tx *database.Tx, id int64, r Report, acknowledged []string) error {
	report, err := json.Marshal(r)
	if err != nil {
		return err
	}
	codes, err := json.Marshal(append([]string{}, acknowledged...))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO preflights (campaign_id, at, report, acknowledged) VALUES (?, ?, ?, ?)
		ON CONFLICT (campaign_id) DO UPDATE SET at = excluded.at, report = excluded.report, acknowledged = excluded.acknowledged`, id, r.At, string(report), string(codes))
	if err != nil {
		return fmt.Errorf("keep the check of campaign %d: %w", id, err)
	}
	return journal.Write(ctx, tx, "preflight", "campaign", id, map[string]any{"verdict": r.Verdict(), "acknowledged": acknowledged})
}

// Kept is what the gate found when the campaign was launched or held back, and
// the codes that were taken note of. [database.ErrNotFound] before.
func (s *Store) Kept(ctx context.Context, id int64) (r Report, acknowledged []string, err error) {
	var row struct {
		Report       string `db:"report"`
		Acknowledged string `db:"acknowledged"`
	}
	if err := s.q.Get(ctx, &row, `SELECT report, acknowledged FROM preflights WHERE campaign_id = ?`, id); err != nil {
		return Report{}, nil, fmt.Errorf("check of campaign %d: %w", id, err)
	}
	return r, acknowledged, errors.Join(json.Unmarshal([]byte(row.Report), &r), json.Unmarshal([]byte(row.Acknowledged), &acknowledged))
}

// Started is told of a campaign that begins, in the transaction of its start.
type Started func(ctx context.Context, tx *database.Tx, c Campaign) error

// AlsoStart lets somebody be told of campaigns that begin; before anything runs.
func (s *Store) AlsoStart(f Started) { s.started = append(s.started, f) }

// begin lets a campaign go for the first time.
func (s *Store) begin(ctx context.Context, tx *database.Tx, id int64, verb string) (Campaign, error) {
	c, err := s.move(ctx, tx, id, Sending, verb, "")
	if err != nil {
		return Campaign{}, err
	}
	for _, f := range s.started {
		if err := f(ctx, tx, c); err != nil {
			return Campaign{}, fmt.Errorf("start campaign %d: %w", id, err)
		}
	}
	return c, nil
}
