package campaign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/sending"
	"facteur/throttle"
)

// Version is the content and audience that a launch froze.
type Version struct {
	CampaignID int64
	Number     int64
	Subject    string
	HTML       string // whatever it was written in
	Text       string
	Sender     sending.Sender
	ListIDs    []int64
	Segment    string
	Calendar   Calendar
	Language   string // of the content; empty: en
	Tracking   bool   // see [Version.WatchedContents]
	// Translations are the content in other languages, by locale.
	Translations map[string]Content
}

// Launch freezes the campaign and starts it, now or at the given time, with a
// canary or, with the zero one, without. Who has confirmed by the launch's
// commit is mailed. A store with a gate wants its clearance, see [Store.Clear].
func (s *Store) Launch(ctx context.Context, tx *database.Tx, id int64, at time.Time, canary Canary, cleared Clearance) (Campaign, error) {
	c, err := s.With(tx).Campaign(ctx, id)
	if err != nil {
		return Campaign{}, err
	}
	now := s.db.Now()
	next := Sending
	if at.After(now) {
		next = Scheduled
	}
	if c.Status != Draft && c.Status != Blocked {
		return Campaign{}, fmt.Errorf("campaign %d is %s; only a draft can be launched: %w", id, c.Status, ErrState)
	}
	made, err := s.check(ctx, tx, &c)
	if err != nil {
		return Campaign{}, err
	}
	sender, err := s.senders.With(tx).Sender(ctx, c.SenderID)
	if err != nil {
		return Campaign{}, err
	}
	frozen, err := json.Marshal(sender)
	if err != nil {
		return Campaign{}, fmt.Errorf("freeze sender: %w", err)
	}
	if err := tx.Gate(ctx, true); err != nil { // before any row
		return Campaign{}, err
	}
	if err := s.unchanged(ctx, tx, c); err != nil {
		return Campaign{}, err
	}
	if err := s.pass(ctx, tx, c, cleared); err != nil {
		return Campaign{}, err
	}
	c.Version++
	_, err = tx.Exec(ctx, `INSERT INTO versions (campaign_id, number, subject, html, text, sender, list_ids, segment, translations, calendar, language, tracking, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.ID, c.Version, c.Subject, made.HTML, c.Text, string(frozen), database.FormatIDs(c.ListIDs), c.Segment, formatTranslations(made.Translations), formatCalendar(c.Calendar), c.Language, c.Tracking, now.UnixMilli())
	if err != nil {
		return Campaign{}, fmt.Errorf("freeze campaign %d: %w", id, err)
	}
	_, err = tx.Exec(ctx, `UPDATE campaigns SET version = ?, starts_at = ?, launched_at = ?, audience_at = ?, canary_percent = ?, canary_wait = ?, canary_least = ?, canary_state = '', canary_size = 0 WHERE id = ?`,
		c.Version, database.Millis(at), now.UnixMilli(), now.UnixMilli(), canary.Percent, canary.Wait.Milliseconds(), canary.Least, id)
	if err != nil {
		return Campaign{}, fmt.Errorf("launch campaign %d: %w", id, err)
	}
	if next == Sending {
		return s.begin(ctx, tx, id, "launch")
	}
	return s.move(ctx, tx, id, next, "launch", "")
}

// unchanged holds a campaign until the transaction ends, and refuses one that
// somebody has changed since it was read: what was checked is not what would be
// frozen.
func (s *Store) unchanged(ctx context.Context, tx *database.Tx, c Campaign) error {
	n, err := tx.Exec(ctx, `UPDATE campaigns SET version = version WHERE id = ? AND status = ? AND version = ? AND updated_at = ?`, c.ID, string(c.Status), c.Version, c.UpdatedAt)
	if err == nil && n == 0 {
		err = fmt.Errorf("campaign %d was changed while it was being launched, launch it again: %w", c.ID, ErrState)
	}
	return err
}

// Pause lets nothing begin from its commit on; what has begun is settled.
func (s *Store) Pause(ctx context.Context, tx *database.Tx, id int64, reason string) (Campaign, error) {
	return s.move(ctx, tx, id, Paused, "pause", reason)
}

// Resume lets a paused campaign go on. One that its breaker has paused needs a
// reason, and what it sent so far is not held against it again.
func (s *Store) Resume(ctx context.Context, tx *database.Tx, id int64, reason string) (Campaign, error) {
	if err := tx.Gate(ctx, true); err != nil { // before any row
		return Campaign{}, err
	}
	c, err := s.With(tx).Campaign(ctx, id)
	if err != nil {
		return Campaign{}, err
	}
	if c.Status != Paused {
		return Campaign{}, fmt.Errorf("campaign %d is %s, not paused: %w", id, c.Status, ErrState)
	}
	brakes, err := s.pace.With(tx).Brakes(ctx)
	if err != nil {
		return Campaign{}, err
	}
	// What a breaker has paused, a person resumes, who says why. Without a
	// word, a mere slowness stays.
	scope := throttle.CampaignScope(id)
	if brakes[scope].State.Holds() || strings.TrimSpace(reason) != "" {
		err = s.pace.Resume(ctx, tx, scope, reason)
	}
	if errors.Is(err, throttle.ErrReason) {
		return Campaign{}, &Invalid{"reason", fmt.Sprintf("is empty, and the campaign was paused by itself (%s): say why it may go on", c.StatusReason)}
	}
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		return Campaign{}, err
	}
	judged := brakes[scope].State.Holds() && (c.canary == canarySample || c.canary == canaryWaiting) // by a breaker, and now by a person
	if c.canary == canaryFailed || judged {
		if err := s.setCanary(ctx, tx, c, canaryPassed, 0); err != nil {
			return Campaign{}, err
		}
	}
	if _, err := tx.Exec(ctx, `UPDATE campaigns SET panics = 0 WHERE id = ?`, id); err != nil {
		return Campaign{}, fmt.Errorf("resume campaign %d: %w", id, err)
	}
	return s.move(ctx, tx, id, Sending, "resume", reason)
}

// Cancel ends a campaign: nothing begins any more, and the scheduler marks
// those not yet mailed as skipped.
func (s *Store) Cancel(ctx context.Context, tx *database.Tx, id int64, reason string) (Campaign, error) {
	return s.move(ctx, tx, id, Cancelled, "cancel", reason)
}

// move changes the state, ordered against the begin of messages.
func (s *Store) move(ctx context.Context, tx *database.Tx, id int64, next Status, verb, reason string) (Campaign, error) {
	if err := tx.Gate(ctx, true); err != nil {
		return Campaign{}, err
	}
	c, err := s.With(tx).Campaign(ctx, id)
	if err != nil {
		return Campaign{}, err
	}
	if !slices.Contains(moves[c.Status], next) {
		return Campaign{}, fmt.Errorf("campaign %d is %s: cannot %s it: %w", id, c.Status, verb, ErrState)
	}
	now := s.db.Now().UnixMilli()
	finished := int64(0)
	if next == Sent || next == Cancelled {
		finished = now
	}
	_, err = tx.Exec(ctx, `UPDATE campaigns SET status = ?, status_reason = ?, updated_at = CASE WHEN updated_at < ? THEN ? ELSE updated_at + 1 END, finished_at = ? WHERE id = ?`,
		string(next), reason, now, now, finished, id)
	if err != nil {
		return Campaign{}, fmt.Errorf("%s campaign %d: %w", verb, id, err)
	}
	if err := journal.Write(ctx, tx, verb, "campaign", id, map[string]any{"from": c.Status, "to": next, "reason": reason}); err != nil {
		return Campaign{}, err
	}
	return s.With(tx).Campaign(ctx, id)
}

// Version reads what a launch froze.
func (s *Store) Version(ctx context.Context, campaignID, number int64) (Version, error) {
	var row struct {
		Subject string `db:"subject"`
		HTML    string `db:"html"`
		Text    string `db:"text"`
		Sender  string `db:"sender"`
		ListIDs string `db:"list_ids"`

		Segment      string `db:"segment"`
		Translations string `db:"translations"`
		Calendar     string `db:"calendar"`
		Language     string `db:"language"`
		Tracking     bool   `db:"tracking"`
	}
	err := s.q.Get(ctx, &row, `SELECT subject, html, text, sender, list_ids, segment, translations, calendar, language, tracking FROM versions WHERE campaign_id = ? AND number = ?`, campaignID, number)
	if err != nil {
		return Version{}, fmt.Errorf("version %d of campaign %d: %w", number, campaignID, err)
	}
	v := Version{CampaignID: campaignID, Number: number, Subject: row.Subject, HTML: row.HTML, Text: row.Text, Segment: row.Segment, Language: row.Language, Tracking: row.Tracking}
	if err := json.Unmarshal([]byte(row.Translations), &v.Translations); err != nil {
		return v, fmt.Errorf("version %d of campaign %d: translations: %w", number, campaignID, err)
	}
	if err := json.Unmarshal([]byte(row.Calendar), &v.Calendar); err != nil {
		return v, fmt.Errorf("version %d of campaign %d: calendar: %w", number, campaignID, err)
	}
	if err := json.Unmarshal([]byte(row.Sender), &v.Sender); err != nil {
		return v, fmt.Errorf("version %d of campaign %d: sender: %w", number, campaignID, err)
	}
	if v.ListIDs, err = database.ParseIDs(row.ListIDs); err != nil {
		return v, fmt.Errorf("version %d of campaign %d: lists: %w", number, campaignID, err)
	}
	return v, nil
}
