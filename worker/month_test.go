package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/sending"
	"facteur/sending/sandbox"
	"facteur/throttle"
)

// connections of the month's relay.
const connections = 20

// month is how a domain warms up under a clock that the test moves.
type month struct {
	*engine
	clock *moved
	box   *sandbox.Server
	id    int64
	ramp  throttle.Ramp
	begun map[string]map[string]int64 // by date and provider
}

// TestMonth_OfAWarmUp sends a campaign to three providers, day after day until
// it has ended, while the queue is emptied, the engine restarted, the clock
// put forward and back, and midnights come while batches are under way: never
// one mail over a day's cap, and what the forecast said at the start. With
// FACTEUR_MONTH_RECIPIENTS it takes so many people and the conservative ramp.
func TestMonth_OfAWarmUp(t *testing.T) {
	t.Parallel()
	people, ramp := 10_000, throttle.Ramp{}
	for i := range int64(30) {
		ramp.Steps = append(ramp.Steps, 50+5*i)
	}
	if text := os.Getenv("FACTEUR_MONTH_RECIPIENTS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		people, ramp = n, throttle.Conservative()
	}
	midnight := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) // clocks are put forward in this month in many zones
	db, clock := clockAt(t, midnight.Add(9*time.Hour))
	m := &month{engine: start(t, db), clock: clock, ramp: ramp, begun: map[string]map[string]int64{}}
	m.box = box(t, sandbox.Options{Now: clock.now, PlainNames: true})
	sender := m.warmSender()
	emails := make([]string, people)
	for i := range emails {
		emails[i] = fmt.Sprintf("person%d@%s", i, []string{"gmail.com", "outlook.com", "yahoo.com"}[i%3])
	}
	m.id = m.launch(sender, m.list("all", emails...))
	m.await(m.id, 5*time.Minute, func(c campaign.Campaign, _ campaign.Counts) bool { return c.Planned })
	forecast, err := m.campaigns.Forecast(context.Background(), m.id)
	if err != nil {
		t.Fatal(err)
	}
	zone, _ := time.LoadLocation("Europe/Paris")
	day := midnight.Add(9 * time.Hour)
	for i := 0; i < 60; i++ {
		if m.spend(i, day, zone) {
			break
		}
		day = day.AddDate(0, 0, 1)
		clock.to(day)
		m.scheduler.Nudge()
	}
	n := m.sent(m.id, time.Minute)
	if n.Sent != int64(people) || m.box.Count().Accepted != int64(people) {
		t.Errorf("%+v, the sandbox took %d", n, m.box.Count().Accepted)
	}
	m.count(zone)
	m.compare(forecast, zone, day)
}

// warmSender is a sender of a domain that warms up in Paris.
func (m *month) warmSender() int64 {
	id := m.sender(m.box, connections)
	m.write(func(ctx context.Context, tx *database.Tx) error {
		d, err := m.senders.With(tx).DomainByName(ctx, "news.example.com")
		if err != nil {
			return err
		}
		steps, err := json.Marshal(m.ramp.Steps)
		if err != nil {
			return err
		}
		d.Warmup, d.Ramp, d.Timezone = sending.OwnWarmup, string(steps), "Europe/Paris"
		_, err = m.senders.SetWarmup(ctx, tx, d)
		return err
	})
	return id
}

// spend waits until the day's caps are used, and disturbs it on the way; true
// when the campaign has ended.
func (m *month) spend(i int, day time.Time, zone *time.Location) bool {
	disturb, moved := rand.IntN(7), time.Now()
	for !m.spent() || disturb != 0 {
		if time.Since(moved) > time.Minute {
			m.t.Fatalf("on %s nothing moves, and the caps are not used", day.Format(time.DateOnly))
		}
		c, err := m.campaigns.Campaign(context.Background(), m.id)
		if err != nil {
			m.t.Fatal(err)
		}
		if c.Status == campaign.Sent {
			return true
		}
		before, err := m.campaigns.Counts(context.Background(), m.id)
		if err != nil {
			m.t.Fatal(err)
		}
		if before.Balance() != 0 {
			m.t.Fatalf("books off: %+v", before)
		}
		time.Sleep(120 * time.Millisecond)
		after, err := m.campaigns.Counts(context.Background(), m.id)
		if err != nil {
			m.t.Fatal(err)
		}
		if after != before {
			moved = time.Now()
		}
		if disturb == 0 || after == before && !m.spent() { // it is disturbed while it sends, or at the end
			continue
		}
		switch disturb {
		case 1: // the queue forgets everything
			if err := m.redis.FlushAll(context.Background()).Err(); err != nil {
				m.t.Fatal(err)
			}
		case 2: // the clock is put forward, and back again
			m.clock.to(day.Add(3 * time.Hour))
			m.scheduler.Nudge()
			time.Sleep(50 * time.Millisecond)
			m.clock.to(day.Add(time.Hour))
		case 3: // and back
			m.clock.to(day.Add(-2 * time.Hour))
		case 4: // midnight comes and goes, the clock is put back to where it was
			_, _, until := throttle.Date(day, zone)
			m.clock.to(until.Add(-100 * time.Millisecond))
			m.scheduler.Nudge()
			time.Sleep(300 * time.Millisecond)
			m.clock.to(day.Add(2 * time.Hour))
		case 5: // a far jump by mistake, for a moment
			m.clock.to(day.AddDate(0, 0, 12))
			time.Sleep(30 * time.Millisecond)
			m.clock.to(day.Add(time.Hour))
		case 6: // the engine ends and another begins
			m.stop()
			m.engine = start(m.t, m.db)
		}
		m.scheduler.Nudge()
		disturb = 0
	}
	return false
}

