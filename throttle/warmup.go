package throttle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"facteur/internal/database"
	"facteur/internal/journal"
)

// WarmupDay is a sending day of a lane that warms up.
type WarmupDay struct {
	Lane    int64   `db:"lane"`
	Date    int64   `db:"date"` // days since 1970 in the domain's zone
	Number  int     `db:"step"` // from 0
	Cap     int64   `db:"cap"`
	Used    int64   `db:"used"`        // begun, letters included
	Letters int64   `db:"letters"`     // of the used; invitations are not among them
	Invited int64   `db:"invitations"` // of the used
	Verdict Verdict `db:"verdict"`
	Reason  string  `db:"reason"`
	From    int64   `db:"from_at"`  // the day begins, Unix milliseconds
	Until   int64   `db:"until_at"` // and ends

	// The sending day that the step follows from, and its step; 0: none.
	LastDate int64 `db:"last_date"`
	LastStep int   `db:"last_step"`
}

// follows tells whether the step follows from this sending day.
func (d WarmupDay) follows(date int64, step int) bool {
	return d.LastDate == date && d.LastStep == step
}

// Quota is what of the day's cap is taken.
func (d WarmupDay) Quota(reserved int64) Quota {
	return Quota{Cap: d.Cap, Used: d.Used, Letters: d.Letters, Invitations: d.Invited, Reserved: reserved}
}

// Date is the day of a moment in a zone, counted from 1970, with its
// beginning and end: 23 to 25 hours where clocks are put forward and back.
func Date(t time.Time, zone *time.Location) (date int64, from, until time.Time) {
	y, m, d := t.In(zone).Date()
	from, until = time.Date(y, m, d, 0, 0, 0, 0, zone), time.Date(y, m, d+1, 0, 0, 0, 0, zone)
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60), from, until
}

const warmupColumns = `lane, date, step, cap, used, letters, invitations, verdict, reason, from_at, until_at, last_date, last_step`

// Today is the lane's day on a date; [database.ErrNotFound] when nothing has
// opened it yet.
func (s *Store) Today(ctx context.Context, lane, date int64) (WarmupDay, error) {
	var d WarmupDay
	err := s.q.Get(ctx, &d, `SELECT `+warmupColumns+` FROM warmup_days WHERE lane = ? AND date = ?`, lane, date)
	return d, err
}

// Todays are the open days that hold a moment (Unix milliseconds), by lane.
func (s *Store) Todays(ctx context.Context, at int64) (map[int64]WarmupDay, error) {
	var rows []WarmupDay
	// A date is at most a day away from that in UTC: by it the few rows are found.
	date := at / (24 * 60 * 60 * 1000)
	err := s.q.Select(ctx, &rows, `SELECT `+warmupColumns+` FROM warmup_days WHERE date >= ? AND date <= ? AND from_at <= ? AND until_at > ?`, date-1, date+1, at, at)
	if err != nil {
		return nil, fmt.Errorf("days of warm-up: %w", err)
	}
	days := make(map[int64]WarmupDay, len(rows))
	for _, d := range rows {
		days[d.Lane] = d
	}
	return days, nil
}

