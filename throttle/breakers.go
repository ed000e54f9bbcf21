package throttle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"facteur/internal/database"
	"facteur/internal/journal"
)

// Breaker is one that is not, or was not, in its ordinary state.
type Breaker struct {
	Scope   string       `db:"scope"`
	Kind    BreakerKind  `db:"kind"`
	State   BreakerState `db:"state"`
	Reason  string       `db:"reason"`
	Since   int64        `db:"since"` // Unix milliseconds, as is the next
	Resumed int64        `db:"resumed_at"`
	By      string       `db:"resumed_by"`
	Because string       `db:"resumed_reason"`
	BaseBad int64        `db:"base_bad"`
	BaseAll int64        `db:"base_all"`
}

const breakerColumns = `scope, kind, state, reason, since, resumed_at, resumed_by, resumed_reason, base_bad, base_all`

// CampaignID is the campaign that the breaker's scope names; 0: none.
func (b Breaker) CampaignID() int64 {
	text, _ := strings.CutPrefix(b.Scope, campaignScope+":")
	id, _ := strconv.ParseInt(text, 10, 64)
	return id
}

// Domain is the sending domain of the breaker's scope; "" for a campaign's.
func (b Breaker) Domain() string {
	if domain, ok := strings.CutPrefix(b.Scope, domainScope+":"); ok {
		return domain
	}
	lane, _ := strings.CutPrefix(b.Scope, laneScope+":")
	domain, _, ok := strings.Cut(lane, "/")
	if !ok {
		return ""
	}
	return domain
}

// Breakers lists all, the gravest first.
func (s *Store) Breakers(ctx context.Context) ([]Breaker, error) {
	var all []Breaker
	err := s.q.Select(ctx, &all, `SELECT `+breakerColumns+` FROM breakers ORDER BY scope, kind`)
	slices.SortStableFunc(all, func(a, b Breaker) int { return b.State.gravity() - a.State.gravity() })
	return all, err
}

// Brakes are the breakers that slow or hold mail.
type Brakes map[string]Breaker // by scope, the gravest

// Brakes reads them: a few rows at most.
func (s *Store) Brakes(ctx context.Context) (Brakes, error) {
	var rows []Breaker
	err := s.q.Select(ctx, &rows, `SELECT `+breakerColumns+` FROM breakers WHERE state IN ('slow', 'pause', 'stop')`)
	if err != nil {
		return nil, fmt.Errorf("read the breakers: %w", err)
	}
	b := Brakes{}
	for _, r := range rows {
		if r.State.gravity() > b[r.Scope].State.gravity() {
			b[r.Scope] = r
		}
	}
	return b, nil
}

// Held says why nothing may begin in a lane; "" if it may. A campaign that its
// breaker paused is held by its own state.
func (b Brakes) Held(l Lane) string {
	if len(b) == 0 {
		return ""
	}
	for _, scope := range []string{DomainScope(l.Domain), l.Scope()} {
		if r := b[scope]; r.State.Holds() {
			return scope + ": " + r.Reason
		}
	}
	return ""
}

// Slow tells whether a lane, and whether a campaign, goes at a tenth of its pace.
func (b Brakes) Slow(campaignID int64, l Lane) (lane, campaign bool) {
	return b[DomainScope(l.Domain)].State == Slowed || b[l.Scope()].State == Slowed, b[CampaignScope(campaignID)].State == Slowed
}

// Windows of a domain's and a lane's rates. A campaign's has none.
const (
	dayWindow  = 24 // hours
	weekWindow = 7 * 24
)

// sums are what breakers judge by.
type sums struct{ bad, all map[BreakerKind]int64 }

func (u *sums) add(r Rate) {
	if u.bad == nil {
		u.bad, u.all = map[BreakerKind]int64{}, map[BreakerKind]int64{}
	}
	if r.Reporting > 0 {
		u.bad[Complaints] += r.Complained
		u.all[Complaints] += r.Reporting
	}
	u.bad[Bounces] += r.Hard()
	u.all[Bounces] += r.Attempted()
}

