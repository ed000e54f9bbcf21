package campaign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"facteur/campaign/content"
	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/sending"

	"golang.org/x/text/language"
)

// Status is where a campaign stands.
type Status string

// The states of a campaign.
const (
	Draft     Status = "draft"
	Scheduled Status = "scheduled"
	Blocked   Status = "blocked"
	Sending   Status = "sending"
	Paused    Status = "paused"
	Sent      Status = "sent"
	Cancelled Status = "cancelled"
)

// moves are the changes of state that a person may ask for, and those that follow.
var moves = map[Status][]Status{
	Draft:     {Scheduled, Sending, Cancelled},
	Scheduled: {Sending, Blocked, Cancelled},
	Blocked:   {Scheduled, Sending, Cancelled},
	Sending:   {Paused, Sent, Cancelled},
	Paused:    {Sending, Cancelled},
	Sent:      {Sending}, // resend-failed, or a doubt sent again
}

// ErrState is a change that the campaign's state does not allow.
var ErrState = errors.New("not possible in this state")

// maxLists is how many lists a campaign may have: a delivery keeps those it came by as bits.
const maxLists = 60

// Campaign is one mailing.
type Campaign struct {
	ID           int64
	Name         string
	Status       Status
	StatusReason string
	Subject      string // Liquid
	HTML         string
	Markdown     string // instead of HTML, as is the next
	MJML         string
	Language     string // of the content, such as fr; empty: en
	Tracking     bool   // links and openings are seen of those who agreed to that
	Text         string
	SenderID     int64
	ListIDs      []int64
	Segment      string
	OnUncertain  string // resend, hold
	Translations map[string]Content
	Version      int64
	StartsAt     int64 // Unix milliseconds, 0: at once
	LaunchedAt   int64
	AudienceAt   int64 // who had confirmed by then
	Planned      bool  // every delivery has been written
	PlanAfter    int64
	Recipients   int64
	Excluded     map[string]int64
	Run          int64
	CreatedAt    int64
	UpdatedAt    int64
	FinishedAt   int64

	Calendar      Calendar
	Priority      int     // 1 high, 0 normal, -1 low
	CanaryPercent float64 // see [Canary]; 0: none
	CanaryWait    int64   // milliseconds
	CanaryLeast   int64
	canary        canaryState
	canaryUntil   int64
	archivedAt    int64 // since when its deliveries are condensed, Unix milliseconds; 0: they are not
	unwatchedAt   int64 // since when nothing that is seen is noted; 0: it is
	canarySize    int64 // people of its sample
}

type campaignRow struct {
	ID           int64  `db:"id"`
	Name         string `db:"name"`
	Status       Status `db:"status"`
	StatusReason string `db:"status_reason"`
	Subject      string `db:"subject"`
	HTML         string `db:"html"`
	Markdown     string `db:"markdown"`
	MJML         string `db:"mjml"`
	Language     string `db:"language"`
	Tracking     bool   `db:"tracking"`
	Text         string `db:"text"`
	SenderID     int64  `db:"sender_id"`
	ListIDs      string `db:"list_ids"`
	Segment      string `db:"segment"`
	OnUncertain  string `db:"on_uncertain"`
	Translations string `db:"translations"`
	Version      int64  `db:"version"`
	StartsAt     int64  `db:"starts_at"`
	LaunchedAt   int64  `db:"launched_at"`
	AudienceAt   int64  `db:"audience_at"`
	Planned      bool   `db:"planned"`
	PlanAfter    int64  `db:"plan_after"`
	Recipients   int64  `db:"recipients"`
	Excluded     string `db:"excluded"`
	Run          int64  `db:"run"`
	CreatedAt    int64  `db:"created_at"`
	UpdatedAt    int64  `db:"updated_at"`
	FinishedAt   int64  `db:"finished_at"`

	Calendar      string      `db:"calendar"`
	Priority      int         `db:"priority"`
	CanaryPercent float64     `db:"canary_percent"`
	CanaryWait    int64       `db:"canary_wait"`
	CanaryLeast   int64       `db:"canary_least"`
	CanaryState   canaryState `db:"canary_state"`
	CanaryUntil   int64       `db:"canary_until"`
	ArchivedAt    int64       `db:"archived_at"`
	UnwatchedAt   int64       `db:"unwatched_at"`
	CanarySize    int64       `db:"canary_size"`
}

