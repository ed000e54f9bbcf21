package throttle

import (
	"fmt"
	"math"
)

// Ramp is how the volume of a new sending domain grows at each mailbox
// provider: a cap for each *sending* day. The zero Ramp is none: no cap.
type Ramp struct {
	Steps []int64 // caps of the first sending days, mails a day
}

// growth is how the cap goes on after the last step of a ramp.
const growth = 1.4

// mostCap bounds a cap: more than anybody mails, and safe to add up.
const mostCap = int64(1e12)

// Conservative is the ramp of a new domain: the table that is quoted most
// among the published ones (support.sitevibes.com 47001271345; SendGrid and
// Amazon SES reach the like within 30 and 45 days), then 1.4 times more each
// day, which is SendGrid's growth.
func Conservative() Ramp {
	return Ramp{Steps: []int64{50, 100, 250, 500, 1_000, 2_500, 5_000, 7_500, 10_000, 15_000, 20_000, 30_000, 40_000, 55_000, 70_000, 100_000}}
}

// None tells whether the ramp caps nothing.
func (r Ramp) None() bool { return len(r.Steps) == 0 }

// Cap is how many mails may begin on a day at a step, counted from 0;
// [Unlimited] without a ramp.
func (r Ramp) Cap(step int) int64 {
	n := len(r.Steps)
	switch {
	case n == 0:
		return Unlimited
	case step < 0:
		return r.Steps[0]
	case step < n:
		return r.Steps[step]
	}
	cap := math.Round(float64(r.Steps[n-1]) * math.Pow(growth, float64(step-n+1)))
	return int64(min(cap, float64(mostCap)))
}

// LettersShare is the part of a day's cap that is kept for letters
// (confirmations, tests), rounded down: 5%.
func LettersShare(cap int64) int64 {
	if cap == Unlimited {
		return 0
	}
	return cap / 20
}

// Quota is one day's cap in a lane, and what of it is taken.
type Quota struct {
	Cap         int64
	Used        int64 // begun, letters included; every begin counts, a second try too
	Letters     int64 // of the used: letters, but invitations
	Invitations int64 // of the used
	Reserved    int64 // unbegun deliveries of live batches
}

// Left is how many more deliveries of campaigns may be released today: what
// is not used, reserved or kept for letters.
func (q Quota) Left() int64 {
	if q.Cap == Unlimited {
		return Unlimited
	}
	return max(0, q.Cap-q.Used-q.Reserved-max(0, LettersShare(q.Cap)-q.Letters))
}

// Answers are what came of the mails of one day in a lane.
type Answers struct {
	Attempts   int64 // answered: accepted, refused for good or put off
	Hard       int64 // addresses that are gone
	Deferred   int64
	Reporting  int64 // accepted by providers that report complaints
	Complained int64
}

// SendingDay is a day on which a lane sent.
type SendingDay struct {
	Date int64 // days since 1970 in the domain's zone
	Step int
	Answers
}

// Step is where a lane stands on its ramp on a day, and why.
type Step struct {
	Number  int // from 0
	Cap     int64
	Verdict Verdict
	Reason  string // in words
}

// Verdict is how a day's step follows from the last sending day.
type Verdict string

// The verdicts.
const (
	Begins Verdict = "start"     // the first day of all
	Up     Verdict = "up"        // earned
	Held   Verdict = "hold"      // not earned
	Back   Verdict = "step_back" // yesterday was bad
	Again  Verdict = "again"     // it was idle for too long
)

// IdleDays is after how many days without mail a lane warms up again:
// providers have forgotten it (SendGrid's and StrongGrid's rule).
const IdleDays = 30

// Bounds of a sending day: from the first of each pair the step is held, from
// the second it goes back. fewest is the least number of answers that shares
// are judged by.
const (
	fewest                        = 20
	holdBounces, backBounces      = 0.05, 0.10
	holdDeferrals, backDeferrals  = 0.10, 0.30
	holdComplaint, backComplaint  = 0.0008, 0.001
	holdComplaints, backComplains = 3, 5
)

// Next is the step of a lane on a day, after its last sending day; nil when
// it has never sent.
func (r Ramp) Next(last *SendingDay, date int64) Step {
	at := func(n int, v Verdict, reason string) Step {
		n = max(0, n)
		return Step{Number: n, Cap: r.Cap(n), Verdict: v, Reason: reason}
	}
	if last == nil {
		return at(0, Begins, "the first sending day")
	}
	if idle := date - last.Date; idle > IdleDays {
		return at(0, Again, fmt.Sprintf("nothing was sent for %d days: it warms up again", idle-1))
	}
	verdict, reason := judge(last.Answers)
	switch verdict {
	case Back:
		return at(last.Step-1, Back, "step back: "+reason)
	case Held:
		return at(last.Step, Held, "held: "+reason)
	}
	return at(last.Step+1, Up, "the last sending day was good: "+reason)
}

// judge says whether a day earned a step up.
func judge(a Answers) (Verdict, string) {
	bounces, deferrals, complaints := share(a.Hard, a.Attempts), share(a.Deferred, a.Attempts), share(a.Complained, a.Reporting)
	many := a.Attempts >= fewest
	percent := func(what string, n, of int64) string {
		return fmt.Sprintf("%d %s of %d (%.2f%%)", n, what, of, 100*share(n, of))
	}
	switch {
	case complaints >= backComplaint && a.Complained >= backComplains:
		return Back, percent("complaints", a.Complained, a.Reporting) + ", 0.10% is too many"
	case many && bounces >= backBounces:
		return Back, percent("bounces", a.Hard, a.Attempts) + ", 10% is too many"
	case many && deferrals >= backDeferrals:
		return Back, percent("mails put off", a.Deferred, a.Attempts) + ", 30% is too many"
	case complaints >= holdComplaint && a.Complained >= holdComplaints:
		return Held, percent("complaints", a.Complained, a.Reporting) + ", a step up needs less than 0.08%"
	case many && bounces >= holdBounces:
		return Held, percent("bounces", a.Hard, a.Attempts) + ", a step up needs less than 5%"
	case many && deferrals >= holdDeferrals:
		return Held, percent("mails put off", a.Deferred, a.Attempts) + ", a step up needs less than 10%"
	}
	return Up, fmt.Sprintf("%d answers, %d bounces, %d put off, %d complaints", a.Attempts, a.Hard, a.Deferred, a.Complained)
}
