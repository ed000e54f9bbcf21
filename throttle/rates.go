package throttle

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"facteur/internal/database"
	"facteur/internal/journal"
)

// Rated is what rates are counted for: a campaign's mails in a lane that were
// sent in an hour.
type Rated struct {
	CampaignID int64
	Lane       int64
	Hour       int64 // see [Hour]
}

// Day is the day of a time in UTC, counted from 1970.
func Day(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }

// Hour is the hour of a time in UTC, counted from 1970.
func Hour(t time.Time) int64 { return t.Unix() / (60 * 60) }

// DayTime is the beginning of a day.
func DayTime(day int64) time.Time { return time.Unix(day*24*60*60, 0).UTC() }

// Outcomes are numbers of mails; each is counted once.
type Outcomes struct {
	Accepted   int64 `db:"accepted"`
	Refused    int64 `db:"refused"`  // for good, in the dialogue
	Returned   int64 `db:"returned"` // for good, by a report on what had been accepted
	Soft       int64 `db:"soft"`
	Deferred   int64 `db:"deferred"` // put off by an answer; counted each time
	Complained int64 `db:"complained"`
}

// Attempted are the mails that a server decided about.
func (o Outcomes) Attempted() int64 { return o.Accepted + o.Refused }

// Hard are the mails to addresses that are gone.
func (o Outcomes) Hard() int64 { return o.Refused + o.Returned }

// RateTally gathers what a transaction adds to the rates.
type RateTally map[Rated]Outcomes

// Add adds to what is counted for r.
func (t RateTally) Add(r Rated, o Outcomes) {
	sum := t[r]
	sum.Accepted += o.Accepted
	sum.Refused += o.Refused
	sum.Returned += o.Returned
	sum.Soft += o.Soft
	sum.Deferred += o.Deferred
	sum.Complained += o.Complained
	t[r] = sum
}

// CountRates writes a tally, in the transaction of what it counts.
func (s *Store) CountRates(ctx context.Context, tx *database.Tx, t RateTally) error {
	keys := slices.SortedFunc(maps.Keys(t), func(a, b Rated) int { // one order for all
		return cmp.Or(cmp.Compare(a.CampaignID, b.CampaignID), cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Hour, b.Hour))
	})
	shard := s.db.Node()
	err := tx.Each(ctx, `INSERT INTO rates (campaign_id, lane, hour, shard, accepted, refused, returned, soft, deferred, complained) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (campaign_id, lane, hour, shard) DO UPDATE SET accepted = rates.accepted + excluded.accepted, refused = rates.refused + excluded.refused,
		returned = rates.returned + excluded.returned, soft = rates.soft + excluded.soft, deferred = rates.deferred + excluded.deferred, complained = rates.complained + excluded.complained`, len(keys),
		func(i int, p *database.Params) {
			k, o := keys[i], t[keys[i]]
			p.Set(k.CampaignID, k.Lane, k.Hour, shard, o.Accepted, o.Refused, o.Returned, o.Soft, o.Deferred, o.Complained)
		}, nil)
	if err != nil {
		return fmt.Errorf("count rates: %w", err)
	}
	return nil
}

// Rate is a sum of outcomes; the fields that it is not told apart by are empty.
type Rate struct {
	CampaignID int64  `db:"campaign_id"`
	Domain     string `db:"domain"`
	Provider   string `db:"provider"`
	Day        int64  `db:"day"`
	Outcomes
	Reporting int64 `db:"reporting"` // of the accepted, those at providers that report complaints
}

// RateFilter says which mails are summed up, by the day they were sent.
type RateFilter struct {
	From, To   int64    // days, both included
	Hours      [2]int64 // instead of days: from the first, up to the second
	CampaignID int64    // 0: all
	Domain     string
	Provider   string
}

// rateColumns are what rates can be told apart by.
var rateColumns = map[string]struct{ text, name string }{
	"campaign": {"r.campaign_id", "campaign_id"}, "domain": {"l.domain", "domain"}, "provider": {"l.provider", "provider"}, "day": {"r.hour / 24", "day"},
}

