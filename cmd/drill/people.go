package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"facteur/internal/rig"
)

// say notes a no, and until when it was surely not heard and from when it
// surely holds.
func (c *companion) say(email string, call func() bool) {
	c.mu.Lock()
	n := c.noes[email]
	if n == nil {
		n = &no{asked: time.Now()}
		c.noes[email] = n
	}
	c.mu.Unlock()
	yes := call()
	at := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if yes && n.answered.IsZero() {
		n.answered = at
	}
}

// leave lets the next person leave by the link in their mail.
func (c *companion) leave(i int) bool {
	email := c.s.address(i)
	c.say(email, func() bool { return c.leaveBy(email) })
	return i < leavers-1
}

func (c *companion) leaveBy(email string) bool {
	path, ok := c.leaving[email]
	return ok && c.post(path, url.Values{"List-Unsubscribe": {"One-Click"}})
}

// suppress forbids mail to a person, of those who were planned last.
func (c *companion) suppress(i int) bool {
	email := c.s.address(c.s.people - 1 - i)
	c.say(email, func() bool {
		return c.ask(http.MethodPost, "/suppressions", map[string]any{"email": email, "reason": "complaint"}, nil)
	})
	return i < min(leavers, c.s.people/10)
}

// upload begins an import.
func (c *companion) upload(list string, ask bool, people int, domain string) *upload {
	ctx, cancel := context.WithTimeout(c.s.ctx, calling)
	defer cancel()
	u := &upload{people: people}
	im, err := c.s.api.StartImport(ctx, list, ask, rig.CSVAt(people, domain))
	u.id, u.answered = im.ID, c.said(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.imports = append(c.imports, u)
	return u
}

// bringIn begins an import of people who have agreed.
func (c *companion) bringIn(i int) bool {
	c.upload(c.imported, false, max(500, c.s.people/10), fmt.Sprintf("imported%d.example", i))
	return i < 5
}

// pauseAndResume pauses the campaign for a moment, while which nobody is
// mailed, but those whose message had begun.
func (c *companion) pauseAndResume(i int) bool {
	id := c.followed()
	if id == "" || i == 0 {
		return true
	}
	if c.ask(http.MethodPost, "/campaigns/"+id+"/pause", nil, nil) {
		from := time.Now()
		c.s.sleep(700*time.Millisecond, 700*time.Millisecond)
		c.mu.Lock()
		c.pauses = append(c.pauses, span{from, time.Now()})
		c.mu.Unlock()
	}
	c.ask(http.MethodPost, "/campaigns/"+id+"/resume", nil, nil)
	return i < 4
}

// cancelHalved launches a campaign and ends it when half of it has gone out.
func (c *companion) cancelHalved(i int) bool {
	g := &c.halved
	if i == 0 {
		ctx, cancel := context.WithTimeout(c.s.ctx, calling)
		defer cancel()
		id, err := c.s.api.Launch(ctx, g.setup, letterHTML, "")
		c.said(err)
		c.mu.Lock()
		g.id = id
		c.mu.Unlock()
		return id != ""
	}
	if found, err := c.s.api.Campaign(c.s.ctx, g.id); err != nil || int(found.Counts.Sent) < g.people/4 && i < 6 {
		return true
	}
	return !c.cancel()
}

func (c *companion) cancel() bool {
	if !c.ask(http.MethodPost, "/campaigns/"+c.halved.id+"/cancel", map[string]any{"reason": "drill"}, nil) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancelled = time.Now()
	return true
}

// sendAgain sends again to those whom the relay had refused.
func (c *companion) sendAgain(i int) bool {
	return i == 0 || !c.ask(http.MethodPost, "/campaigns/"+c.again.id+"/resend-failed", nil, nil)
}

// finish does what could not be done while things were broken, so that
// everything comes to an end.
func (c *companion) finish() error {
	if err := c.insist("resume the campaign", func() bool {
		found, err := c.s.api.Campaign(c.s.ctx, c.followed())
		return err == nil && (found.Status != "paused" || c.ask(http.MethodPost, "/campaigns/"+found.ID+"/resume", nil, nil))
	}); err != nil {
		return err
	}
	if err := c.insist("cancel a campaign", func() bool {
		if c.halved.id == "" || !c.cancelled.IsZero() {
			return true
		}
		found, err := c.s.api.Campaign(c.s.ctx, c.halved.id)
		return err == nil && (found.Status == "sent" || found.Status == "cancelled" || c.cancel())
	}); err != nil {
		return err
	}
	if err := c.insist("send again to the failed", func() bool {
		found, err := c.s.api.Campaign(c.s.ctx, c.again.id)
		return err == nil && (found.Counts.Failed == 0 || c.ask(http.MethodPost, "/campaigns/"+c.again.id+"/resend-failed", nil, nil))
	}); err != nil {
		return err
	}
	return c.finishImports()
}

// finishImports waits for the imports that were begun.
func (c *companion) finishImports() error {
	for _, u := range c.imports {
		if !u.answered {
			continue
		}
		err := c.insist("import "+u.id, func() bool {
			im, err := c.s.api.Import(c.s.ctx, u.id)
			return err == nil && im.Status == "done" && int(im.Rows) == u.people
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// insist does something again and again, for two minutes.
func (c *companion) insist(what string, do func() bool) error {
	for begin := time.Now(); !do(); c.s.sleep(300*time.Millisecond, 300*time.Millisecond) {
		if c.s.ctx.Err() != nil || time.Since(begin) > 2*time.Minute {
			return fmt.Errorf("%s: not done after %s", what, time.Since(begin).Round(time.Second))
		}
	}
	return nil
}