// Watch judges what was sent lately, and the given campaigns as a whole. It
// writes what has changed and returns it; without a transaction it only tells
// what would change. Warnings and slowness end by themselves; what only a
// person ends may become graver.
func (s *Store) Watch(ctx context.Context, tx *database.Tx, campaigns []int64) ([]Breaker, error) {
	joined := s
	if tx != nil {
		joined = s.With(tx)
	}
	known, err := joined.Breakers(ctx)
	if err != nil {
		return nil, err
	}
	were := map[[2]string]Breaker{}
	for _, b := range known {
		were[[2]string{b.Scope, string(b.Kind)}] = b
	}
	now := Hour(s.db.Now())
	byScope := map[string]map[int64]*sums{} // scope → window → sums
	see := func(scope string, window int64, r Rate) {
		if byScope[scope] == nil {
			byScope[scope] = map[int64]*sums{}
		}
		if byScope[scope][window] == nil {
			byScope[scope][window] = &sums{}
		}
		byScope[scope][window].add(r)
	}
	recent, err := joined.hourly(ctx, now-weekWindow+1, nil) // this hour is the last of the window
	if err != nil {
		return nil, err
	}
	after := func(scope string, kind BreakerKind, hour int64) bool {
		return were[[2]string{scope, string(kind)}].Resumed == 0 || hour >= Hour(database.Time(were[[2]string{scope, string(kind)}].Resumed))
	}
	for _, r := range recent {
		lane := Lane{r.Domain, r.Provider}
		for _, scope := range []string{lane.Scope(), DomainScope(r.Domain)} {
			part := part(r.Rate, func(k BreakerKind) bool { return after(scope, k, r.Hour) })
			see(scope, weekWindow, part)
			if r.Hour > now-dayWindow {
				see(scope, dayWindow, part)
			}
		}
	}
	whole, err := joined.hourly(ctx, 0, campaigns)
	if err != nil {
		return nil, err
	}
	for _, r := range whole {
		scope := CampaignScope(r.CampaignID)
		see(scope, 0, part(r.Rate, func(k BreakerKind) bool { return after(scope, k, r.Hour) }))
	}
	return s.turn(ctx, tx, byScope, were)
}

// part leaves out of a rate the kinds that are not counted.
func part(r Rate, counts func(BreakerKind) bool) Rate {
	if !counts(Complaints) {
		r.Reporting, r.Complained = 0, 0
	}
	if !counts(Bounces) {
		r.Accepted, r.Refused, r.Returned = 0, 0, 0
	}
	return r
}

// turn sets the states that the sums call for.
func (s *Store) turn(ctx context.Context, tx *database.Tx, byScope map[string]map[int64]*sums, were map[[2]string]Breaker) (changed []Breaker, err error) {
	set := func(b Breaker) (turned bool, err error) {
		was := were[[2]string{b.Scope, string(b.Kind)}]
		if was.State == "" {
			was.State = Fine
		}
		if b.State == was.State || was.State.Holds() && b.State.gravity() <= was.State.gravity() {
			return false, nil
		}
		b.Since = s.db.Now().UnixMilli()
		b.Resumed, b.By, b.Because, b.BaseBad, b.BaseAll = was.Resumed, was.By, was.Because, was.BaseBad, was.BaseAll
		were[[2]string{b.Scope, string(b.Kind)}] = b
		changed = append(changed, b)
		if tx == nil {
			return true, nil
		}
		return true, s.put(ctx, tx, b)
	}
	for _, scope := range slices.Sorted(maps.Keys(byScope)) { // one order for all
		for _, kind := range []BreakerKind{Complaints, Bounces} {
			worst := Breaker{Scope: scope, Kind: kind, State: Fine}
			base := were[[2]string{scope, string(kind)}]
			for _, window := range slices.Sorted(maps.Keys(byScope[scope])) {
				u := byScope[scope][window]
				bad, all := u.bad[kind], u.all[kind]
				if window == 0 || Hour(database.Time(base.Resumed)) > Hour(s.db.Now())-window {
					bad, all = max(0, bad-base.BaseBad), max(0, all-base.BaseAll)
				}
				state, reason := judgeKind(kind, bad, all, map[int64]string{0: "", dayWindow: " of 24 hours", weekWindow: " of 7 days"}[window])
				if worst.Reason == "" || state.gravity() > worst.State.gravity() {
					worst.State, worst.Reason = state, reason
				}
			}
			turned, err := set(worst)
			if err != nil {
				return nil, err
			}
			// Once: a domain that a person resumed goes on, though its lane is still held.
			if domain := worst.Domain(); turned && worst.State == Stopped && domain != "" {
				if _, err := set(Breaker{Scope: DomainScope(domain), Kind: kind, State: Stopped, Reason: worst.Reason}); err != nil {
					return nil, err
				}
			}
		}
	}
	return changed, nil
}

