package worker_test

import (
	"context"
	"time"

	"facteur/campaign"
	"facteur/sending/sandbox"
)

// kind is what a campaign is like.
type kind struct {
	name  string
	is    string // what it is, in words
	holds string // what holds for it under every disturbance

	size     int
	person   func(i int, r *recipient)
	campaign func(c *campaign.Campaign)
	canary   campaign.Canary
	early    bool                    // launched in the evening
	first    func(p *play, c *cell)  // a run before the one that is disturbed
	again    func(p *play, c *cell)  // which begins that one, instead of a launch
	hours    func(at time.Time) bool // may somebody be mailed, by their own clock
	truth    func(f *finding)        // what holds of the whole, see [kind.holds]
}

// kinds are the rows of the table.
func kinds() []kind {
	return []kind{
		{name: "plain", is: "sent at once to one list", holds: "nothing more", size: 40},
		{
			name: "timed", is: "at nine o'clock where each person lives (`local_time`)", holds: "nobody is mailed before nine of their own day, on later days either",
			size: 60, person: scattered, early: true,
			campaign: func(c *campaign.Campaign) {
				c.Calendar = campaign.Calendar{LocalTime: "09:00", Timezone: "Asia/Kolkata"}
			},
			hours: func(at time.Time) bool { return at.Hour() >= 9 },
		},
		{
			name: "quiet", is: "with quiet hours from nine in the evening to eight", holds: "nobody is mailed in their quiet hours",
			size: 60, person: scattered,
			campaign: func(c *campaign.Campaign) {
				c.Calendar = campaign.Calendar{QuietFrom: "21:00", QuietTo: "08:00", Timezone: "Asia/Kolkata"}
			},
			hours: func(at time.Time) bool { return at.Hour() >= 8 && at.Hour() < 21 },
		},
		{
			name: "canary", is: "half of it a canary, with ten minutes of waiting", holds: "the others are mailed when ten of the canary have been answered and ten minutes have passed, not before; and if they are not, it has not passed",
			size: 60, canary: campaign.Canary{Percent: 50, Wait: 10 * time.Minute}, truth: canaryTruth,
		},
		{
			name: "timed canary", is: "both: half of it a canary, at nine o'clock where each lives", holds: "what holds for the two",
			size: 60, person: scattered, early: true, canary: campaign.Canary{Percent: 50, Wait: 10 * time.Minute},
			campaign: nineOClock, hours: fromNine, truth: canaryTruth,
		},
		{
			name: "lists", is: "to three lists, with people on several of them", holds: "one mail for each person, by the lists on which they still are",
			size: 45, person: func(i int, r *recipient) { r.lists = [][]int{{0}, {1}, {0, 1}, {0, 1, 2}, {2}}[i%5] },
		},
		{
			name: "translated", is: "in English, French and German", holds: "everybody gets it in their language",
			size: 40, person: func(i int, r *recipient) { r.locale = []string{"", "fr-FR", "de", "en-GB"}[i%4] },
			campaign: func(c *campaign.Campaign) {
				c.Language = "en"
				c.Translations = map[string]campaign.Content{"fr": {Subject: "Bonjour", HTML: "<p>Bonjour</p>"}, "de": {Subject: "Guten Tag", HTML: "<p>Guten Tag</p>"}}
			},
			truth: languageTruth,
		},
		{
			name: "resend", is: "sent before; two thirds failed, and are sent again", holds: "who got it in the first run gets nothing in the second",
			size: 60, first: firstRun, again: secondRun, truth: secondTruth,
		},
	}
}

func nineOClock(c *campaign.Campaign) {
	c.Calendar = campaign.Calendar{LocalTime: "09:00", Timezone: "Asia/Kolkata"}
}

func fromNine(at time.Time) bool { return at.Hour() >= 9 }

// scattered lets people live in several zones, and some nobody knows where.
func scattered(i int, r *recipient) {
	r.zone = []string{"Asia/Tokyo", "Europe/Paris", "Asia/Tokyo", "America/New_York", ""}[i%5]
}

// firstRun sends a campaign whose relay does not like most of it.
func firstRun(p *play, c *cell) {
	rules := []sandbox.Rule{{Match: "third." + c.domain, Fraction: 1, Action: "accept"}, {Fraction: 1, Action: "content"}}
	if err := c.box.SetRules(rules); err != nil {
		p.t.Fatal(err)
	}
	c.launch(p)
	c.sent = p.engine.sent(c.id, patience).Sent
}

func secondRun(p *play, c *cell) {
	n, err := p.campaigns.ResendFailed(context.Background(), c.id)
	if err != nil || n != int64(c.size)-c.sent {
		p.t.Fatalf("%d sent again, %v", n, err)
	}
}