const campaignColumns = `id, name, status, status_reason, subject, html, text, sender_id, list_ids, segment, on_uncertain, version,
	starts_at, launched_at, audience_at, planned, plan_after, recipients, excluded, run, created_at, updated_at, finished_at, translations, markdown, mjml, language, tracking,
	calendar, priority, canary_percent, canary_wait, canary_least, canary_state, canary_until, archived_at, unwatched_at, canary_size`

func (r campaignRow) campaign() (Campaign, error) {
	c := Campaign{
		ID: r.ID, Name: r.Name, Status: r.Status, StatusReason: r.StatusReason, Subject: r.Subject, HTML: r.HTML, Text: r.Text, Markdown: r.Markdown, MJML: r.MJML, Language: r.Language, Tracking: r.Tracking,
		SenderID: r.SenderID, Segment: r.Segment, OnUncertain: r.OnUncertain, Version: r.Version, StartsAt: r.StartsAt, LaunchedAt: r.LaunchedAt,
		AudienceAt: r.AudienceAt, Planned: r.Planned, PlanAfter: r.PlanAfter, Recipients: r.Recipients, Run: r.Run,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, FinishedAt: r.FinishedAt,
		Priority: r.Priority, CanaryPercent: r.CanaryPercent, CanaryWait: r.CanaryWait, CanaryLeast: r.CanaryLeast, canary: r.CanaryState, canaryUntil: r.CanaryUntil,
		archivedAt: r.ArchivedAt, unwatchedAt: r.UnwatchedAt, canarySize: r.CanarySize,
	}
	var err error
	if c.ListIDs, err = database.ParseIDs(r.ListIDs); err != nil {
		return c, fmt.Errorf("campaign %d: list_ids: %w", r.ID, err)
	}
	if err := json.Unmarshal([]byte(r.Translations), &c.Translations); err != nil {
		return c, fmt.Errorf("campaign %d: translations: %w", r.ID, err)
	}
	if err := json.Unmarshal([]byte(r.Excluded), &c.Excluded); err != nil {
		return c, fmt.Errorf("campaign %d: excluded: %w", r.ID, err)
	}
	if err := json.Unmarshal([]byte(r.Calendar), &c.Calendar); err != nil {
		return c, fmt.Errorf("campaign %d: calendar: %w", r.ID, err)
	}
	return c, nil
}

// Invalid is a value that cannot be used, with the field it came in.
type Invalid struct {
	Field  string
	Reason string
}

func (e *Invalid) Error() string { return e.Field + ": " + e.Reason }

// Create adds a draft. The templates must compile, the sender and the lists must be there.
func (s *Store) Create(ctx context.Context, tx *database.Tx, c Campaign) (Campaign, error) {
	if _, err := s.check(ctx, tx, &c); err != nil {
		return Campaign{}, err
	}
	c.ID, c.Status, c.CreatedAt, c.Excluded = s.db.NewID(), Draft, s.db.Now().UnixMilli(), map[string]int64{}
	c.UpdatedAt = c.CreatedAt
	_, err := tx.Exec(ctx, `INSERT INTO campaigns (`+campaignColumns+`) VALUES (?, ?, ?, '', ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, ?, 0, 0, '{}', 0, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, '', 0, 0, 0, 0)`,
		c.ID, c.Name, string(c.Status), c.Subject, c.HTML, c.Text, c.SenderID, database.FormatIDs(c.ListIDs), c.Segment, c.OnUncertain, false, c.CreatedAt, c.UpdatedAt, formatTranslations(c.Translations), c.Markdown, c.MJML, c.Language, c.Tracking, formatCalendar(c.Calendar), c.Priority)
	if err != nil {
		return Campaign{}, fmt.Errorf("create campaign: %w", err)
	}
	return c, journal.Write(ctx, tx, "create", "campaign", c.ID, map[string]any{"name": c.Name})
}