// Rates sums up, told apart by some of campaign, domain, provider and day.
func (s *Store) Rates(ctx context.Context, f RateFilter, by ...string) ([]Rate, error) {
	columns, shown := make([]string, 0, len(by)), make([]string, 0, len(by))
	for _, name := range by {
		column, ok := rateColumns[name]
		if !ok {
			return nil, fmt.Errorf("rates by %q: want some of campaign, domain, provider, day", name)
		}
		columns = append(columns, column.text)
		shown = append(shown, column.text+" AS "+column.name)
	}
	where, args := []string{"r.hour >= ?", "r.hour < ?"}, []any{f.From * 24, (f.To + 1) * 24}
	if f.Hours[1] > 0 {
		args = []any{f.Hours[0], f.Hours[1]}
	}
	for column, value := range map[string]string{"l.domain": f.Domain, "l.provider": f.Provider} {
		if value != "" {
			where, args = append(where, column+" = ?"), append(args, value)
		}
	}
	if f.CampaignID != 0 {
		where, args = append(where, "r.campaign_id = ?"), append(args, f.CampaignID)
	}
	list, group := "", ""
	if len(columns) > 0 {
		list = strings.Join(shown, ", ") + ", "
		group = " GROUP BY " + strings.Join(columns, ", ") + " ORDER BY " + strings.Join(columns, ", ")
	}
	var rates []Rate
	err := s.q.Select(ctx, &rates, `SELECT `+list+`COALESCE(SUM(accepted), 0) AS accepted, COALESCE(SUM(refused), 0) AS refused, COALESCE(SUM(returned), 0) AS returned,
		COALESCE(SUM(soft), 0) AS soft, COALESCE(SUM(deferred), 0) AS deferred, COALESCE(SUM(complained), 0) AS complained, COALESCE(SUM(CASE WHEN l.provider IN (`+s.silentList()+`) THEN 0 ELSE accepted END), 0) AS reporting
		FROM rates r JOIN lanes l ON l.id = r.lane WHERE `+strings.Join(where, " AND ")+group, args...)
	if err != nil {
		return nil, fmt.Errorf("rates: %w", err)
	}
	return rates, nil
}

// ExternalRate is a complaint rate as somebody else saw it.
type ExternalRate struct {
	Domain    string  `db:"domain"`
	Provider  string  `db:"provider"`
	Day       int64   `db:"day"`
	Source    string  `db:"source"`
	Rate      float64 `db:"rate"` // complaints over mails that reached an inbox; 0.001 is 0.10%
	UpdatedAt int64   `db:"updated_at"`
}

// PutExternalRate keeps a rate; a second one of the same source, domain,
// provider and day replaces the first.
func (s *Store) PutExternalRate(ctx context.Context, tx *database.Tx, r ExternalRate) error {
	_, err := tx.Exec(ctx, `INSERT INTO external_rates (domain, provider, day, source, rate, updated_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (domain, provider, day, source) DO UPDATE SET rate = excluded.rate, updated_at = excluded.updated_at`,
		r.Domain, r.Provider, r.Day, r.Source, r.Rate, s.db.Now().UnixMilli())
	if err != nil {
		return fmt.Errorf("external rate: %w", err)
	}
	return journal.Write(ctx, tx, "put", "external_rate", 0, map[string]any{"domain": r.Domain, "provider": r.Provider, "day": DayTime(r.Day).Format(time.DateOnly), "source": r.Source, "rate": r.Rate})
}

// ExternalRates are those of some days, newest first.
func (s *Store) ExternalRates(ctx context.Context, from, to int64) ([]ExternalRate, error) {
	var all []ExternalRate
	err := s.q.Select(ctx, &all, `SELECT domain, provider, day, source, rate, updated_at FROM external_rates WHERE day >= ? AND day <= ? ORDER BY day DESC, domain, provider, source`, from, to)
	return all, err
}

// ForgetRates removes rates and sending days of before a time (Unix
// milliseconds), at most limit of each, and returns how many. A lane's last
// sending day stays: the step of the next follows from it.
func (s *Store) ForgetRates(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error) {
	at := database.Time(before)
	var removed int64
	for _, r := range []struct {
		query string
		until int64
	}{
		{`DELETE FROM rates WHERE (campaign_id, lane, hour, shard) IN (SELECT campaign_id, lane, hour, shard FROM rates WHERE hour < ? ORDER BY hour LIMIT ?)`, Hour(at)},
		{`DELETE FROM external_rates WHERE (domain, provider, day, source) IN (SELECT domain, provider, day, source FROM external_rates WHERE day < ? LIMIT ?)`, Day(at)},
		{`DELETE FROM warmup_days WHERE (lane, date) IN (SELECT d.lane, d.date FROM warmup_days d WHERE d.date < ?
			AND EXISTS (SELECT 1 FROM warmup_days l WHERE l.lane = d.lane AND l.date > d.date AND l.used > 0) LIMIT ?)`, Day(at)},
	} {
		n, err := tx.Exec(ctx, r.query, r.until, limit)
		if err != nil {
			return 0, fmt.Errorf("forget rates: %w", err)
		}
		removed += n
	}
	return removed, nil
}
