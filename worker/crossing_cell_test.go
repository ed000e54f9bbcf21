package worker_test

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"facteur/campaign"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/sending"
	"facteur/sending/sandbox"
	"facteur/sending/smtp"
	"facteur/subscribers"
	"facteur/subscribers/consent"
	"facteur/throttle"
)

// recipient is a person of a cell.
type recipient struct {
	id           int64
	email        string
	zone, locale string
	lists        []int // of the campaign's, by number
	chosen       bool  // by the disturbance
}

// cell is one kind of campaign under one disturbance.
type cell struct {
	kind
	box    *sandbox.Server
	domain string
	relay  int64
	lists  []int64
	people []*recipient
	id     int64 // the campaign's
	sent   int64 // before the run that is disturbed
	midway bool  // it was in the middle when it was disturbed
	at     int64 // which was then, Unix milliseconds
	lifted int64 // and that ended; 0: it does not
}

// cell writes down a campaign of a kind with all that it needs.
func (p *play) cell(k kind) *cell {
	c := &cell{kind: k, box: relayOf(p.t, p.clock.now), domain: strings.ReplaceAll(k.name, " ", "-") + ".example.com"}
	for i := range k.size {
		r := &recipient{email: fmt.Sprintf("p%d@%s", i, c.domain), lists: []int{0}}
		if i%3 == 0 {
			r.email = fmt.Sprintf("p%d@third.%s", i, c.domain)
		}
		if k.person != nil {
			k.person(i, r)
		}
		c.people = append(c.people, r)
	}
	p.write(func(ctx context.Context, tx *database.Tx) error {
		sender, err := c.sender(ctx, tx, p.engine)
		if err != nil {
			return err
		}
		if err := c.enroll(ctx, tx, p.engine); err != nil {
			return err
		}
		v := campaign.Campaign{Name: k.name, Subject: "Hello", HTML: "<p>Hello {{ name }}</p>", SenderID: sender, ListIDs: c.lists}
		if k.campaign != nil {
			k.campaign(&v)
		}
		made, err := p.campaigns.Create(ctx, tx, v)
		c.id = made.ID
		return err
	})
	return c
}

func (c *cell) sender(ctx context.Context, tx *database.Tx, e *engine) (int64, error) {
	host, port, err := net.SplitHostPort(c.box.Addr())
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return 0, err
	}
	r, err := e.senders.CreateRelay(ctx, tx, sending.Relay{Name: c.name, Host: host, Port: n, Security: smtp.None, MaxConnections: open}, nil)
	if err != nil {
		return 0, err
	}
	c.relay = r.ID
	if _, err := e.senders.CreateDomain(ctx, tx, sending.Domain{Name: c.domain, Warmup: sending.NoWarmup}); err != nil {
		return 0, err
	}
	v, err := e.senders.CreateSender(ctx, tx, sending.Sender{FromEmail: "hello@" + c.domain, PostalAddress: "1 rue de la Poste, Lyon", RelayIDs: []int64{r.ID}})
	return v.ID, err
}

// enroll makes the lists and puts everybody on theirs.
func (c *cell) enroll(ctx context.Context, tx *database.Tx, e *engine) error {
	pages := map[int][]*recipient{}
	for _, r := range c.people {
		for _, l := range r.lists {
			pages[l] = append(pages[l], r)
		}
	}
	for l := range len(pages) {
		made, err := e.people.CreateList(ctx, tx, subscribers.List{Name: fmt.Sprintf("%s %d", c.name, l)})
		if err != nil {
			return err
		}
		c.lists = append(c.lists, made.ID)
		page := make([]subscribers.Person, len(pages[l]))
		for i, r := range pages[l] {
			a, err := address.Parse(r.email)
			if err != nil {
				return err
			}
			page[i] = subscribers.Person{Address: a, Timezone: r.zone, Locale: r.locale}
		}
		enrolled, err := e.people.Enroll(ctx, tx, made.ID, page, consent.Statement{Basis: consent.OptIn, Source: "test", At: e.db.Now().Add(-time.Hour)}, false)
		if err != nil {
			return err
		}
		for i, r := range pages[l] {
			r.id = enrolled[i].ID
		}
	}
	return nil
}

func (c *cell) launch(p *play) {
	p.write(func(ctx context.Context, tx *database.Tx) error {
		_, err := p.campaigns.Launch(ctx, tx, c.id, time.Time{}, c.canary, campaign.Clearance{})
		return err
	})
	p.scheduler.Nudge()
}

// begin lets the run begin that is disturbed: slowly, and not to its end.
func (c *cell) begin(p *play) {
	if err := c.box.SetRules([]sandbox.Rule{{Fraction: 1, Action: "slow"}}); err != nil {
		p.t.Fatal(err)
	}
	p.limit(throttle.DomainScope(c.domain), throttle.Limit{PerHour: valve})
	switch {
	case c.again != nil:
		c.again(p, c)
	case !c.early:
		c.launch(p)
	}
}

// hurry lets the rest go as fast as it can.
func (c *cell) hurry(p *play) {
	if err := c.box.SetRules(nil); err != nil {
		p.t.Fatal(err)
	}
	p.write(func(ctx context.Context, tx *database.Tx) error {
		return p.pace.DropLimit(ctx, tx, throttle.DomainScope(c.domain))
	})
}
