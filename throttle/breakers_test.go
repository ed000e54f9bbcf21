package throttle_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/throttle"
)

// watched is a lane whose mails are counted under a clock of the test's.
type watched struct {
	t  *testing.T
	db *database.DB
	s  *throttle.Store
}

// sent counts mails that a campaign sends at this hour through a lane.
func (w watched) sent(campaign int64, l throttle.Lane, o throttle.Outcomes) {
	w.t.Helper()
	w.write(func(ctx context.Context, tx *database.Tx) error {
		lane, err := w.s.LaneID(ctx, tx, l)
		if err != nil {
			return err
		}
		return w.s.CountRates(ctx, tx, throttle.RateTally{{CampaignID: campaign, Lane: lane, Hour: throttle.Hour(w.db.Now())}: o})
	})
}

func (w watched) write(change func(ctx context.Context, tx *database.Tx) error) {
	w.t.Helper()
	if err := write(w.t, w.db, change); err != nil {
		w.t.Fatal(err)
	}
}

// watch lets the breakers judge, and returns what changed as "scope state".
func (w watched) watch(campaigns ...int64) (changed []string) {
	w.t.Helper()
	w.write(func(ctx context.Context, tx *database.Tx) error {
		all, err := w.s.Watch(ctx, tx, campaigns)
		for _, b := range all {
			changed = append(changed, b.Scope+" "+string(b.State))
		}
		return err
	})
	return changed
}

func (w watched) resume(scope string) {
	w.t.Helper()
	w.write(func(ctx context.Context, tx *database.Tx) error {
		return w.s.Resume(ctx, tx, scope, "the list was cleaned")
	})
}

