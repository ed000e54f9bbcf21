package campaign

import (
	"context"
	"fmt"
	"time"

	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/throttle"
)

// Canary is a share of a campaign's recipients that is mailed first. Then the
// campaign waits and goes on only if what came back is good.
type Canary struct {
	Percent float64 // 0: none
	Wait    time.Duration
	Least   int64 // recipients from which on there is one
}

// DefaultCanary is that of a campaign whose launch says nothing: one in a
// hundred, from 5,000 recipients on.
func DefaultCanary() Canary { return Canary{Percent: 1, Wait: 15 * time.Minute, Least: 5000} }

// canaryState is how far a campaign's canary is.
type canaryState string

const (
	canaryUndecided canaryState = ""
	canarySample    canaryState = "sample"  // being sent
	canaryWaiting   canaryState = "waiting" // for what comes back
	canaryPassed    canaryState = "passed"
	canaryFailed    canaryState = "failed" // and a person has not resumed it
	canaryOff       canaryState = "off"
)

// Canary is the state of the campaign's canary: undecided, sample, waiting,
// passed, failed or off, and while it waits until when (Unix milliseconds).
func (c Campaign) Canary() (state string, until int64) {
	if c.canary == canaryUndecided {
		return "undecided", 0
	}
	return string(c.canary), c.canaryUntil
}

// phase is what of a campaign may be released.
type phase int

const (
	holdAll phase = iota
	sampleOnly
	open
)

// canaryPhase says what may be released.
func canaryPhase(c Campaign) phase {
	switch c.canary {
	case canaryPassed, canaryOff:
		return open
	case canarySample:
		return sampleOnly
	case canaryUndecided:
		if c.noCanary() {
			return open
		}
	}
	return holdAll // who is of the sample is known when all are planned
}

// noCanary tells whether the launch wanted none, or of more recipients.
func (c Campaign) noCanary() bool {
	return c.CanaryPercent <= 0 || c.Planned && (c.Recipients < c.CanaryLeast || c.Recipients == 0)
}

// watchCanary moves a campaign's canary on.
func (s *Scheduler) watchCanary(ctx context.Context, c Campaign) error {
	switch {
	case c.canary == canaryUndecided && c.noCanary():
		return s.setCanary(ctx, c, canaryOff, 0)
	case c.canary == canaryUndecided && c.Planned:
		return s.setCanary(ctx, c, canarySample, s.sampleEnd(c))
	case c.canary == canarySample:
		return s.sample(ctx, c)
	case c.canary == canaryWaiting && s.store.db.Now().UnixMilli() >= c.canaryUntil:
		return s.judgeCanary(ctx, c)
	}
	return nil
}

// sampleEnd is how long a lane of the sample may hold up the others, from now.
func (s *Scheduler) sampleEnd(c Campaign) int64 {
	return s.store.db.Now().UnixMilli() + max(c.CanaryWait, DefaultCanary().Wait.Milliseconds())
}

func (s *Scheduler) setCanary(ctx context.Context, c Campaign, state canaryState, until int64) error {
	return s.write(ctx, func(tx *database.Tx) error { return s.store.setCanary(ctx, tx, c, state, until) })
}

func (s *Store) setCanary(ctx context.Context, tx *database.Tx, c Campaign, state canaryState, until int64) error {
	if _, err := tx.Exec(ctx, `UPDATE campaigns SET canary_state = ?, canary_until = ? WHERE id = ?`, string(state), until, c.ID); err != nil {
		return fmt.Errorf("canary of campaign %d: %w", c.ID, err)
	}
	if state == canaryOff || state == c.canary {
		return nil
	}
	return journal.Write(ctx, tx, "canary-"+string(state), "campaign", c.ID, map[string]any{"until": until})
}

// Bounds of a canary: from these shares on it has failed, of at least so many answers.
const (
	canaryFewest  = 10
	canaryBounces = 0.05
	canaryRefused = 0.25
)

// canaryAnswers are the mails of a canary, and of nothing else, that were answered.
func canaryAnswers(n Counts) int64 { return n.Sent + n.Failed + n.Deferred }

// canaryFault is what is wrong with the answers to a canary, in words; "" if
// nothing is. Refusals are those of the people, of the content and of anything
// else; what was put off and then taken is none.
func canaryFault(n Counts, r throttle.Rate) string {
	answers, refused := canaryAnswers(n), n.Failed+n.Deferred+r.Soft
	switch {
	case answers < canaryFewest:
		return ""
	case float64(r.Hard()) >= canaryBounces*float64(answers):
		return fmt.Sprintf("the canary failed: %d of its %d mails went to addresses that are gone; less than 5%% is needed to go on", r.Hard(), answers)
	case float64(refused) >= canaryRefused*float64(answers):
		return fmt.Sprintf("the canary failed: %d of its %d answers were refusals; less than 25%% is needed to go on", refused, answers)
	}
	return ""
}

// judgeCanary lets the campaign go on, or pauses it until a person resumes it.
func (s *Scheduler) judgeCanary(ctx context.Context, c Campaign) error {
	today := throttle.Day(s.store.db.Now())
	rates, err := s.store.pace.Rates(ctx, throttle.RateFilter{From: throttle.Day(database.Time(c.LaunchedAt)), To: today, CampaignID: c.ID})
	if err != nil {
		return err
	}
	n, err := s.store.Counts(ctx, c.ID)
	if err != nil {
		return err
	}
	if canaryAnswers(n) < min(c.sampleGoal(), canaryFewest) {
		return s.setCanary(ctx, c, canarySample, s.sampleEnd(c)) // some were put off, and are tried again by now
	}
	fault := canaryFault(n, rates[0])
	if fault == "" {
		return s.setCanary(ctx, c, canaryPassed, 0)
	}
	return s.write(ctx, func(tx *database.Tx) error {
		if err := tx.Gate(ctx, true); err != nil { // before any row
			return err
		}
		if err := s.store.setCanary(ctx, tx, c, canaryFailed, 0); err != nil {
			return err
		}
		if _, err := s.store.pace.Trip(ctx, tx, throttle.CampaignScope(c.ID), throttle.Canary, fault); err != nil {
			return err
		}
		if _, err := s.store.move(ctx, tx, c.ID, Paused, "pause", "paused by itself: "+fault); err != nil {
			return err
		}
		domain, err := s.store.With(tx).domainOf(ctx, c)
		if err != nil {
			return err
		}
		return s.store.alarm(ctx, tx, Alarm{Kind: string(throttle.Canary), Scope: throttle.CampaignScope(c.ID), State: string(throttle.Tripped), Reason: fault, Domain: domain, CampaignID: c.ID})
	})
}