// Update replaces a draft's content.
func (s *Store) Update(ctx context.Context, tx *database.Tx, c Campaign) (Campaign, error) {
	now, err := s.With(tx).Campaign(ctx, c.ID)
	if err != nil {
		return Campaign{}, err
	}
	if err := now.open(); err != nil {
		return Campaign{}, err
	}
	if _, err := s.check(ctx, tx, &c); err != nil {
		return Campaign{}, err
	}
	if err := s.touch(ctx, tx, c.ID); err != nil {
		return Campaign{}, err
	}
	_, err = tx.Exec(ctx, `UPDATE campaigns SET name = ?, subject = ?, html = ?, text = ?, sender_id = ?, list_ids = ?, segment = ?, on_uncertain = ?, translations = ?, calendar = ?, priority = ?, markdown = ?, mjml = ?, language = ?, tracking = ? WHERE id = ?`,
		c.Name, c.Subject, c.HTML, c.Text, c.SenderID, database.FormatIDs(c.ListIDs), c.Segment, c.OnUncertain, formatTranslations(c.Translations), formatCalendar(c.Calendar), c.Priority, c.Markdown, c.MJML, c.Language, c.Tracking, c.ID)
	if err != nil {
		return Campaign{}, fmt.Errorf("update campaign: %w", err)
	}
	if err := journal.Write(ctx, tx, "update", "campaign", c.ID, nil); err != nil {
		return Campaign{}, err
	}
	return s.With(tx).Campaign(ctx, c.ID)
}

// open refuses a campaign whose content is frozen.
func (c Campaign) open() error {
	if c.Status == Draft || c.Status == Blocked {
		return nil
	}
	return fmt.Errorf("campaign %d is %s and its content frozen: copy it into a new one: %w", c.ID, c.Status, ErrState)
}

// touch notes that what a launch will freeze has changed, and keeps others from
// launching or changing it until the transaction ends. What was checked before
// is another campaign. It is the row that orders both: an edit that comes after
// a launch is refused, a launch after an edit looks again.
func (s *Store) touch(ctx context.Context, tx *database.Tx, id int64) error {
	now := s.db.Now().UnixMilli()
	n, err := tx.Exec(ctx, `UPDATE campaigns SET updated_at = CASE WHEN updated_at < ? THEN ? ELSE updated_at + 1 END WHERE id = ? AND status IN ('draft', 'blocked')`, now, now, id)
	if err != nil {
		return fmt.Errorf("campaign %d: %w", id, err)
	}
	if n == 1 {
		return nil
	}
	c, err := s.With(tx).Campaign(ctx, id)
	if err == nil {
		err = c.open()
	}
	return err
}

