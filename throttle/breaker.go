package throttle

import "fmt"

// BreakerState is what a rate calls for.
type BreakerState string

// The states of a breaker, from good to bad.
const (
	Fine    BreakerState = "ok"
	Warned  BreakerState = "warn"
	Slowed  BreakerState = "slow"  // to a tenth
	Tripped BreakerState = "pause" // nothing begins until a person resumes it
	Stopped BreakerState = "stop"  // of the whole sending domain
)

// gravity orders the states.
func (s BreakerState) gravity() int {
	switch s {
	case Warned:
		return 1
	case Slowed:
		return 2
	case Tripped:
		return 3
	case Stopped:
		return 4
	}
	return 0
}

// Holds tells whether only a person lets mail go again.
func (s BreakerState) Holds() bool { return s == Tripped || s == Stopped }

// BreakerKind is what a breaker watches.
type BreakerKind string

// The kinds of breakers.
const (
	Complaints BreakerKind = "complaints"
	Bounces    BreakerKind = "bounces"
	Canary     BreakerKind = "canary" // the first mails of a campaign, see package campaign
)

// level is a rate at which a breaker changes its state.
type level struct {
	state BreakerState
	rate  float64
	least int64 // bad ones, or for bounces attempts, below which a rate says nothing
}

// The levels of complaints, over accepted mail: 0.10% is what Gmail wants
// senders to stay below, 0.30% what it never forgives
// (support.google.com/a/answer/81126). One complaint of a few hundred mails
// says little, so each level asks for a number of them too.
var complaintLevels = [...]level{{Stopped, 0.003, 10}, {Tripped, 0.001, 5}, {Slowed, 0.0008, 3}, {Warned, 0.0005, 1}}

// The levels of hard bounces, over attempts: what Amazon SES reviews and pauses at.
var bounceLevels = [...]level{{Tripped, 0.10, 50}, {Warned, 0.05, 50}}

// JudgeComplaints says what complaints call for, of mails accepted by
// providers that report them.
func JudgeComplaints(complained, accepted int64) BreakerState {
	for _, l := range complaintLevels {
		if accepted > 0 && complained >= l.least && float64(complained) >= l.rate*float64(accepted) {
			return l.state
		}
	}
	return Fine
}

// JudgeBounces says what hard bounces call for.
func JudgeBounces(hard, attempts int64) BreakerState {
	for _, l := range bounceLevels {
		if attempts >= l.least && float64(hard) >= l.rate*float64(attempts) {
			return l.state
		}
	}
	return Fine
}

// judgeKind judges by kind, with the reason in words.
func judgeKind(kind BreakerKind, bad, all int64, window string) (BreakerState, string) {
	rate := 100 * share(bad, all)
	if kind == Complaints {
		s := JudgeComplaints(bad, all)
		return s, fmt.Sprintf("%d complaints about %d mails%s: %.2f%%, %s", bad, all, window, rate, map[BreakerState]string{
			Fine: "within bounds", Warned: "0.05% is a warning", Slowed: "from 0.08% on it goes at a tenth of the pace", Tripped: "0.10% is the limit", Stopped: "at 0.30% providers block a domain",
		}[s])
	}
	s := JudgeBounces(bad, all)
	return s, fmt.Sprintf("%d of %d mails%s went to addresses that are gone: %.1f%%, %s", bad, all, window, rate, map[BreakerState]string{
		Fine: "within bounds", Warned: "5% is a warning", Tripped: "10% is the limit",
	}[s])
}
