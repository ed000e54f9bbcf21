package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"facteur/internal/rig"
	"facteur/sending/sandbox"
)

const (
	leavers    = 100 // people who leave during the drill
	goneDomain = "gone.example"
	goneAtOnce = 60 // dead addresses that trip a breaker
	alarms     = "alarm@operators.example"
	calling    = 5 * time.Second // for an answer of the API
)

// companion does beside the fault what people and operators do all day: they
// sign up, ask for links, leave, import, pause, cancel and send again. What it
// was answered is a promise; what was not answered may be either.
type companion struct {
	s    *stage
	done sync.WaitGroup
	stop context.CancelFunc
	ctx  context.Context // until the drill has been played

	mu       sync.Mutex
	letters  map[string]*letter // by address
	noes     map[string]*no     // by address
	pauses   []span             // answered
	imports  []*upload
	unsaid   int // calls without an answer
	campaign string

	form, readers, invited, imported string // lists
	halved, again                    group  // campaigns: one is cancelled, one is sent again
	gone                             []rig.Setup
	leaving                          map[string]string // path of the link by address
	cancelled                        time.Time         // when it was answered
}

// group is a campaign beside the one that is drilled.
type group struct {
	setup  rig.Setup
	id     string
	people int
	domain string
}

// no is what somebody has said: it holds from its answer on.
type no struct{ asked, answered time.Time }

// upload is an import that was begun.
type upload struct {
	id       string
	people   int
	answered bool
}

// csv is the people of the campaign.
func (s *stage) csv() io.Reader { return rig.CSVAt(s.people, s.domains()...) }

func (s *stage) domains() []string {
	if s.domain == "" {
		return nil
	}
	return strings.Split(s.domain, ",")
}

// address is that of person i of the campaign.
func (s *stage) address(i int) string { return rig.Address(i, s.domains()...) }

// invite makes the company: who will leave gets a first mail, whose link is
// kept, one campaign fails, and the lists are filled.
func (s *stage) invite() (err error) {
	ctx, cancel := context.WithCancel(s.ctx)
	c := &companion{s: s, ctx: ctx, stop: cancel, letters: map[string]*letter{}, noes: map[string]*no{}, leaving: map[string]string{}}
	s.company = c
	if err := s.rules(sandbox.Rule{Match: "again.example", Fraction: 1, Action: "content"}); err != nil {
		return err
	}
	if err := c.collectLinks(); err != nil {
		return fmt.Errorf("first mails: %w", err)
	}
	for name, id := range map[string]*string{"Form": &c.form, "Readers": &c.readers, "Invited": &c.invited, "Imported": &c.imported} {
		if *id, err = s.api.List(s.ctx, name); err != nil {
			return err
		}
	}
	fill := func(list string, n int, domain string) error {
		_, err := s.api.ImportCSV(s.ctx, list, rig.CSVAt(n, domain))
		return err
	}
	if err := fill(c.readers, readers, "readers.example"); err != nil {
		return err
	}
	c.halved, c.again = group{people: max(200, s.people/5), domain: "halved.example"}, group{people: 40, domain: "again.example"}
	for _, g := range []*group{&c.halved, &c.again} {
		g.setup = s.setup
		if g.setup.List, err = s.api.List(s.ctx, g.domain); err != nil {
			return err
		}
		if err := fill(g.setup.List, g.people, g.domain); err != nil {
			return err
		}
	}
	if err := c.prepareAlarms(); err != nil {
		return err
	}
	if _, err := s.api.ImportCSV(s.ctx, s.setup.List, s.csv()); err != nil {
		return err
	}
	if c.again.id, err = s.api.Launch(s.ctx, c.again.setup, letterHTML, ""); err != nil {
		return err
	}
	if err := c.await(c.again.id, "sent"); err != nil {
		return err
	}
	s.box.Reset()
	return s.rules()
}

// collectLinks mails the people who are going to leave, and keeps their links.
func (c *companion) collectLinks() error {
	s := c.s
	if _, err := s.api.ImportCSV(s.ctx, s.setup.List, rig.CSVAt(min(leavers, s.people), s.domains()...)); err != nil {
		return err
	}
	id, err := s.api.Launch(s.ctx, s.setup, letterHTML, "")
	if err != nil {
		return err
	}
	if err := c.await(id, "sent"); err != nil {
		return err
	}
	link := regexp.MustCompile(`<https?://[^/>]+(/[^>]*u/[^>]+)>`)
	for _, m := range s.box.Messages() {
		head, err := mail.ReadMessage(bytes.NewReader(m.Raw))
		if err != nil {
			return err
		}
		found := link.FindStringSubmatch(head.Header.Get("List-Unsubscribe"))
		if found == nil {
			return fmt.Errorf("no way out in %q", head.Header.Get("List-Unsubscribe"))
		}
		c.leaving[m.To[0]] = found[1]
	}
	return nil
}

// await waits until a campaign has a status.
func (c *companion) await(id string, status string) error {
	var last string
	for begin := time.Now(); time.Since(begin) < 2*time.Minute; c.s.sleep(100*time.Millisecond, 100*time.Millisecond) {
		found, err := c.s.api.Campaign(c.s.ctx, id)
		if err == nil && found.Status == status {
			return nil
		}
		last = fmt.Sprintf("%s %s %+v %v", found.Status, found.StatusReason, found.Counts, err)
		if c.s.ctx.Err() != nil {
			return c.s.ctx.Err()
		}
	}
	return fmt.Errorf("campaign %s is not %s after 2 minutes but %s", id, status, last)
}

// start lets everything go on until halt.
func (c *companion) start() {
	every := func(pause time.Duration, do func(i int) (more bool)) {
		c.done.Go(func() {
			for i := 0; do(i); i++ {
				select {
				case <-time.After(pause):
				case <-c.ctx.Done():
					return
				}
			}
		})
	}
	every(150*time.Millisecond, c.signUp)
	every(250*time.Millisecond, c.askLink)
	every(400*time.Millisecond, c.test)
	every(100*time.Millisecond, c.leave)
	every(300*time.Millisecond, c.suppress)
	every(4*time.Second, c.alarm)
	every(5*time.Second, c.askImported)
	every(3*time.Second, c.bringIn)
	every(6*time.Second, c.pauseAndResume)
	every(time.Second, c.cancelHalved)
	every(2*time.Second, c.sendAgain)
}

// follow tells which campaign is drilled, once it is known.
func (c *companion) follow(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.campaign = id
}

func (c *companion) followed() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.campaign
}

// halt ends what start has begun.
func (c *companion) halt() {
	c.stop()
	c.done.Wait()
}

// ask calls the API once and tells whether it was answered well.
func (c *companion) ask(method, path string, body, out any) bool {
	ctx, cancel := context.WithTimeout(c.s.ctx, calling)
	defer cancel()
	return c.said(c.s.api.Call(ctx, method, path, body, out))
}

// post sends a form to a page of the recipients.
func (c *companion) post(path string, form url.Values) bool {
	ctx, cancel := context.WithTimeout(c.s.ctx, calling)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.s.api.Base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return c.said(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return c.said(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return c.said(fmt.Errorf("answer %d", res.StatusCode))
	}
	return c.said(nil)
}

func (c *companion) said(err error) bool {
	if err == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unsaid++
	return false
}
