package throttle

import (
	"math"
	"slices"
	"time"
)

// Outlook is what a forecast goes by: the lanes as they stand, what waits, and
// what is assumed of the answers. It is played forward by the same core that
// releases mail ([Plan], [Ramp], [Quota]); nothing is read or written.
type Outlook struct {
	Start   time.Time
	Days    int            // how far it is played, at most
	Zone    *time.Location // of the days in the result; nil: UTC
	Speed   int64          // mails a second where nothing limits; 0: [DefaultSpeed]
	Lanes   []OutlookLane
	Scopes  []OutlookScope
	Waiting []Waiting
}

// DefaultSpeed is what a forecast takes the engine to send where nothing
// limits it, mails a second: less than a small machine does.
const DefaultSpeed = 500

// OutlookLane is a lane as a forecast finds it.
type OutlookLane struct {
	Lane
	Limit Limit
	Ramp  Ramp
	Zone  *time.Location // where its days begin; nil: UTC
	Last  *SendingDay    // before today; nil: never
	Today *WarmupDay     // nil: nothing has opened it
	// Rates that are assumed, shares of 1: of addresses that are gone, of mails
	// put off once (each is tried again, and every try counts), of complaints
	// over accepted mail.
	Bounces, Deferrals, Complaints float64
	Silent                         bool // its provider reports no complaints
	Used                           Used
	From                           time.Time // nothing begins before, as of a suspension
	Held                           bool      // by a breaker: nothing begins at all
}

// OutlookScope is a limit that several lanes share.
type OutlookScope struct {
	Limit
	Of   func(l Lane, campaign int64) bool
	Used Used
}

// Waiting is mail of a campaign that waits in a lane.
type Waiting struct {
	Campaign int64
	Priority int
	Lane     int // index in the lanes
	N        int64
	From     time.Time            // not before
	Allowed  func(time.Time) bool // in which hours; nil: all
}

// Forecast is what would happen.
type Forecast struct {
	Days  []ForecastDay
	Ends  map[int64]time.Time // by campaign: when its last mail begins; missing: not within the days
	Left  map[int64]int64     // by campaign: mails that are not begun by then
	Total int64
}

// ForecastDay is a day of a forecast, in the outlook's zone.
type ForecastDay struct {
	Date  int64 // days since 1970
	Lanes []ForecastLane
}

// ForecastLane is a lane on a day.
type ForecastLane struct {
	Lane
	Cap     int64 // [Unlimited]: none
	Step    int   // from 0
	Verdict Verdict
	Reason  string
	Begun   int64 // tries
	Sent    int64 // accepted
}

// Play plays an outlook, hour by hour.
func (o Outlook) Play() Forecast {
	p := newPlay(o)
	for now := o.Start; now.Before(o.Start.AddDate(0, 0, max(1, o.Days))) && p.waits(); {
		next := p.boundary(now)
		p.hour(now, next)
		now = next
	}
	return p.result()
}

// play is a forecast in the making.
type play struct {
	Outlook
	lanes   []playLane
	waiting []playWaiting
	scopes  []playScope
	days    []ForecastDay
	ends    map[int64]time.Time
	turn    int
}

type playLane struct {
	day     WarmupDay
	opened  bool
	last    *SendingDay
	answers Answers // of the open day
	begun   window
	until   time.Time // the open day ends
}

type playWaiting struct {
	left  float64 // mails, the put off ones counted again
	again float64 // put off, to be tried again next hour
}

type playScope struct{ begun window }

// window is what was begun in each of the last 24 hours.
type window struct {
	hours [24]int64
	at    int
	older Used // of before the forecast, let go evenly
	start int
}

func (w *window) used() Used {
	u := Used{Hour: w.hours[w.at]}
	for _, n := range w.hours {
		u.Day += n
	}
	u.Day += w.older.Day * int64(max(0, 24-w.start)) / 24
	if w.start == 0 {
		u.Hour += w.older.Hour
	}
	return u
}

func (w *window) next() {
	w.at = (w.at + 1) % 24
	w.hours[w.at] = 0
	w.start++
}

