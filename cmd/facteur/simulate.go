package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"facteur/throttle"
)

// simulateCmd plays weeks of mailings by the core that paces the real ones.
type simulateCmd struct {
	Recipients int64    `help:"People on the list." default:"100000"`
	Growth     float64  `help:"By how much the list grows in a day, percent." default:"0" placeholder:"PERCENT"`
	Days       int      `help:"How many days are played." default:"30"`
	Every      int      `help:"A campaign to the whole list each so many days; 0: one alone." default:"0" placeholder:"DAYS"`
	Start      string   `help:"The first day." placeholder:"YYYY-MM-DD"`
	Zone       string   `help:"Where days begin." default:"UTC" placeholder:"ZONE"`
	Warmup     string   `help:"conservative, none, or your own caps of the first sending days, such as 100,200,400." default:"conservative" placeholder:"RAMP"`
	Shares     []string `help:"How many percent of the people are at which provider." default:"google=45,microsoft=20,yahoo=10,apple=5,other=20" sep:"," placeholder:"NAME=PERCENT"`
	Bounces    float64  `help:"Addresses that are gone, percent." default:"0.5" placeholder:"PERCENT"`
	Complaints float64  `help:"Complaints over accepted mails, percent." default:"0.02" placeholder:"PERCENT"`
	Deferrals  float64  `help:"Mails put off and tried again, percent." default:"1" placeholder:"PERCENT"`
	PerSecond  int64    `help:"Limit over all lanes, mails a second; 0: none." default:"0" placeholder:"N"`
	PerDay     int64    `help:"Limit of each lane, mails in 24 hours; 0: none." default:"0" placeholder:"N"`
	From       int      `help:"No mail before this hour." default:"0" placeholder:"HOUR"`
	Until      int      `help:"No mail from this hour on." default:"24" placeholder:"HOUR"`
	Format     string   `help:"table, json or svg." default:"table" enum:"table,json,svg"`
	Out        string   `help:"Write to this file." type:"path" placeholder:"FILE"`
}

// Help shows an example.
func (simulateCmd) Help() string {
	return "Example:\n  facteur simulate --recipients 200000 --days 30 --bounces 1 --format svg --out warmup.svg"
}

// Run plays and prints.
func (c *simulateCmd) Run(*Config) error {
	o, err := c.outlook()
	if err != nil {
		return err
	}
	f := o.Play()
	var out io.Writer = os.Stdout
	if c.Out != "" {
		file, err := os.Create(c.Out)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // what matters is checked below
		out = file
	}
	switch c.Format {
	case "json":
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(simulationOf(o, f))
	case "svg":
		return drawForecast(out, f, fmt.Sprintf("%s people, %s, %d days", thousands(float64(c.Recipients)), c.Warmup, c.Days))
	}
	return c.table(out, o, f)
}

// outlook is what the flags describe; errors name the flag.
func (c *simulateCmd) outlook() (o throttle.Outlook, err error) {
	for flag, ok := range map[string]bool{
		"--recipients: want 1 to 1,000,000,000": c.Recipients >= 1 && c.Recipients <= 1e9, "--days: want 1 to 3650": c.Days >= 1 && c.Days <= 3650, "--every: want 0 or more": c.Every >= 0,
		"--growth: want -50 to 100": c.Growth >= -50 && c.Growth <= 100, "--from, --until: want hours from 0 to 24, the first before the second": c.From >= 0 && c.From < c.Until && c.Until <= 24,
		"--bounces, --complaints, --deferrals: want 0 to 100": min(c.Bounces, c.Complaints, c.Deferrals) >= 0 && max(c.Bounces, c.Complaints, c.Deferrals) <= 100,
		"--per-second, --per-day: want 0 or more":             c.PerSecond >= 0 && c.PerDay >= 0,
	} {
		if !ok {
			return o, fmt.Errorf("%s", flag)
		}
	}
	if o.Zone, err = time.LoadLocation(c.Zone); err != nil {
		return o, fmt.Errorf("--zone %q: want an IANA name such as Europe/Paris", c.Zone)
	}
	y, m, d := time.Now().In(o.Zone).Date()
	o.Start, o.Days = time.Date(y, m, d, 0, 0, 0, 0, o.Zone), c.Days
	if c.Start != "" {
		if o.Start, err = time.ParseInLocation(time.DateOnly, c.Start, o.Zone); err != nil {
			return o, fmt.Errorf("--start %q: want a day such as 2026-12-01", c.Start)
		}
	}
	ramp, err := c.ramp()
	if err != nil {
		return o, err
	}
	shares, err := c.shares()
	if err != nil {
		return o, err
	}
	for _, s := range shares {
		o.Lanes = append(o.Lanes, throttle.OutlookLane{
			Lane: throttle.Lane{Domain: "example.com", Provider: s.provider}, Ramp: ramp, Zone: o.Zone, Limit: throttle.Limit{PerDay: c.PerDay},
			Bounces: c.Bounces / 100, Complaints: c.Complaints / 100, Deferrals: c.Deferrals / 100, Silent: !throttle.DefaultProviders().Reports(s.provider),
		})
	}
	if c.PerSecond > 0 {
		o.Scopes = append(o.Scopes, throttle.OutlookScope{Limit: throttle.Limit{PerSecond: c.PerSecond}, Of: func(throttle.Lane, int64) bool { return true }})
	}
	var allowed func(time.Time) bool
	if zone := o.Zone; c.From > 0 || c.Until < 24 {
		allowed = func(t time.Time) bool { h := t.In(zone).Hour(); return h >= c.From && h < c.Until }
	}
	c.wait(&o, shares, allowed)
	return o, nil
}

