package worker_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending/sandbox"
	"facteur/throttle"
)

// moved is a clock that the test moves.
type moved struct{ ahead atomic.Int64 }

func (m *moved) now() time.Time { return time.Now().Add(time.Duration(m.ahead.Load())) }

// to moves the clock to a moment.
func (m *moved) to(t time.Time) { m.ahead.Store(int64(time.Until(t))) }

// clockAt is a database whose clock stands at a moment, and runs on from there.
func clockAt(t testing.TB, at time.Time) (*database.DB, *moved) {
	t.Helper()
	m := &moved{}
	m.to(at)
	return databasetest.At(t, m.now), m
}

func TestCalendar_NobodyIsMailedInTheirQuietHours(t *testing.T) {
	t.Parallel()
	evening := time.Date(2026, 11, 27, 19, 0, 0, 0, time.UTC)
	db, clock := clockAt(t, evening)
	e := start(t, db)
	s := box(t, sandbox.Options{})
	e.limit(throttle.AllScope, throttle.Limit{PerSecond: 40})
	paris := e.listIn("Paris", "Europe/Paris", addresses("paris", 200)...) // there it is 20:00
	tokyo := e.listIn("Tokyo", "Asia/Tokyo", addresses("tokyo", 50)...)    // and there 04:00
	sender := e.sender(s, 5)
	var id int64
	e.write(func(ctx context.Context, tx *database.Tx) error {
		c, err := e.campaigns.Create(ctx, tx, campaign.Campaign{
			Name: "Hello", Subject: "Hello", HTML: "<p>Hello</p>", SenderID: sender, ListIDs: []int64{paris, tokyo},
			Calendar: campaign.Calendar{QuietFrom: "21:00", QuietTo: "08:00"},
		})
		if err != nil {
			return err
		}
		id = c.ID
		_, err = e.campaigns.Launch(ctx, tx, id, time.Time{}, campaign.Canary{}, campaign.Clearance{})
		return err
	})
	e.scheduler.Nudge()
	e.await(id, 30*time.Second, atLeast(30))
	clock.to(evening.Add(time.Hour)) // 21:00 in Paris
	_, n := e.await(id, 30*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool {
		before := n.Sent
		time.Sleep(1500 * time.Millisecond)
		after, err := e.campaigns.Counts(context.Background(), id)
		return err == nil && after.Sent == before && after.Sending == 0
	})
	if n.Sent >= 200 || n.Queued != 250-n.Sent {
		t.Errorf("at 21:00 in Paris: %+v", n)
	}
	clock.to(evening.Add(4*time.Hour + 30*time.Second)) // 08:00 in Tokyo
	e.await(id, 30*time.Second, atLeast(n.Sent+50))
	tokyos := 0
	s.Deliveries(func(d sandbox.Delivery) bool {
		if d.Recipient[:5] == "tokyo" {
			tokyos++
		}
		return true
	})
	if tokyos != 50 {
		t.Errorf("%d of 50 in Tokyo", tokyos)
	}
	clock.to(evening.Add(12*time.Hour + 30*time.Second)) // 08:00 in Paris
	e.sent(id, 60*time.Second)
}

func TestForecast_KnowsQuietHoursAndTimeZones(t *testing.T) {
	evening := time.Date(2026, 11, 27, 20, 0, 0, 0, time.UTC) // 21:00 in Paris, 05:00 in Tokyo
	db, _ := clockAt(t, evening)
	e := start(t, db)
	s := box(t, sandbox.Options{})
	paris := e.listIn("Paris", "Europe/Paris", addresses("paris", 30)...)
	tokyo := e.listIn("Tokyo", "Asia/Tokyo", addresses("tokyo", 20)...)
	sender := e.sender(s, 5)
	ends := func(lists []int64, c campaign.Calendar) time.Time {
		t.Helper()
		var id int64
		e.write(func(ctx context.Context, tx *database.Tx) error {
			made, err := e.campaigns.Create(ctx, tx, campaign.Campaign{Name: "Hello", Subject: "Hello", HTML: "<p>Hello</p>", SenderID: sender, ListIDs: lists, Calendar: c})
			id = made.ID
			return err
		})
		f, err := e.campaigns.Forecast(context.Background(), id)
		if err != nil || f.Recipients == 0 || f.Left != 0 {
			t.Fatalf("%+v, %v", f, err)
		}
		return f.EndsAt.UTC().Truncate(time.Hour)
	}
	night := campaign.Calendar{QuietFrom: "21:00", QuietTo: "08:00"}
	for what, c := range map[string]struct{ got, want time.Time }{
		"at once":            {ends([]int64{paris}, campaign.Calendar{}), evening},
		"after the night":    {ends([]int64{paris}, night), evening.Add(11 * time.Hour)},
		"in Tokyo":           {ends([]int64{tokyo}, night), evening.Add(3 * time.Hour)},
		"at nine, in both":   {ends([]int64{paris, tokyo}, campaign.Calendar{LocalTime: "09:00"}), evening.Add(12 * time.Hour)},
		"not before Monday":  {ends([]int64{tokyo}, campaign.Calendar{Days: []string{"mon"}, Timezone: "UTC"}), time.Date(2026, 11, 29, 15, 0, 0, 0, time.UTC)},
		"nobody's own clock": {ends([]int64{paris}, campaign.Calendar{LocalTime: "23:00"}), evening.Add(2 * time.Hour)},
	} {
		if !c.got.Equal(c.want) {
			t.Errorf("%s: ends at %s, want %s", what, c.got, c.want)
		}
	}
}
