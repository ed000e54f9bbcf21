package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"facteur/internal/rig"
)

// Letters that a drill asks for at most, of each kind.
const (
	readers    = 150
	signUps    = 200
	tests      = 80
	invitedOne = 40 // people of an import who are asked
	rings      = 3  // alarms
)

// letter is a one-off mail that was asked for.
type letter struct {
	kind     string
	answered bool // it must arrive
}

// owe notes a letter before it is asked for; one that was answered must arrive.
func (c *companion) owe(kind, email string) *letter {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &letter{kind: kind}
	c.letters[email] = l
	return l
}

func (c *companion) promised(l *letter, yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.answered = yes
}

// signUp fills in the form of a list; a confirmation is due.
func (c *companion) signUp(i int) bool {
	email := fmt.Sprintf("signup%04d@forms.example", i)
	l := c.owe("confirmation", email)
	c.promised(l, c.post("/subscribe/"+c.form, url.Values{"email": {email}}))
	return i < signUps
}

// askLink asks for a link to one's choices; a letter is due.
func (c *companion) askLink(i int) bool {
	email := rig.Address(i, "readers.example")
	l := c.owe("access link", email)
	c.promised(l, c.post("/p", url.Values{"email": {email}}))
	return i < readers-1
}

// test asks for a test mail of the campaign.
func (c *companion) test(i int) bool {
	id := c.followed()
	if id == "" {
		return true
	}
	email := fmt.Sprintf("test%04d@tests.example", i)
	l := c.owe("test", email)
	c.promised(l, c.ask(http.MethodPost, "/campaigns/"+id+"/test", map[string]any{"to": []string{email}}, nil))
	return i < tests
}

// askImported brings in people who are asked for their yes, and suppresses one
// in five of them before their turn may have come.
func (c *companion) askImported(i int) bool {
	domain := fmt.Sprintf("invited%d.example", i)
	u := c.upload(c.invited, true, invitedOne, domain)
	for n := range invitedOne {
		email := rig.Address(n, domain)
		c.promised(c.owe("invitation", email), u.answered)
		if n%5 == 0 && u.answered && c.ctx.Err() == nil {
			c.say(email, func() bool {
				return c.ask(http.MethodPost, "/suppressions", map[string]any{"email": email, "reason": "manual"}, nil)
			})
		}
	}
	return i < 3
}

// prepareAlarms makes campaigns to dead addresses, each of a sending domain of
// its own: their breakers trip.
func (c *companion) prepareAlarms() (err error) {
	s := c.s
	for i := range rings {
		setup := s.setup
		if setup.Sender, err = s.api.Sender(s.ctx, s.setup, fmt.Sprintf("alarm%d.example.com", i)); err != nil {
			return err
		}
		if setup.List, err = s.api.List(s.ctx, fmt.Sprintf("Gone %d", i)); err != nil {
			return err
		}
		if _, err := s.api.ImportCSV(s.ctx, setup.List, rig.CSVAt(goneAtOnce, fmt.Sprintf("n%d.%s", i, goneDomain))); err != nil {
			return err
		}
		c.gone = append(c.gone, setup)
	}
	return nil
}

// alarm launches one of them.
func (c *companion) alarm(i int) bool {
	if i >= len(c.gone) {
		return false
	}
	ctx, cancel := context.WithTimeout(c.s.ctx, calling)
	defer cancel()
	_, err := c.s.api.Launch(ctx, c.gone[i], letterHTML, "")
	c.said(err)
	return true
}

// alarmsDue is how many alarms there must have been: one at least for each
// breaker that is not in its ordinary state.
func (c *companion) alarmsDue() (n int, err error) {
	var all struct {
		Breakers []struct {
			State string `json:"state"`
		} `json:"breakers"`
	}
	err = c.s.api.Call(c.s.ctx, http.MethodGet, "/breakers", nil, &all)
	for _, b := range all.Breakers {
		if b.State != "ok" {
			n++
		}
	}
	return n, err
}

// fate is what the books say about the letters to an address: their states.
func (c *companion) fate(email string) (string, error) {
	if strings.HasSuffix(email, "@tests.example") {
		return c.fateOfTest(email)
	}
	var found struct {
		Items []struct {
			ID string `json:"id"`
		} `json:"items"`
	}
	if err := c.s.api.Call(c.s.ctx, http.MethodGet, "/subscribers?email="+url.QueryEscape(email), nil, &found); err != nil {
		return "", err
	}
	if len(found.Items) == 0 {
		return "nobody is known by this address", nil
	}
	var person struct {
		Letters []struct {
			Kind, Status string
			At           json.RawMessage
		} `json:"letters"`
	}
	if err := c.s.api.Call(c.s.ctx, http.MethodGet, "/subscribers/"+found.Items[0].ID+"/export", nil, &person); err != nil {
		return "", err
	}
	var states []string
	for _, l := range person.Letters {
		states = append(states, l.Kind+" "+l.Status)
	}
	return strings.Join(states, ", "), nil
}

func (c *companion) fateOfTest(email string) (string, error) {
	var found struct {
		Items []struct{ Email, Status string } `json:"items"`
	}
	err := c.s.api.Call(c.s.ctx, http.MethodGet, "/campaigns/"+c.s.campaign+"/letters?limit=500", nil, &found)
	for _, l := range found.Items {
		if l.Email == email {
			return "test " + l.Status, err
		}
	}
	return "no letter is known", err
}

// arrivedLetters waits until every letter that was promised has come, nothing
// more has come for a while, or the time is over.
func (c *companion) arrivedLetters(most time.Duration) {
	quiet := time.Now()
	for begin := time.Now(); time.Since(begin) < most && c.s.ctx.Err() == nil; c.s.sleep(200*time.Millisecond, 200*time.Millisecond) {
		missing := 0
		c.mu.Lock()
		for email, l := range c.letters {
			if l.answered && c.noes[email] == nil && len(c.s.box.Of(email)) == 0 {
				missing++
			}
		}
		c.mu.Unlock()
		due, err := c.alarmsDue()
		if err != nil || missing > 0 || len(c.s.box.Of(alarms)) < due {
			quiet = time.Now()
			continue
		}
		if time.Since(quiet) > time.Second {
			return
		}
	}
}
