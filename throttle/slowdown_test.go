package throttle_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/throttle"
)

func TestRules_RefuseWhatCannotBeRead(t *testing.T) {
	for line, why := range map[string]string{
		"google ; * ; x ; 2 ; suspend ; 1h":                     "6 fields",
		"google ; block ; x ; 2 ; suspend ; 1h ; here":          "class",
		"google ; * ; [ ; 2 ; suspend ; 1h ; here":              "words",
		"google ; * ; x ; 0 ; suspend ; 1h ; here":              "hits",
		"google ; * ; x ; 2 ; stop ; 1h ; here":                 "action",
		"google ; * ; x ; 2 ; 0/min ; 1h ; here":                "action",
		"google ; * ; x ; 2 ; 0 connections ; 1h ; here":        "action",
		"google ; * ; x ; 2 ; suspend ; soon ; here":            "time",
		"google ; * ; x ; 2 ; suspend ; 900h ; here":            "time",
		"google ; * ; x ; 2 ; suspend ; 1h ;":                   "source",
		"\ngogle ; * ; x ; 2 ; suspend ; 1h ; here":             `line 2: there is no provider "gogle"`,
		"\n# fine\ngoogle;*;x;1;10/min;1h;here\nx;y;wrong":      "line 4",
		"google a.example\nx ; * ; - ; 1 ; suspend ; 1h ; here": `line 2: there is no provider "x"`,
	} {
		if _, err := throttle.ParseProviders("google gmail.com", line); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %q", line, err, why)
		}
	}
}

// slow is a lane of the provider google that may be told something.
type slow struct {
	*throttle.Store
	t    *testing.T
	db   *database.DB
	now  *time.Time
	lane int64
}