// StopDomain stops a sending domain for what was seen elsewhere, such as on a
// campaign; false when it is stopped already.
func (s *Store) StopDomain(ctx context.Context, tx *database.Tx, domain string, kind BreakerKind, reason string) (Breaker, bool, error) {
	var was Breaker
	b := Breaker{Scope: DomainScope(domain), Kind: kind, State: Stopped, Reason: reason, Since: s.db.Now().UnixMilli()}
	err := tx.Get(ctx, &was, `SELECT `+breakerColumns+` FROM breakers WHERE scope = ? AND kind = ?`, b.Scope, string(kind))
	if err != nil && !errors.Is(err, database.ErrNotFound) || was.State == Stopped {
		return was, false, err
	}
	b.Resumed, b.By, b.Because, b.BaseBad, b.BaseAll = was.Resumed, was.By, was.Because, was.BaseBad, was.BaseAll
	return b, true, s.put(ctx, tx, b)
}

// Trip holds a scope for a reason of the caller's own.
func (s *Store) Trip(ctx context.Context, tx *database.Tx, scope string, kind BreakerKind, reason string) (Breaker, error) {
	b := Breaker{Scope: scope, Kind: kind, State: Tripped, Reason: reason, Since: s.db.Now().UnixMilli()}
	return b, s.put(ctx, tx, b)
}

func (s *Store) put(ctx context.Context, tx *database.Tx, b Breaker) error {
	if err := tx.Touch(ctx, database.Terms); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO breakers (`+breakerColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (scope, kind) DO UPDATE SET state = excluded.state, reason = excluded.reason, since = excluded.since, resumed_at = excluded.resumed_at,
			resumed_by = excluded.resumed_by, resumed_reason = excluded.resumed_reason, base_bad = excluded.base_bad, base_all = excluded.base_all`,
		b.Scope, string(b.Kind), string(b.State), b.Reason, b.Since, b.Resumed, b.By, b.Because, b.BaseBad, b.BaseAll)
	if err != nil {
		return fmt.Errorf("breaker of %s: %w", b.Scope, err)
	}
	return nil
}

// ErrReason means that a person must say why mail may go again.
var ErrReason = errors.New("a reason is needed: say why mail may go again")

// Resume lets a scope go again by a person's word. What was sent before is not
// held against it again. [database.ErrNotFound] when nothing holds or slows it.
func (s *Store) Resume(ctx context.Context, tx *database.Tx, scope, reason string) error {
	if err := tx.Gate(ctx, true); err != nil { // in turn with the breakers' own judgement
		return err
	}
	var rows []Breaker
	err := tx.Select(ctx, &rows, `SELECT `+breakerColumns+` FROM breakers WHERE scope = ? AND state <> 'ok'`, scope)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return fmt.Errorf("breaker of %s: %w", scope, database.ErrNotFound)
	}
	if strings.TrimSpace(reason) == "" {
		return fmt.Errorf("breaker of %s: %s: %w", scope, rows[0].Reason, ErrReason)
	}
	now := s.db.Now()
	for _, b := range rows {
		if b.Kind == Canary && !slices.ContainsFunc(rows, func(b Breaker) bool { return b.Kind == Bounces }) {
			rows = append(rows, Breaker{Scope: scope, Kind: Bounces, Reason: b.Reason}) // they are judged with it
			break
		}
	}
	for _, b := range rows {
		base, err := s.With(tx).since(ctx, b, Hour(now))
		if err != nil {
			return err
		}
		b.State, b.Since, b.Resumed, b.By, b.Because = Fine, now.UnixMilli(), now.UnixMilli(), journal.Actor(ctx), reason
		b.BaseBad, b.BaseAll = base.bad[b.Kind], base.all[b.Kind]
		if err := s.put(ctx, tx, b); err != nil {
			return err
		}
	}
	return journal.Write(ctx, tx, "resume", "breaker", 0, map[string]any{"scope": scope, "reason": reason, "was": rows[0].State, "for": rows[0].Reason})
}