func newPlay(o Outlook) *play {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Speed == 0 {
		o.Speed = DefaultSpeed
	}
	p := &play{Outlook: o, ends: map[int64]time.Time{}}
	p.lanes, p.waiting, p.scopes = make([]playLane, len(o.Lanes)), make([]playWaiting, len(o.Waiting)), make([]playScope, len(o.Scopes))
	for i, l := range o.Lanes {
		if p.Lanes[i].Zone == nil {
			p.Lanes[i].Zone = time.UTC
		}
		p.lanes[i] = playLane{last: l.Last}
		p.lanes[i].begun.older = l.Used
		if l.Today != nil {
			p.lanes[i].day, p.lanes[i].opened, p.lanes[i].until = *l.Today, true, time.UnixMilli(l.Today.Until)
		}
	}
	for i, w := range o.Waiting {
		p.waiting[i].left = float64(w.N)
	}
	for i, s := range o.Scopes {
		p.scopes[i].begun.older = s.Used
	}
	return p
}

// waits tells whether there is anything left to send.
func (p *play) waits() bool {
	return slices.ContainsFunc(p.waiting, func(w playWaiting) bool { return w.left+w.again >= 0.5 })
}

// boundary is the end of the hour, or of a lane's day if that is sooner.
func (p *play) boundary(now time.Time) time.Time {
	next := now.Truncate(time.Hour).Add(time.Hour)
	for i := range p.Lanes {
		if _, _, until := Date(now, p.Lanes[i].Zone); until.Before(next) {
			next = until
		}
	}
	return next
}

// hour plays a part of an hour.
func (p *play) hour(now, next time.Time) {
	goesOn := next.Before(now.Truncate(time.Hour).Add(time.Hour))
	span := next.Sub(now)
	rooms, demands, of := p.demands(now, span)
	granted := Plan(rooms, demands, p.turn)
	p.turn++
	for k, n := range granted {
		if n > 0 {
			p.begin(of[k], n, demands[k].N, now, span)
		}
	}
	for i := range p.waiting {
		w := &p.waiting[i]
		w.left, w.again = w.left+w.again, 0
	}
	if goesOn {
		return
	}
	for i := range p.lanes {
		p.lanes[i].begun.next()
	}
	for i := range p.scopes {
		p.scopes[i].begun.next()
	}
}

// demands are what waits and may go in this part of an hour, and the rooms.
func (p *play) demands(now time.Time, span time.Duration) (rooms []int64, demands []Demand, of []int) {
	rooms = append(rooms, int64(float64(p.Speed)*span.Seconds()))
	for i := range p.scopes {
		rooms = append(rooms, capacity(p.Scopes[i].Limit, span, p.scopes[i].begun.used()))
	}
	laneAt := map[int]int{}
	for i, w := range p.Waiting {
		l := p.Lanes[w.Lane]
		n := int64(math.Round(p.waiting[i].left))
		if n == 0 || l.Held || now.Before(l.From) || now.Before(w.From) || w.Allowed != nil && !w.Allowed(now) {
			continue
		}
		d := Demand{Campaign: w.Campaign, Priority: w.Priority, N: n, Gates: []int{0}}
		for k, s := range p.Scopes {
			if s.Of(l.Lane, w.Campaign) {
				d.Gates = append(d.Gates, 1+k)
			}
		}
		at, ok := laneAt[w.Lane]
		if !ok {
			at = len(rooms)
			laneAt[w.Lane] = at
			rooms = append(rooms, min(p.open(w.Lane, now), capacity(l.Limit, span, p.lanes[w.Lane].begun.used())))
		}
		d.Gates = append(d.Gates, at)
		demands, of = append(demands, d), append(of, i)
	}
	return rooms, demands, of
}