// check refuses a campaign that could never be sent, and completes it. It
// returns it with all of its content as HTML.
func (s *Store) check(ctx context.Context, tx *database.Tx, c *Campaign) (made Campaign, err error) {
	if c.Name = strings.TrimSpace(c.Name); c.Name == "" {
		return made, &Invalid{"name", "is empty"}
	}
	if strings.TrimSpace(c.Subject) == "" {
		return made, &Invalid{"subject", "is empty"}
	}
	if strings.ContainsAny(c.Subject, "\r\n\x00") {
		return made, &Invalid{"subject", "has a line break"}
	}
	if err := c.Calendar.check(); err != nil {
		return made, err
	}
	if _, err := s.With(tx).checkSegment(ctx, c.Segment); err != nil {
		return made, err
	}
	switch c.OnUncertain {
	case "":
		c.OnUncertain = "resend"
	case "resend", "hold":
	default:
		return made, &Invalid{"on_uncertain", fmt.Sprintf("%q is unknown: want resend or hold", c.OnUncertain)}
	}
	if len(c.ListIDs) == 0 {
		return made, &Invalid{"list_ids", "is empty: name at least one list"}
	}
	if len(c.ListIDs) > maxLists {
		return made, &Invalid{"list_ids", fmt.Sprintf("%d lists: at most %d", len(c.ListIDs), maxLists)}
	}
	seen := map[int64]bool{}
	for _, id := range c.ListIDs {
		if seen[id] {
			return made, &Invalid{"list_ids", fmt.Sprintf("list %d is named twice", id)}
		}
		seen[id] = true
		if _, err := s.people.With(tx).List(ctx, id); err != nil {
			return made, &Invalid{"list_ids", fmt.Sprintf("list %d: %v", id, errors.Unwrap(err))}
		}
	}
	sender, err := s.senders.With(tx).Sender(ctx, c.SenderID)
	if err != nil {
		return made, &Invalid{"sender_id", fmt.Sprintf("sender %d: %v", c.SenderID, errors.Unwrap(err))}
	}
	if c.Language != "" {
		if _, err := language.Parse(c.Language); err != nil {
			return made, &Invalid{"language", "is no language: want one such as fr or pt-BR"}
		}
	}
	if made, err = s.Rendered(*c); err != nil {
		return made, err
	}
	if _, err = content.Compile(content.Source{Subject: made.Subject, HTML: made.HTML, Text: made.Text}, TranslatedFrame(sender, "check", c.Language)); err != nil {
		return made, err
	}
	if c.Tracking {
		watched, _ := Version{HTML: made.HTML, Translations: made.Translations}.WatchedContents()
		for locale, html := range watched {
			if _, err := content.Compile(content.Source{Subject: c.Subject, HTML: html, Text: " -"}, TranslatedFrame(sender, "check", locale)); err != nil && strings.TrimSpace(html) != "" {
				return made, fmt.Errorf("with its links watched: %w", err)
			}
		}
	}
	return made, checkTranslations(made.Translations, sender)
}

// Frame is the sender's part of every message; boundary is a name for the MIME parts' limits.
func Frame(v sending.Sender, boundary string) content.Frame {
	f := content.Frame{From: content.Address{Name: v.FromName, Email: v.FromEmail}, PostalAddress: v.PostalAddress, Boundary: boundary}
	if v.ReplyTo != "" {
		f.ReplyTo = content.Address{Email: v.ReplyTo}
	}
	return f
}

// Campaign finds a campaign by id.
func (s *Store) Campaign(ctx context.Context, id int64) (Campaign, error) {
	var row campaignRow
	if err := s.q.Get(ctx, &row, `SELECT `+campaignColumns+` FROM campaigns WHERE id = ?`, id); err != nil {
		return Campaign{}, fmt.Errorf("campaign %d: %w", id, err)
	}
	return row.campaign()
}

// Campaigns pages through the campaigns, newest first, before the given id (0: from the newest).
func (s *Store) Campaigns(ctx context.Context, before int64, limit int) ([]Campaign, error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	var rows []campaignRow
	err := s.q.Select(ctx, &rows, `SELECT `+campaignColumns+` FROM campaigns WHERE id < ? ORDER BY id DESC LIMIT ?`, before, limit)
	if err != nil {
		return nil, err
	}
	return campaignsOf(rows)
}

// inState lists the campaigns in one of the states, oldest first.
func (s *Store) inState(ctx context.Context, a, b Status) ([]Campaign, error) {
	rows, err := s.rowsIn(ctx, a, b)
	if err != nil {
		return nil, err
	}
	return campaignsOf(rows)
}

func (s *Store) rowsIn(ctx context.Context, a, b Status) (rows []campaignRow, err error) {
	err = s.q.Select(ctx, &rows, `SELECT `+campaignColumns+` FROM campaigns WHERE status IN (?, ?) ORDER BY id`, string(a), string(b))
	return rows, err
}

func campaignsOf(rows []campaignRow) ([]Campaign, error) {
	all := make([]Campaign, len(rows))
	for i, row := range rows {
		var err error
		if all[i], err = row.campaign(); err != nil {
			return nil, err
		}
	}
	return all, nil
}
