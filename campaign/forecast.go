package campaign

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"facteur/sending"
	"facteur/subscribers"
	"facteur/throttle"
)

// forecastDays is how far a forecast looks.
const forecastDays = 400

// Forecast is when a campaign would end, under all that holds now.
type Forecast struct {
	Recipients int64
	Excluded   map[string]int64
	EndsAt     time.Time // zero: not within [forecastDays], or something holds it
	Left       int64     // mails that would not be begun by then
	Days       []throttle.ForecastDay
	Findings   []Finding
}

// Forecast plays the campaign forward beside all others that run, by the
// counts: for a draft those whom it would go to now, which reads all of them.
func (s *Store) Forecast(ctx context.Context, id int64) (Forecast, error) {
	c, err := s.Campaign(ctx, id)
	if err != nil {
		return Forecast{}, err
	}
	sender, err := s.senders.Sender(ctx, c.SenderID)
	if err != nil {
		return Forecast{}, err
	}
	f := Forecast{Recipients: c.Recipients, Excluded: c.Excluded}
	var waiting map[group]int64
	switch {
	case c.Status == Sent || c.Status == Cancelled:
		f.EndsAt = time.UnixMilli(c.FinishedAt)
		return f, nil
	case c.Planned:
		waiting, err = s.open(ctx, c.ID)
	default:
		f.Recipients, f.Excluded, waiting, err = s.meant(ctx, c)
		done := map[group]int64{}
		if err == nil && c.Recipients > 0 { // partly planned, perhaps partly sent
			done, err = s.settledOf(ctx, c.ID)
		}
		for g, n := range waiting { // of whom is done, no zone is known
			less := min(n, done[group{provider: g.provider}])
			waiting[g] -= less
			done[group{provider: g.provider}] -= less
		}
	}
	if err != nil {
		return Forecast{}, err
	}
	o, err := s.outlook(ctx, c, sender, waiting)
	if err != nil {
		return Forecast{}, err
	}
	played := o.Play()
	f.Days, f.Left, f.EndsAt = played.Days, played.Left[c.ID], played.Ends[c.ID]
	if finding, err := s.jump(ctx, sender.Domain, c, f.Recipients); err != nil {
		return f, err
	} else if finding != nil {
		f.Findings = append(f.Findings, *finding)
	}
	return f, nil
}

// group is people of a campaign at one provider in one time zone.
type group struct{ provider, zone string } // "": the campaign's

// open counts what of a campaign is still to be sent, by provider.
func (s *Store) open(ctx context.Context, id int64) (map[group]int64, error) {
	return s.byProvider(ctx, id, `'queued', 'deferred'`)
}

// settledOf counts what of a campaign is done.
func (s *Store) settledOf(ctx context.Context, id int64) (map[group]int64, error) {
	return s.byProvider(ctx, id, `'sending', 'sent', 'failed', 'skipped', 'uncertain'`)
}

func (s *Store) byProvider(ctx context.Context, id int64, statuses string) (map[group]int64, error) {
	var rows []struct {
		Provider string `db:"provider"`
		N        int64  `db:"n"`
	}
	err := s.q.Select(ctx, &rows, `SELECT provider, SUM(n) AS n FROM campaign_counts WHERE campaign_id = ? AND status IN (`+statuses+`) GROUP BY provider`, id)
	counts := make(map[group]int64, len(rows))
	for _, r := range rows {
		if r.N > 0 {
			counts[group{provider: r.Provider}] = r.N
		}
	}
	return counts, err
}

// meant counts whom a draft would go to now.
func (s *Store) meant(ctx context.Context, c Campaign) (recipients int64, excluded map[string]int64, waiting map[group]int64, err error) {
	narrow, err := segmentOf(c.Segment)
	if err != nil {
		return 0, nil, nil, err
	}
	excluded, waiting = map[string]int64{}, map[group]int64{}
	err = s.everybody(ctx, c.ListIDs, narrow, func(page []subscribers.Member) error {
		known, err := s.pace.Known(ctx, domainsOf(page))
		if err != nil {
			return err
		}
		for _, m := range page {
			if m.Excluded != "" {
				excluded[m.Excluded]++
				continue
			}
			recipients++
			g := group{provider: known[m.Domain]}
			if !c.Calendar.Always() {
				g.zone = m.Timezone
			}
			waiting[g]++
		}
		return nil
	})
	return recipients, excluded, waiting, err
}