// open is what the lane's cap lets through, its day opened by the first mail.
func (p *play) open(lane int, now time.Time) int64 {
	l, at := p.Lanes[lane], &p.lanes[lane]
	if l.Ramp.None() {
		return Unlimited
	}
	if !at.opened || !now.Before(at.until) {
		if at.opened && at.day.Used > 0 {
			at.last = &SendingDay{Date: at.day.Date, Step: at.day.Number, Answers: at.answers}
		}
		date, from, until := Date(now, l.Zone)
		step := l.Ramp.Next(at.last, date)
		at.day = WarmupDay{Date: date, Number: step.Number, Cap: step.Cap, Verdict: step.Verdict, Reason: step.Reason, From: from.UnixMilli(), Until: until.UnixMilli()}
		at.opened, at.until, at.answers = true, until, Answers{}
	}
	return at.day.Quota(0).Left()
}

// capacity is how many a limit lets through in a span.
func capacity(l Limit, span time.Duration, used Used) int64 {
	room := used.Room(l, 0)
	if every := l.Interval(); every > 0 {
		room = min(room, int64(span/every))
	}
	return room
}

// begin begins n mails of what waits, of wanted.
func (p *play) begin(i int, n, wanted int64, now time.Time, span time.Duration) {
	w := p.Waiting[i]
	l, at := p.Lanes[w.Lane], &p.lanes[w.Lane]
	deferred := float64(n) * l.Deferrals
	p.waiting[i].left -= float64(n)
	p.waiting[i].again += deferred
	answered := float64(n) - deferred
	hard := answered * l.Bounces
	at.day.Used += n
	at.begun.hours[at.begun.at] += n
	at.answers.Attempts += n
	at.answers.Hard += int64(math.Round(hard))
	at.answers.Deferred += int64(math.Round(deferred))
	if !l.Silent {
		at.answers.Reporting += int64(math.Round(answered - hard))
		at.answers.Complained += int64(math.Round((answered - hard) * l.Complaints))
	}
	for k, s := range p.Scopes {
		if s.Of(l.Lane, w.Campaign) {
			b := &p.scopes[k].begun
			b.hours[b.at] += n
		}
	}
	p.note(w.Lane, n, int64(math.Round(answered-hard)), now)
	// Within the hour the last one begins when its share of it is over.
	part := 1.0
	if n == wanted {
		part = min(1, float64(n)/max(1, float64(p.Speed)*span.Seconds()))
		if every := l.Limit.Interval(); every > 0 {
			part = min(1, max(part, float64(n)*every.Seconds()/span.Seconds()))
		}
	}
	if end := now.Add(time.Duration(part * float64(span))); end.After(p.ends[w.Campaign]) {
		p.ends[w.Campaign] = end
	}
}

// note adds to the day in the result.
func (p *play) note(lane int, begun, sent int64, now time.Time) {
	date, _, _ := Date(now, p.Zone)
	if n := len(p.days); n == 0 || p.days[n-1].Date != date {
		p.days = append(p.days, ForecastDay{Date: date, Lanes: make([]ForecastLane, len(p.Lanes))})
		for i, l := range p.Lanes {
			p.days[n].Lanes[i] = ForecastLane{Lane: l.Lane, Cap: Unlimited}
		}
	}
	f := &p.days[len(p.days)-1].Lanes[lane]
	f.Begun += begun
	f.Sent += sent
	if d := p.lanes[lane].day; !p.Lanes[lane].Ramp.None() {
		f.Cap, f.Step, f.Verdict, f.Reason = d.Cap, d.Number, d.Verdict, d.Reason
	}
}

func (p *play) result() Forecast {
	f := Forecast{Days: p.days, Ends: p.ends, Left: map[int64]int64{}}
	for i, w := range p.Waiting {
		if left := int64(math.Round(p.waiting[i].left + p.waiting[i].again)); left > 0 {
			f.Left[w.Campaign] += left
			delete(f.Ends, w.Campaign)
		}
	}
	for _, w := range p.Waiting { // a lane of an ended campaign may end after another's left was seen
		if f.Left[w.Campaign] > 0 {
			delete(f.Ends, w.Campaign)
		}
	}
	for _, d := range f.Days {
		for _, l := range d.Lanes {
			f.Total += l.Sent
		}
	}
	return f
}
