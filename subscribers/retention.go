package subscribers

import (
	"context"
	"fmt"
	"slices"

	"facteur/internal/database"
	"facteur/internal/journal"
)

// Retention is for how many days things are kept; 0: for good. The first two
// are bounds for proposals of a [HygieneReport], the others run by themselves
// once a day.
type Retention struct {
	SunsetDays       int64 `json:"sunset_days"`       // no sign of life: proposed for re-confirmation
	SilentDays       int64 `json:"silent_days"`       // no sign of life: proposed for deletion
	UnsubscribedDays int64 `json:"unsubscribed_days"` // on no list any more: erased
	EvidenceDays     int64 `json:"evidence_days"`     // network addresses and the like beside the ledger
	LeavingNoteDays  int64 `json:"leaving_note_days"` // what people wrote when they left
	RefusedRowDays   int64 `json:"refused_row_days"`  // rows of imports
	LetterDays       int64 `json:"letter_days"`       // one-off mails
	UnmatchedDays    int64 `json:"unmatched_days"`    // reports about no mail that is provably ours

	LetterBodyDays  int64 `json:"letter_body_days" required:"false" default:"7" doc:"What one-off mails said."`
	LeavingDays     int64 `json:"leaving_days" required:"false" default:"1095" doc:"Who left by which mail; that they left stays."`
	DeliveryDays    int64 `json:"delivery_days" required:"false" default:"730" doc:"Single deliveries and their attempts, after the campaign's end; what became of each person, and by which lists they came, stays. At least 366."`
	InteractionDays int64 `json:"interaction_days" required:"false" default:"395" doc:"Who followed which link, after the campaign's end; the sums stay."`
	EventDays       int64 `json:"event_days" required:"false" default:"730" doc:"Bounces and complaints; their suppressions and rates stay. At least 90."`
	RateDays        int64 `json:"rate_days" required:"false" default:"1095" doc:"Rates by the hour, sending days of a warm-up. At least 35."`
	JournalDays     int64 `json:"journal_days" required:"false" default:"1095" doc:"Who changed what."`
	ReportDays      int64 `json:"report_days" required:"false" default:"365" doc:"Hygiene reports, what preflights found, what daily duties did."`
	WebhookCallDays int64 `json:"webhook_call_days" required:"false" default:"90" doc:"What a webhook could not be told."`
}

// DefaultRetention is what holds until somebody sets something else. Three
// years of silence is what the CNIL allows for prospects, 13 months for what is
// seen of who agreed to be watched. docs/operating.md has a reason for each.
func DefaultRetention() Retention {
	return Retention{
		SunsetDays: 365, SilentDays: 1095, UnsubscribedDays: 1095, EvidenceDays: 1825, LeavingNoteDays: 730, RefusedRowDays: 30, LetterDays: 90, UnmatchedDays: 30,
		LetterBodyDays: 7, LeavingDays: 1095, DeliveryDays: 730, InteractionDays: 395, EventDays: 730, RateDays: 1095, JournalDays: 1095, ReportDays: 365, WebhookCallDays: 90,
	}
}

// fields names the settings as the table does.
func (r *Retention) fields() map[string]*int64 {
	return map[string]*int64{
		"sunset": &r.SunsetDays, "silent": &r.SilentDays, "unsubscribed": &r.UnsubscribedDays, "evidence": &r.EvidenceDays,
		"leaving_note": &r.LeavingNoteDays, "refused_row": &r.RefusedRowDays, "letter": &r.LetterDays, "unmatched": &r.UnmatchedDays,
		"letter_body": &r.LetterBodyDays, "leaving": &r.LeavingDays, "delivery": &r.DeliveryDays, "interaction": &r.InteractionDays, "event": &r.EventDays,
		"rate": &r.RateDays, "journal": &r.JournalDays, "report": &r.ReportDays, "webhook_call": &r.WebhookCallDays,
	}
}

// bounds are how long something must be kept at least, as it is still asked.
var bounds = [...]struct {
	name  string
	least int64
	why   string
}{
	{"delivery", 366, "a person's wish and the cap on campaigns look back up to 366 days"},
	{"event", 90, "three soft bounces count for 90 days"},
	{"rate", 35, "a warm-up looks back over 30 idle days, and breakers over seven"},
}

// Retention reads the settings.
func (s *Store) Retention(ctx context.Context) (Retention, error) {
	r := DefaultRetention()
	var rows []struct {
		What string `db:"what"`
		Days int64  `db:"days"`
	}
	err := s.q.Select(ctx, &rows, `SELECT what, days FROM retention`)
	for _, row := range rows {
		if to := r.fields()[row.What]; to != nil {
			*to = row.Days
		}
	}
	return r, err
}

// SetRetention replaces the settings.
func (s *Store) SetRetention(ctx context.Context, tx *database.Tx, r Retention) error {
	fields := r.fields()
	names := make([]string, 0, len(fields))
	for name, days := range fields {
		if *days < 0 || *days > 36_500 {
			return &Invalid{name + "_days", "want 0 to 36500 days"}
		}
		names = append(names, name)
	}
	for _, b := range bounds {
		if days := *fields[b.name]; days > 0 && days < b.least {
			return &Invalid{b.name + "_days", fmt.Sprintf("is %d: want at least %d, or 0 for good: %s", days, b.least, b.why)}
		}
	}
	slices.Sort(names)
	err := tx.Each(ctx, `INSERT INTO retention (what, days, updated_at) VALUES (?, ?, ?) ON CONFLICT (what) DO UPDATE SET days = excluded.days, updated_at = excluded.updated_at`,
		len(names), func(i int, p *database.Params) { p.Set(names[i], *fields[names[i]], s.db.Now().UnixMilli()) }, nil)
	if err != nil {
		return err
	}
	return journal.Write(ctx, tx, "set", "retention", 0, r)
}