func (w watched) held(l throttle.Lane) string {
	w.t.Helper()
	b, err := w.s.Brakes(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return b.Held(l)
}

func (w watched) want(what string, got []string, want ...string) {
	w.t.Helper()
	if !slices.Equal(got, want) {
		w.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

var (
	atGoogle = throttle.Lane{Domain: "a.example", Provider: "google"}
	atOrange = throttle.Lane{Domain: "a.example", Provider: "orange"}
	apart    = throttle.Lane{Domain: "b.example", Provider: "orange"}
)

func eachWatched(t *testing.T, test func(w watched, now *time.Time)) {
	eachAt(t, func(t *testing.T, db *database.DB, now *time.Time) {
		test(watched{t, db, throttle.NewStore(db)}, now)
	})
}

func TestWatch_WarnsSlowsAndHoldsByItsWindows(t *testing.T) {
	eachWatched(t, func(w watched, now *time.Time) {
		w.sent(1, atOrange, throttle.Outcomes{Accepted: 500, Complained: 1})
		w.want("one of 500", w.watch(), "domain:a.example warn", "lane:a.example/orange warn")
		w.want("again", w.watch())
		w.sent(1, atOrange, throttle.Outcomes{Accepted: 4500, Complained: 3})
		w.want("four of 5,000", w.watch(), "domain:a.example slow", "lane:a.example/orange slow")
		w.sent(1, atOrange, throttle.Outcomes{Complained: 1})
		w.want("five of 5,000", w.watch(), "domain:a.example pause", "lane:a.example/orange pause")
		if w.held(atOrange) == "" || w.held(atGoogle) == "" || w.held(apart) != "" {
			t.Errorf("held: %q, %q, elsewhere %q", w.held(atOrange), w.held(atGoogle), w.held(apart))
		}
		*now = now.Add(8 * 24 * time.Hour)
		w.want("what a person ends does not end by itself", w.watch())
	})
}

func TestWatch_WarningsEndByThemselves(t *testing.T) {
	eachWatched(t, func(w watched, now *time.Time) {
		w.sent(1, atOrange, throttle.Outcomes{Accepted: 500, Complained: 1})
		w.watch(1)
		*now = now.Add(time.Hour)
		w.sent(2, atOrange, throttle.Outcomes{Accepted: 5000})
		w.want("diluted", w.watch(1), "domain:a.example ok", "lane:a.example/orange ok")
	})
}

func TestWatch_ProvidersThatReportNothingAreLeftOut(t *testing.T) {
	eachWatched(t, func(w watched, _ *time.Time) {
		w.sent(1, atGoogle, throttle.Outcomes{Accepted: 100_000})
		w.sent(1, atOrange, throttle.Outcomes{Accepted: 5000, Complained: 5})
		w.want("beside many at Gmail", w.watch(1), "campaign:1 pause", "domain:a.example pause", "lane:a.example/orange pause")
	})
}

func TestWatch_ALanesStopStopsTheDomainOnceAndNotAfterAPersonResumedIt(t *testing.T) {
	eachWatched(t, func(w watched, _ *time.Time) {
		w.sent(1, throttle.Lane{Domain: "a.example", Provider: "free"}, throttle.Outcomes{Accepted: 50_000})
		w.sent(1, atOrange, throttle.Outcomes{Accepted: 3000, Complained: 10})
		w.want("0.33% in a lane", w.watch(), "lane:a.example/orange stop", "domain:a.example stop")
		w.resume("domain:a.example")
		w.want("the domain was resumed", w.watch())
		if free := w.held(throttle.Lane{Domain: "a.example", Provider: "free"}); free != "" || w.held(atOrange) == "" {
			t.Errorf("held: free %q, orange %q", free, w.held(atOrange))
		}
	})
}

func TestResume_TheSameComplaintsNeverCountAgain(t *testing.T) {
	eachWatched(t, func(w watched, now *time.Time) {
		w.sent(1, atOrange, throttle.Outcomes{Accepted: 5000, Complained: 9})
		w.watch(1)
		for _, scope := range []string{"campaign:1", "domain:a.example", "lane:a.example/orange"} {
			w.resume(scope)
		}
		for range 2 * 7 * 24 {
			w.want("after "+now.Format(time.DateTime), w.watch(1))
			*now = now.Add(time.Hour)
		}
		w.sent(1, atOrange, throttle.Outcomes{Accepted: 5000, Complained: 5})
		w.want("new complaints", w.watch(1), "campaign:1 pause", "domain:a.example pause", "lane:a.example/orange pause")
	})
}

func TestResume_ACanarysBouncesNeverCountAgain(t *testing.T) {
	eachWatched(t, func(w watched, _ *time.Time) {
		w.sent(1, atOrange, throttle.Outcomes{Accepted: 28, Refused: 12})
		w.write(func(ctx context.Context, tx *database.Tx) error {
			_, err := w.s.Trip(ctx, tx, throttle.CampaignScope(1), throttle.Canary, "12 of 40")
			return err
		})
		w.resume("campaign:1")
		w.sent(1, atOrange, throttle.Outcomes{Accepted: 60})
		if changed := w.watch(1); slices.Contains(changed, "campaign:1 pause") {
			t.Errorf("paused for what a person has judged: %q", changed)
		}
	})
}

func TestResume_NeedsSomethingToResumeAndAReason(t *testing.T) {
	eachWatched(t, func(w watched, _ *time.Time) {
		resume := func(scope, reason string) error {
			return write(t, w.db, func(ctx context.Context, tx *database.Tx) error { return w.s.Resume(ctx, tx, scope, reason) })
		}
		if err := resume("domain:a.example", "why not"); !errors.Is(err, database.ErrNotFound) {
			t.Errorf("nothing held it: %v", err)
		}
		w.sent(1, atOrange, throttle.Outcomes{Accepted: 50, Refused: 50})
		w.want("half are gone", w.watch(), "domain:a.example pause", "lane:a.example/orange pause")
		if err := resume("domain:a.example", " "); !errors.Is(err, throttle.ErrReason) {
			t.Errorf("without a reason: %v", err)
		}
		if err := resume("domain:a.example", "another list"); err != nil {
			t.Error(err)
		}
	})
}