func newSlow(t *testing.T, db *database.DB, now *time.Time, s *throttle.Store) *slow {
	t.Helper()
	l := &slow{s, t, db, now, 0}
	err := write(t, db, func(ctx context.Context, tx *database.Tx) (err error) {
		l.lane, err = s.LaneID(ctx, tx, throttle.Lane{Domain: "a.example", Provider: "google"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *slow) react(replies ...throttle.Reply) (acted bool) {
	l.t.Helper()
	err := write(l.t, l.db, func(ctx context.Context, tx *database.Tx) (err error) {
		acted, err = l.React(ctx, tx, l.lane, replies)
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return acted
}

func (l *slow) state() throttle.Slowdown {
	l.t.Helper()
	all, err := l.Slowdowns(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	return all[l.lane]
}

func (l *slow) at() (throttle.Limit, bool) {
	l.t.Helper()
	limit, suspended, _ := l.state().At(*l.now)
	return limit, !suspended.IsZero()
}

var (
	unusual = throttle.Reply{Class: "rate", Code: 421, Enhanced: "4.7.28", Text: "unusual rate of mail"}
	blocked = throttle.Reply{Class: "blocked_policy", Code: 550, Enhanced: "5.7.1", Text: "no"}
	later   = throttle.Reply{Class: "rate", Code: 421}
)

// Two kinds of refusals in turn are as many refusals as one kind.
func TestSlowdown_CountsMixedAnswersTogether(t *testing.T) {
	eachAt(t, func(t *testing.T, db *database.DB, now *time.Time) {
		l := newSlow(t, db, now, throttle.NewStore(db))
		if l.react(blocked) || l.react(later) || !l.react(blocked) {
			t.Error("three refusals of two kinds did nothing, or fewer did something")
		}
		if _, suspended := l.at(); !suspended {
			t.Error("not suspended")
		}
	})
}

// An hour begins anew with the first answer after it.
func TestSlowdown_ForgetsAnswersAfterAnHour(t *testing.T) {
	eachAt(t, func(t *testing.T, db *database.DB, now *time.Time) {
		l := newSlow(t, db, now, throttle.NewStore(db))
		l.react(later, later)
		*now = now.Add(61 * time.Minute)
		if l.react(later, later) {
			t.Error("acted by four answers of two hours")
		}
	})
}

// A rule of the operator's stands for those of the same provider in the
// embedded file; connections double as a pace does.
func TestSlowdown_ByARuleOfTheOperators(t *testing.T) {
	eachAt(t, func(t *testing.T, db *database.DB, now *time.Time) {
		p, err := throttle.ParseProviders("google gmail.com\ngoogle ; * ; unusual ; 5 ; suspend ; 1h ; before", "google ; rate ; unusual ; 1 ; 2 connections ; 1h ; our contract")
		if err != nil {
			t.Fatal(err)
		}
		l := newSlow(t, db, now, throttle.NewStore(db).Knowing(p))
		if !l.react(unusual) {
			t.Fatal("one answer is enough by the operator's rule")
		}
		for _, step := range []struct {
			after time.Duration
			want  int64
		}{{0, 2}, {59 * time.Minute, 2}, {time.Minute, 4}, {5 * time.Minute, 8}, {5 * time.Minute, 0}} {
			*now = now.Add(step.after)
			if limit, suspended := l.at(); suspended || limit != (throttle.Limit{Connections: step.want}) {
				t.Errorf("%s: %+v, want %d connections", now.Format(time.TimeOnly), limit, step.want)
			}
		}
	})
}

// A lane that recovers by itself is written down once.
func TestEndSlowdowns_WritesDownWhatHasRecovered(t *testing.T) {
	eachAt(t, func(t *testing.T, db *database.DB, now *time.Time) {
		l := newSlow(t, db, now, throttle.NewStore(db))
		l.react(unusual, unusual)
		end := func() []throttle.Lane {
			t.Helper()
			ended, err := l.EndSlowdowns(t.Context(), func(ctx context.Context, change func(*database.Tx) error) error { return db.Write(ctx, change) })
			if err != nil {
				t.Fatal(err)
			}
			return ended
		}
		if ended := end(); len(ended) != 0 || !strings.Contains(l.state().Words(*now), "at most 10 a minute until 2026-03-04T05:36:07Z") {
			t.Errorf("ended %v; %s", ended, l.state().Words(*now))
		}
		*now = now.Add(2 * time.Hour)
		if ended := end(); len(ended) != 1 || ended[0].Provider != "google" {
			t.Errorf("ended %v, want google's lane", ended)
		}
		if ended := end(); len(ended) != 0 {
			t.Errorf("ended %v again", ended)
		}
		entries, err := journal.Of(t.Context(), db, "lane", l.lane)
		if err != nil || len(entries) != 2 || entries[0].Verb == entries[1].Verb {
			t.Errorf("journal: %+v, %v, want that it was slowed and has recovered", entries, err)
		}
	})
}

func TestSlowdown_ByTheRulesAndBackGradually(t *testing.T) {
	eachAt(t, func(t *testing.T, db *database.DB, now *time.Time) {
		l := newSlow(t, db, now, throttle.NewStore(db))
		if l.react(unusual) {
			t.Error("one answer is not enough")
		}
		if !l.react(unusual) {
			t.Fatal("two are")
		}
		if limit, suspended := l.at(); suspended || limit.PerMinute != 10 {
			t.Errorf("slowed to %+v, suspended %v", limit, suspended)
		}
		if l.react(unusual, unusual, unusual) {
			t.Error("what was under way counts again")
		}
		for _, step := range []struct {
			after time.Duration
			want  int64
		}{{29 * time.Minute, 10}, {time.Minute, 20}, {5 * time.Minute, 40}, {20 * time.Minute, 640}, {15 * time.Minute, 5120}, {5 * time.Minute, 0}} {
			*now = now.Add(step.after)
			if limit, _ := l.at(); limit.PerMinute != step.want {
				t.Errorf("%s: %d a minute, want %d", now.Format(time.TimeOnly), limit.PerMinute, step.want)
			}
		}
		// Refused again before it has recovered, it waits for longer each time.
		for i, want := range []time.Duration{10 * time.Minute, 20 * time.Minute, 40 * time.Minute} {
			if !l.react(later, later, later) {
				t.Fatalf("round %d: nothing happened", i)
			}
			*now = now.Add(want - time.Second)
			if _, suspended := l.at(); !suspended {
				t.Errorf("round %d: not suspended for %s", i, want)
			}
			*now = now.Add(2 * time.Second)
			if limit, suspended := l.at(); suspended || limit.PerMinute != 10 {
				t.Errorf("round %d: then %+v, suspended %v", i, limit, suspended)
			}
		}
		err := write(t, db, func(ctx context.Context, tx *database.Tx) error {
			if err := l.LiftSlowdown(ctx, tx, l.lane, ""); !errors.Is(err, throttle.ErrReason) {
				t.Errorf("lifted without a reason: %v", err)
			}
			return l.LiftSlowdown(ctx, tx, l.lane, "they have put us on their list of friends")
		})
		if limit, suspended := l.at(); err != nil || suspended || limit != (throttle.Limit{}) {
			t.Errorf("after it was lifted: %+v, %v", limit, err)
		}
	})
}
