package throttle_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/throttle"
)

func TestReactions_RefuseWhatCannotBeRead(t *testing.T) {
	for line, why := range map[string]string{
		"google ; * ; x ; 2 ; suspend ; 1h":            "6 fields",
		"google ; * ; [ ; 2 ; suspend ; 1h ; here":     "words",
		"google ; * ; x ; 0 ; suspend ; 1h ; here":     "hits",
		"google ; * ; x ; 2 ; stop ; 1h ; here":        "action",
		"google ; * ; x ; 2 ; 0/min ; 1h ; here":       "action",
		"google ; * ; x ; 2 ; suspend ; soon ; here":   "time",
		"google ; * ; x ; 2 ; suspend ; 1h ;":          "source",
		"\n# fine\ngoogle;*;x;1;10/min;1h;here\nwrong": "line 4",
	} {
		if _, err := throttle.ParseReactions(line); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %q", line, err, why)
		}
	}
}

func FuzzReactions(f *testing.F) {
	f.Add("google ; * ; unusual rate|4\\.7\\.28 ; 2 ; 10/min ; 30m ; somewhere")
	f.Add("* ; rate ; - ; 3 ; suspend ; 10m ; somewhere")
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := throttle.ParseReactions(text)
		for _, r := range rules {
			if err == nil && (r.Hits < 1 || r.For <= 0 || r.Source == "") {
				t.Errorf("%q: %+v", text, r)
			}
		}
	})
}

func TestSlowdown_ByTheRulesAndBackGradually(t *testing.T) {
	eachAt(t, func(t *testing.T, db *database.DB, now *time.Time) {
		s := throttle.NewStore(db)
		var lane int64
		react := func(replies ...throttle.Reply) (acted bool) {
			t.Helper()
			err := write(t, db, func(ctx context.Context, tx *database.Tx) (err error) {
				acted, err = s.React(ctx, tx, lane, replies)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return acted
		}
		at := func() (throttle.Limit, bool) {
			t.Helper()
			all, err := s.Slowdowns(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			limit, suspended, _ := all[lane].At(*now)
			return limit, !suspended.IsZero()
		}
		err := write(t, db, func(ctx context.Context, tx *database.Tx) (err error) {
			lane, err = s.LaneID(ctx, tx, throttle.Lane{Domain: "a.example", Provider: "google"})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		unusual := throttle.Reply{Class: "rate", Code: 421, Enhanced: "4.7.28", Text: "unusual rate of mail"}
		if react(unusual) {
			t.Error("one answer is not enough")
		}
		if !react(unusual) {
			t.Fatal("two are")
		}
		if limit, suspended := at(); suspended || limit.PerMinute != 10 {
			t.Errorf("slowed to %+v, suspended %v", limit, suspended)
		}
		if react(unusual, unusual, unusual) {
			t.Error("what was under way counts again")
		}
		for _, step := range []struct {
			after time.Duration
			want  int64
		}{{29 * time.Minute, 10}, {time.Minute, 20}, {5 * time.Minute, 40}, {20 * time.Minute, 640}, {15 * time.Minute, 5120}, {5 * time.Minute, 0}} {
			*now = now.Add(step.after)
			if limit, _ := at(); limit.PerMinute != step.want {
				t.Errorf("%s: %d a minute, want %d", now.Format(time.TimeOnly), limit.PerMinute, step.want)
			}
		}
		// Refused again before it has recovered, it waits for longer each time.
		for i, want := range []time.Duration{10 * time.Minute, 20 * time.Minute, 40 * time.Minute} {
			if !react(throttle.Reply{Class: "rate", Code: 421}, throttle.Reply{Class: "rate", Code: 421}, throttle.Reply{Class: "rate", Code: 421}) {
				t.Fatalf("round %d: nothing happened", i)
			}
			*now = now.Add(want - time.Second)
			if _, suspended := at(); !suspended {
				t.Errorf("round %d: not suspended for %s", i, want)
			}
			*now = now.Add(2 * time.Second)
			if limit, suspended := at(); suspended || limit.PerMinute != 20 {
				t.Errorf("round %d: then %+v, suspended %v", i, limit, suspended)
			}
		}
		err = write(t, db, func(ctx context.Context, tx *database.Tx) error {
			if err := s.LiftSlowdown(ctx, tx, lane, ""); !errors.Is(err, throttle.ErrReason) {
				t.Errorf("lifted without a reason: %v", err)
			}
			return s.LiftSlowdown(ctx, tx, lane, "they have put us on their list of friends")
		})
		if limit, suspended := at(); err != nil || suspended || limit != (throttle.Limit{}) {
			t.Errorf("after it was lifted: %+v, %v", limit, err)
		}
	})
}