// OpenDay gives the lane its step for the day that holds now, once: who asks
// later gets the same. The step follows from the last day on which it sent. A
// day that was opened too early, by a clock that had been put forward, gets
// its step anew when it comes.
func (s *Store) OpenDay(ctx context.Context, tx *database.Tx, lane int64, r Ramp, zone *time.Location) (WarmupDay, error) {
	joined := s.With(tx)
	d, err := joined.Day(ctx, lane, r, zone)
	if err != nil {
		return d, err
	}
	open, err := joined.Today(ctx, lane, d.Date)
	if err == nil && open.follows(d.LastDate, d.LastStep) {
		return d, nil
	}
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		return d, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO warmup_days (lane, date, step, cap, used, letters, verdict, reason, from_at, until_at, last_date, last_step, opened_at) VALUES (?, ?, ?, ?, 0, 0, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (lane, date) DO UPDATE SET step = excluded.step, cap = CASE WHEN excluded.cap > warmup_days.used THEN excluded.cap ELSE warmup_days.used END,
			verdict = excluded.verdict, reason = excluded.reason, last_date = excluded.last_date, last_step = excluded.last_step WHERE warmup_days.last_date = ? AND warmup_days.last_step = ?`,
		lane, d.Date, d.Number, d.Cap, string(d.Verdict), d.Reason, d.From, d.Until, d.LastDate, d.LastStep, s.db.Now().UnixMilli(), open.LastDate, open.LastStep)
	if err != nil {
		return d, fmt.Errorf("open a day of lane %d: %w", lane, err)
	}
	l, err := joined.Lane(ctx, lane)
	if err != nil {
		return d, err
	}
	err = journal.Write(ctx, tx, "warmup-"+string(d.Verdict), "lane", lane, map[string]any{
		"domain": l.Domain, "provider": l.Provider, "date": DayTime(d.Date).Format(time.DateOnly), "step": d.Number + 1, "cap": d.Cap, "reason": d.Reason,
	})
	if err != nil {
		return d, err
	}
	return joined.Today(ctx, lane, d.Date)
}

// Day is the lane's day that holds now, as it is or as it would be if its
// first mail came now. Lane 0 has never sent.
func (s *Store) Day(ctx context.Context, lane int64, r Ramp, zone *time.Location) (WarmupDay, error) {
	now := s.db.Now()
	date, from, until := Date(now, zone)
	if running, err := s.running(ctx, lane, now.UnixMilli()); err == nil && running.Date != date || err != nil && !errors.Is(err, database.ErrNotFound) {
		return running, err // the domain's zone was changed: a day that was begun ends first
	}
	last, err := s.lastSendingDay(ctx, lane, date)
	if err != nil {
		return WarmupDay{}, err
	}
	lastDate, lastStep := int64(0), 0
	if last != nil {
		lastDate, lastStep = last.Date, last.Step
	}
	open, err := s.Today(ctx, lane, date)
	if err == nil && open.follows(lastDate, lastStep) {
		if open.Until <= now.UnixMilli() { // that date is over by the zone that it had: nothing more before the next
			open.Cap = min(open.Cap, open.Used)
		}
		return open, nil
	}
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		return open, err
	}
	step := r.Next(last, date)
	return WarmupDay{
		Lane: lane, Date: date, Number: step.Number, Cap: step.Cap, Used: open.Used, Letters: open.Letters, Invited: open.Invited, Verdict: step.Verdict, Reason: step.Reason,
		From: from.UnixMilli(), Until: until.UnixMilli(), LastDate: lastDate, LastStep: lastStep,
	}, nil
}

// running is the lane's day that holds a moment (Unix milliseconds), and on which it has sent.
func (s *Store) running(ctx context.Context, lane, at int64) (d WarmupDay, err error) {
	err = s.q.Get(ctx, &d, `SELECT `+warmupColumns+` FROM warmup_days WHERE lane = ? AND from_at <= ? AND until_at > ? AND used > 0 ORDER BY date LIMIT 1`, lane, at, at)
	return d, err
}

// Recap lets today's caps of a domain follow a ramp that was changed. What is
// used already stays used.
func (s *Store) Recap(ctx context.Context, tx *database.Tx, domain string, r Ramp) error {
	joined := s.With(tx)
	lanes, err := joined.LanesOf(ctx, domain)
	if err != nil {
		return err
	}
	days, err := joined.Todays(ctx, s.db.Now().UnixMilli())
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(lanes)) {
		d, ok := days[id]
		if !ok {
			continue
		}
		if _, err := tx.Exec(ctx, `UPDATE warmup_days SET cap = ? WHERE lane = ? AND date = ?`, r.Cap(d.Number), id, d.Date); err != nil {
			return fmt.Errorf("cap of lane %d: %w", id, err)
		}
	}
	return nil
}

// lastSendingDay is the latest day before a date on which a lane sent, with
// the answers to its mails; nil when there was none.
func (s *Store) lastSendingDay(ctx context.Context, lane, before int64) (*SendingDay, error) {
	var d WarmupDay
	err := s.q.Get(ctx, &d, `SELECT `+warmupColumns+` FROM warmup_days WHERE lane = ? AND date < ? AND used > 0 ORDER BY date DESC LIMIT 1`, lane, before)
	if errors.Is(err, database.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("last sending day of lane %d: %w", lane, err)
	}
	answers, err := s.answers(ctx, lane, d.From, d.Until)
	return &SendingDay{Date: d.Date, Step: d.Number, Answers: answers}, err
}

// Claim locks the day of a reservation for the rest of the transaction and
// says what of its cap is taken. When the day is over, or has not begun again
// after a clock went back, all of it is.
func (s *Store) Claim(ctx context.Context, tx *database.Tx, lane, date int64) (Quota, error) {
	var d WarmupDay
	err := tx.Get(ctx, &d, `UPDATE warmup_days SET used = used WHERE lane = ? AND date = ? RETURNING `+warmupColumns, lane, date)
	if err != nil {
		return Quota{}, fmt.Errorf("claim of lane %d: %w", lane, err)
	}
	q := d.Quota(0)
	if now := s.db.Now().UnixMilli(); now < d.From || now >= d.Until {
		q.Cap = 0
	}
	return q, nil
}

// Use counts n begun mails on a day that was claimed, letters and invitations
// of them.
func (s *Store) Use(ctx context.Context, tx *database.Tx, lane, date, n, letters, invitations int64) error {
	_, err := tx.Exec(ctx, `UPDATE warmup_days SET used = used + ?, letters = letters + ?, invitations = invitations + ? WHERE lane = ? AND date = ?`, n, letters, invitations, lane, date)
	if err != nil {
		return fmt.Errorf("use the cap of lane %d: %w", lane, err)
	}
	return nil
}

// History is a lane's sending days, the newest last.
func (s *Store) History(ctx context.Context, lane int64, since int64) ([]WarmupDay, error) {
	var days []WarmupDay
	err := s.q.Select(ctx, &days, `SELECT `+warmupColumns+` FROM warmup_days WHERE lane = ? AND date >= ? ORDER BY date`, lane, since)
	return days, err
}

// LanesOf lists the lanes of a sending domain that have been used, by id.
func (s *Store) LanesOf(ctx context.Context, domain string) (map[int64]Lane, error) {
	var rows []struct {
		ID int64 `db:"id"`
		Lane
	}
	if err := s.q.Select(ctx, &rows, `SELECT id, domain, provider FROM lanes WHERE domain = ?`, domain); err != nil {
		return nil, err
	}
	lanes := make(map[int64]Lane, len(rows))
	for _, r := range rows {
		lanes[r.ID] = r.Lane
	}
	return lanes, nil
}

// answers are what came of a lane's mails of a span of time, whole hours around
// it: in a zone of half hours its ends do not matter to a share.
func (s *Store) answers(ctx context.Context, lane, from, until int64) (Answers, error) {
	l, err := s.Lane(ctx, lane)
	if err != nil {
		return Answers{}, err
	}
	rates, err := s.Rates(ctx, RateFilter{Hours: [2]int64{Hour(time.UnixMilli(from)), Hour(time.UnixMilli(until-1)) + 1}, Domain: l.Domain, Provider: l.Provider})
	if err != nil {
		return Answers{}, err
	}
	r := rates[0]
	return Answers{Attempts: r.Attempted() + r.Deferred, Hard: r.Hard(), Deferred: r.Deferred, Reporting: r.Reporting, Complained: r.Complained}, nil
}