// wait lets each campaign wait for its day.
func (c *simulateCmd) wait(o *throttle.Outlook, shares []providerShare, allowed func(time.Time) bool) {
	people := float64(c.Recipients)
	campaign := int64(0)
	for day := range c.Days {
		if day == 0 || c.Every > 0 && day%c.Every == 0 {
			campaign++
			for i, s := range shares {
				o.Waiting = append(o.Waiting, throttle.Waiting{Campaign: campaign, Lane: i, N: int64(people * s.share), From: o.Start.AddDate(0, 0, day), Allowed: allowed})
			}
		}
		people *= 1 + c.Growth/100
	}
}

func (c *simulateCmd) ramp() (throttle.Ramp, error) {
	switch c.Warmup {
	case "conservative":
		return throttle.Conservative(), nil
	case "none":
		return throttle.Ramp{}, nil
	}
	var r throttle.Ramp
	for text := range strings.SplitSeq(c.Warmup, ",") {
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil || n < 1 || len(r.Steps) > 0 && n < r.Steps[len(r.Steps)-1] {
			return r, fmt.Errorf("--warmup %q: want conservative, none, or caps that do not fall, such as 100,200,400", c.Warmup)
		}
		r.Steps = append(r.Steps, n)
	}
	return r, nil
}

// providerShare is which share of the people is at a provider.
type providerShare struct {
	provider string
	share    float64
}

func (c *simulateCmd) shares() ([]providerShare, error) {
	var all []providerShare
	sum := 0.0
	for _, text := range c.Shares {
		name, number, _ := strings.Cut(text, "=")
		percent, err := strconv.ParseFloat(number, 64)
		if err != nil || percent <= 0 || !throttle.DefaultProviders().Known(name) {
			return nil, fmt.Errorf("--shares %q: want provider=percent, the provider one of %s", text, strings.Join(throttle.DefaultProviders().Names(), ", "))
		}
		all, sum = append(all, providerShare{name, percent / 100}), sum+percent
	}
	if sum > 100.01 {
		return nil, fmt.Errorf("--shares: they are %g%% together: want at most 100", sum)
	}
	return all, nil
}

// simulation is the result as JSON.
type simulation struct {
	Days []simulatedDay    `json:"days"`
	Ends map[string]string `json:"ends"`
	Left map[string]int64  `json:"left"`
	Sent int64             `json:"sent"`
}

type simulatedDay struct {
	Date      string              `json:"date"`
	Providers []simulatedProvider `json:"providers"`
}

type simulatedProvider struct {
	Provider string `json:"provider"`
	Cap      *int64 `json:"cap"`
	Begun    int64  `json:"begun"`
	Sent     int64  `json:"sent"`
	Because  string `json:"because,omitempty"`
}

func simulationOf(o throttle.Outlook, f throttle.Forecast) simulation {
	s := simulation{Days: []simulatedDay{}, Ends: map[string]string{}, Left: map[string]int64{}, Sent: f.Total}
	for id, at := range f.Ends {
		s.Ends[strconv.FormatInt(id, 10)] = at.In(o.Zone).Format(time.RFC3339)
	}
	for id, n := range f.Left {
		s.Left[strconv.FormatInt(id, 10)] = n
	}
	for _, d := range f.Days {
		day := simulatedDay{Date: throttle.DayTime(d.Date).Format(time.DateOnly)}
		for _, l := range d.Lanes {
			p := simulatedProvider{Provider: l.Provider, Begun: l.Begun, Sent: l.Sent, Because: l.Reason}
			if l.Cap != throttle.Unlimited {
				p.Cap = &l.Cap
			}
			day.Providers = append(day.Providers, p)
		}
		s.Days = append(s.Days, day)
	}
	return s
}

// table prints a line a day: what each provider gets of its cap, and why a
// step was not taken.
func (c *simulateCmd) table(out io.Writer, o throttle.Outlook, f throttle.Forecast) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "day\t")
	for _, l := range o.Lanes {
		fmt.Fprintf(w, "%s\t", l.Provider)
	}
	fmt.Fprint(w, "sum\t\n")
	var notes []string
	for _, d := range f.Days {
		date, sum := throttle.DayTime(d.Date).Format(time.DateOnly), int64(0)
		fmt.Fprintf(w, "%s\t", date)
		for _, l := range d.Lanes {
			sum += l.Begun
			if l.Cap == throttle.Unlimited {
				fmt.Fprintf(w, "%d\t", l.Begun)
			} else {
				fmt.Fprintf(w, "%d/%d\t", l.Begun, l.Cap)
			}
			if l.Verdict == throttle.Held || l.Verdict == throttle.Back {
				notes = append(notes, fmt.Sprintf("%s %s %s", date, l.Provider, l.Reason))
			}
		}
		fmt.Fprintf(w, "%d\t\n", sum)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nMails begun, of each day's cap; 5% of it are kept for confirmations and tests.")
	for _, n := range notes[:min(10, len(notes))] {
		fmt.Fprintln(out, n)
	}
	if len(notes) > 10 {
		fmt.Fprintf(out, "and %d more days without a step up\n", len(notes)-10)
	}
	campaigns := map[int64]bool{}
	for _, waiting := range o.Waiting {
		if id := waiting.Campaign; !campaigns[id] {
			campaigns[id] = true
			if at, ok := f.Ends[id]; ok {
				fmt.Fprintf(out, "Campaign %d ends on %s.\n", id, at.In(o.Zone).Format("Monday, 2 January 2006, 15:04"))
			} else {
				fmt.Fprintf(out, "Campaign %d does not end within %d days: %d mails are left.\n", id, c.Days, f.Left[id])
			}
		}
	}
	return nil
}