// since sums up what a breaker's scope has sent from an hour on.
func (s *Store) since(ctx context.Context, b Breaker, hour int64) (sums, error) {
	var campaigns []int64
	if id := b.CampaignID(); id != 0 {
		campaigns = []int64{id}
	}
	rows, err := s.hourly(ctx, hour, campaigns)
	var u sums
	u.add(Rate{})
	for _, r := range rows {
		if campaigns != nil || b.Scope == DomainScope(r.Domain) || b.Scope == (Lane{r.Domain, r.Provider}).Scope() {
			u.add(r.Rate)
		}
	}
	return u, err
}

// hourRate is what was sent in an hour.
type hourRate struct {
	Rate
	Lane int64 `db:"lane"`
	Hour int64 `db:"hour"`
}

// hourly sums up by lane and hour, from an hour on; with campaigns, by these
// too and only of these, and without any of none.
func (s *Store) hourly(ctx context.Context, from int64, campaigns []int64) ([]hourRate, error) {
	where, args, campaign, group := "hour >= ?", []any{from}, "0", ""
	if campaigns != nil || from == 0 {
		if len(campaigns) == 0 {
			return nil, nil
		}
		in, ids, err := database.In(" AND campaign_id IN (?)", campaigns)
		if err != nil {
			return nil, err
		}
		where, args, campaign, group = where+in, append(args, ids...), "campaign_id", "campaign_id, "
	}
	var rows []hourRate
	// The lanes' names are joined to the sums: joined to each row they would
	// cost many times as much, under the gate.
	err := s.q.Select(ctx, &rows, `SELECT r.*, l.domain, l.provider, CASE WHEN l.provider IN (`+s.silentList()+`) THEN 0 ELSE r.accepted END AS reporting
		FROM (SELECT `+campaign+` AS campaign_id, lane, hour, SUM(accepted) AS accepted, SUM(refused) AS refused, SUM(returned) AS returned,
			SUM(soft) AS soft, SUM(deferred) AS deferred, SUM(complained) AS complained FROM rates WHERE `+where+` GROUP BY `+group+`lane, hour) r
		JOIN lanes l ON l.id = r.lane`, args...)
	if err != nil {
		return nil, fmt.Errorf("rates by the hour: %w", err)
	}
	return rows, nil
}

// silentList is an SQL list of the providers that never report complaints; the
// file's names hold no quotes.
func (s *Store) silentList() string {
	var silent []string
	for _, name := range s.providers.Names() {
		if !s.providers.Reports(name) {
			silent = append(silent, name)
		}
	}
	return "'" + strings.Join(silent, "', '") + "'"
}

// Busiest is the day in UTC of the last days on which a domain sent most, and
// how much, but for a campaign.
func (s *Store) Busiest(ctx context.Context, domain string, days, except int64) (day, n int64, err error) {
	today := Day(s.db.Now())
	rates, err := s.Rates(ctx, RateFilter{From: today - days, To: today, Domain: domain}, "day", "campaign")
	sums := map[int64]int64{}
	for _, r := range rates {
		if r.CampaignID == except {
			continue
		}
		if sums[r.Day] += r.Accepted; sums[r.Day] > n {
			day, n = r.Day, sums[r.Day]
		}
	}
	return day, n, err
}