// spent tells whether nothing more may go today, and nothing is under way.
func (m *month) spent() bool {
	m.t.Helper()
	n, err := m.campaigns.Counts(context.Background(), m.id)
	if err != nil {
		m.t.Fatal(err)
	}
	days, err := m.pace.Todays(context.Background(), m.clock.now().UnixMilli())
	if err != nil {
		m.t.Fatal(err)
	}
	var waiting []int64 // the lanes that have more
	err = m.db.Select(context.Background(), &waiting, `SELECT l.lane FROM campaign_lanes l WHERE l.campaign_id = ?
		AND EXISTS (SELECT 1 FROM deliveries d WHERE d.campaign_id = l.campaign_id AND d.lane = l.lane AND d.wait = 1)`, m.id)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, lane := range waiting {
		if d, ok := days[lane]; !ok || d.Quota(0).Left() > 0 {
			return false
		}
	}
	return n.Sending == 0 && len(waiting) > 0
}

// count holds what arrived on each date against that date's cap.
func (m *month) count(zone *time.Location) {
	m.box.Deliveries(func(d sandbox.Delivery) bool {
		date := time.UnixMilli(d.First).In(zone).Format(time.DateOnly)
		if m.begun[date] == nil {
			m.begun[date] = map[string]int64{}
		}
		m.begun[date][throttle.DefaultProviders().OfDomain(d.Recipient[strings.LastIndexByte(d.Recipient, '@')+1:])]++
		return true
	})
	lanes, err := m.pace.LanesOf(context.Background(), "news.example.com")
	if err != nil {
		m.t.Fatal(err)
	}
	for id, l := range lanes {
		days, err := m.pace.History(context.Background(), id, 0)
		if err != nil {
			m.t.Fatal(err)
		}
		for _, d := range days {
			date := throttle.DayTime(d.Date).Format(time.DateOnly)
			m.t.Logf("%s %s: step %d, cap %d, used %d, arrived %d: %s", l.Provider, date, d.Number+1, d.Cap, d.Used, m.begun[date][l.Provider], d.Reason)
			// What was in dialogue when the test moved the clock arrives on another date than it began.
			if got := m.begun[date][l.Provider]; d.Used > d.Cap || got > d.Cap+connections {
				m.t.Errorf("%s on %s: %d begun by the books, %d arrived, cap %d", l.Provider, date, d.Used, got, d.Cap)
			}
		}
	}
}

// compare holds the forecast of the start against what happened until the last
// day. What was sent in a day on which the clock was by mistake, nobody
// foretells; it came from what the other days were to have.
func (m *month) compare(f campaign.Forecast, zone *time.Location, lastDay time.Time) {
	last, strayed := lastDay.In(zone).Format(time.DateOnly), int64(0)
	for date, lanes := range m.begun {
		for _, n := range lanes {
			if date > last {
				strayed += n
			}
		}
	}
	end := f.EndsAt.In(zone).Format(time.DateOnly)
	wrong, sum := int64(0), int64(0)
	for _, d := range f.Days {
		date, told, happened := throttle.DayTime(d.Date).Format(time.DateOnly), int64(0), int64(0)
		for _, l := range d.Lanes {
			told += l.Begun
			happened += m.begun[date][l.Provider]
		}
		sum += told
		wrong += max(told-happened, happened-told)
		m.t.Logf("%s: forecast %d, happened %d", date, told, happened)
	}
	m.t.Logf("forecast to end on %s, ended on %s; off by %d of %d mails (%.2f%%), %d sent by a wrong clock", end, last, wrong, sum, 100*float64(wrong)/float64(sum), strayed)
	if float64(wrong) > 0.02*float64(sum)+2*float64(strayed) {
		m.t.Errorf("the forecast was off by %d of %d mails", wrong, sum)
	}
}