// wait says from when on and in which hours a campaign's people in a zone may be mailed.
func (s *Store) wait(c Campaign, w throttle.Waiting, zone string, now time.Time) throttle.Waiting {
	if c.LaunchedAt == 0 {
		c.LaunchedAt = now.UnixMilli() // as if it were launched now
	}
	hours := s.Hours(c, c.Calendar)
	if w.From = hours.start; hours.Always() {
		return w
	}
	if w.From.Before(now) {
		w.From = now
	}
	w.From = hours.Next(w.From, zone)
	at := hours.Zone(zone)
	w.Allowed = func(t time.Time) bool { return hours.Allows(t, at) }
	return w
}

func domainsOf(page []subscribers.Member) []string {
	domains := make([]string, len(page))
	for i, m := range page {
		domains[i] = m.Domain
	}
	return domains
}

// outlook gathers what a forecast of the campaign goes by.
func (s *Store) outlook(ctx context.Context, c Campaign, sender sending.Sender, waiting map[group]int64) (throttle.Outlook, error) {
	o := throttle.Outlook{Start: s.db.Now(), Days: forecastDays}
	limits, err := s.pace.Limits(ctx)
	if err != nil {
		return o, err
	}
	var usage throttle.Usage
	if limits.Counted() {
		if usage, err = s.pace.Usage(ctx); err != nil {
			return o, err
		}
	}
	brakes, err := s.pace.Brakes(ctx)
	if err != nil {
		return o, err
	}
	at := map[throttle.Lane]int{}
	add := func(c Campaign, domain string, waiting map[group]int64) error {
		d, err := s.senders.DomainByName(ctx, domain)
		if err != nil {
			return fmt.Errorf("domain %s: %w", domain, err)
		}
		ramp, err := RampOf(d)
		if err != nil {
			return err
		}
		for _, g := range slices.SortedFunc(maps.Keys(waiting), func(a, b group) int { return cmp.Or(cmp.Compare(a.provider, b.provider), cmp.Compare(a.zone, b.zone)) }) {
			l := throttle.Lane{Domain: domain, Provider: g.provider}
			i, ok := at[l]
			if !ok {
				lane, err := s.pace.Outlook(ctx, l, ramp, d.Zone(), limits, usage, brakes)
				if err != nil {
					return err
				}
				i, o.Lanes = len(o.Lanes), append(o.Lanes, lane)
				at[l] = i
			}
			o.Waiting = append(o.Waiting, s.wait(c, throttle.Waiting{Campaign: c.ID, Priority: c.Priority, Lane: i, N: waiting[g]}, g.zone, o.Start))
		}
		return nil
	}
	if err := add(c, sender.Domain, waiting); err != nil {
		return o, err
	}
	if len(o.Lanes) > 0 {
		o.Zone = o.Lanes[0].Zone
	}
	running, err := s.inState(ctx, Sending, Scheduled)
	if err != nil {
		return o, err
	}
	campaigns := []Campaign{c}
	for _, other := range running {
		if other.ID == c.ID {
			continue
		}
		waiting, err := s.open(ctx, other.ID)
		if err != nil {
			return o, err
		}
		domain, err := s.domainOf(ctx, other)
		if err != nil {
			return o, err
		}
		if err := add(other, domain, waiting); err != nil {
			return o, err
		}
		campaigns = append(campaigns, other)
	}
	return o, s.shared(ctx, &o, limits, usage, campaigns)
}

// shared adds the limits that several lanes share.
func (s *Store) shared(ctx context.Context, o *throttle.Outlook, limits throttle.Limits, usage throttle.Usage, campaigns []Campaign) error {
	relay := map[int64]int64{} // of campaigns with one alone
	for _, c := range campaigns {
		sender, err := s.senders.Sender(ctx, c.SenderID)
		if err != nil {
			return err
		}
		if len(sender.RelayIDs) == 1 {
			relay[c.ID] = sender.RelayIDs[0]
		}
	}
	seen := map[string]bool{}
	for _, w := range o.Waiting {
		lane := o.Lanes[w.Lane].Lane
		for _, g := range limits.Gates(throttle.Passage{Lane: lane, CampaignID: w.Campaign, RelayID: relay[w.Campaign]}) {
			if g.Scope == lane.Scope() || seen[g.Scope] {
				continue // a lane's own is the lane's
			}
			seen[g.Scope] = true
			o.Scopes = append(o.Scopes, throttle.OutlookScope{
				Limit: g.Limit,
				Of:    func(l throttle.Lane, campaign int64) bool { return g.Of(l, campaign, relay[campaign]) },
				Used:  usage.Through(g),
			})
		}
	}
	return nil
}
