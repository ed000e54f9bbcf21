package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"facteur/internal/rig"
	"facteur/sending/sandbox"
)

// patience is for the end of everything once nothing is broken any more.
const patience = 3 * time.Minute

// awaitEnd waits for the end of all campaigns and letters.
func (s *stage) awaitEnd(r *result) error {
	deadline := time.Now().Add(patience)
	ids := []string{s.campaign}
	if c := s.company; c != nil {
		ids = append(ids, c.halved.id, c.again.id)
	}
	for _, id := range ids {
		for id != "" {
			c, err := s.api.Campaign(s.ctx, id)
			if err == nil && (c.Status == "sent" || c.Status == "cancelled" && c.Counts.Queued+c.Counts.Sending+c.Counts.Deferred == 0) {
				break
			}
			if s.ctx.Err() != nil {
				return s.ctx.Err()
			}
			if time.Now().After(deadline) {
				r.fault("campaign %s has not ended %s after the last event: %s %s %+v %v", id, patience, c.Status, c.StatusReason, c.Counts, err)
				break
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
	if s.company != nil {
		s.company.arrivedLetters(time.Minute)
	}
	return nil
}

// arrival is a mail as the sandbox had it.
type arrival struct {
	at time.Time
	id string // Message-ID
}

// arrivals reads what came since the launch, by address.
func (s *stage) arrivals() (map[string][]arrival, error) {
	if err := s.box.Close(); err != nil { // the log is complete then
		return nil, err
	}
	f, err := os.Open(s.log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	all := map[string][]arrival{}
	err = sandbox.ReadLog(f, func(d sandbox.Delivery) bool {
		if at := time.UnixMilli(d.First); !at.Before(s.launched.Truncate(time.Millisecond)) {
			all[d.Recipient] = append(all[d.Recipient], arrival{at, d.MessageID})
		}
		return true
	})
	return all, err
}

// count compares the books with what arrived.
func (s *stage) count(r *result) error {
	n := s.box.Count()
	if s.lost != nil {
		s.bound += s.lost(s)
	}
	r.events, r.bound, r.open = s.events, s.bound, n.MaxOpen
	r.notes, r.faults = append(r.notes, s.notes...), append(r.faults, s.faults...)
	if n.Mistakes > 0 {
		r.fault("%d mistakes in our SMTP", n.Mistakes)
	}
	all, err := s.arrivals()
	if err != nil {
		return err
	}
	if err := s.countCampaign(r, all, s.campaign, s.people, s.address); err != nil {
		return err
	}
	if c := s.company; c != nil {
		if err := c.count(r, all); err != nil {
			return err
		}
	}
	s.countExtras(r, all)
	if s.drill.check != nil {
		return s.drill.check(s, r, all)
	}
	return nil
}

// countExtras looks at everything that came more than once.
func (s *stage) countExtras(r *result, all map[string][]arrival) {
	for email, came := range all {
		ids := map[string]bool{}
		for _, a := range came {
			ids[a.id] = true
		}
		if len(ids) > 1 && email != alarms {
			r.fault("%s got a mail under %d Message-IDs", email, len(ids))
		}
		if email == alarms {
			r.extra += len(came) - len(ids)
		} else {
			r.extra += len(came) - 1
		}
	}
	if r.extra > r.bound {
		r.fault("%d extras, at most %d could be", r.extra, r.bound)
	}
}

// countCampaign looks for everybody of a campaign.
func (s *stage) countCampaign(r *result, all map[string][]arrival, id string, people int, address func(int) string) error {
	c, err := s.api.Campaign(s.ctx, id)
	if err != nil {
		return err
	}
	doubted, err := s.api.Deliveries(s.ctx, id, "doubted=true")
	if err != nil {
		return err
	}
	held, err := s.api.Deliveries(s.ctx, id, "status=uncertain")
	if err != nil {
		return err
	}
	skipped, err := s.api.Deliveries(s.ctx, id, "status=skipped")
	if err != nil {
		return err
	}
	sent, unsent, may, missing := 0, 0, len(held), []string{}
	for _, d := range skipped {
		if d.Doubts > 0 {
			may++ // said no while it was in doubt
		}
	}
	for i := range people {
		email := address(i)
		came := len(all[email])
		if came > 1 {
			if _, ok := doubted[email]; ok {
				r.listed += came - 1
			} else {
				r.fault("%s got %d mails and is not listed as doubted", email, came)
			}
		}
		_, waits := held[email]
		switch {
		case came > 0:
			sent++
		case waits:
			unsent++
			if held[email].Doubts < 2 && !s.holds {
				r.fault("%s is held after one doubt: %+v", email, held[email])
			}
		case s.saidNo(email):
		default:
			missing = append(missing, email)
		}
	}
	r.balance(c.Counts.Balanced(), "campaign %s: the books are off: %+v", id, c.Counts)
	if c.Status == "cancelled" {
		return nil // whom it had not reached is skipped
	}
	r.people, r.sent, r.held, r.unsent, r.lost = r.people+people, r.sent+sent, r.held+len(held), r.unsent+unsent, r.lost+len(missing)
	if len(missing) > 0 {
		states, err := s.api.Deliveries(s.ctx, id, "status=")
		r.fault("%d lost, such as %s: %+v %v", len(missing), missing[0], states[missing[0]], err)
	}
	// Whose answer is known arrived; who is held, or said no in doubt, may have.
	if known := int(c.Counts.Sent); known > sent || known+may < sent {
		r.fault("campaign %s: %d arrived, the books say %+v", id, sent, c.Counts)
	}
	return nil
}

func (r *result) balance(ok bool, format string, args ...any) {
	if !ok {
		r.fault(format, args...)
	}
}

func (s *stage) saidNo(email string) bool {
	if s.company == nil {
		return false
	}
	_, ok := s.company.noes[email]
	return ok
}

// count looks at what went on beside the campaign.
func (c *companion) count(r *result, all map[string][]arrival) error {
	if c.unsaid > 0 {
		r.notes = append(r.notes, fmt.Sprintf("%d calls without an answer", c.unsaid))
	}
	for _, g := range []group{c.halved, c.again} {
		if g.id == "" {
			continue
		}
		if err := c.s.countCampaign(r, all, g.id, g.people, func(i int) string { return rig.Address(i, g.domain) }); err != nil {
			return err
		}
	}
	c.countSilences(r, all)
	if err := c.countNoes(r, all); err != nil {
		return err
	}
	return c.countLetters(r, all)
}

// countSilences looks for mail during a pause and after a cancellation.
func (c *companion) countSilences(r *result, all map[string][]arrival) {
	within := func(people int, address func(int) string, quiet span) (n int) {
		for i := range people {
			for _, a := range all[address(i)] {
				if quiet.holds(a.at) {
					n++
				}
			}
		}
		return n
	}
	for _, p := range c.pauses {
		if n := within(c.s.people, c.s.address, p); n > c.s.maxOpen {
			r.fault("%d arrived during a pause, %d could have begun", n, c.s.maxOpen)
		}
	}
	if !c.cancelled.IsZero() {
		after := span{c.cancelled, time.Now()}
		n := within(c.halved.people, func(i int) string { return rig.Address(i, c.halved.domain) }, after)
		if n > c.s.maxOpen {
			r.fault("%d arrived after a cancellation, %d could have begun", n, c.s.maxOpen)
		}
	}
}

// countNoes looks for mail that began after a no was answered.
func (c *companion) countNoes(r *result, all map[string][]arrival) error {
	var late []string
	for email, n := range c.noes {
		if n.answered.IsZero() {
			continue
		}
		r.noes++
		if slices.ContainsFunc(all[email], func(a arrival) bool { return a.at.After(n.answered.Add(time.Millisecond)) }) {
			late = append(late, email)
		}
	}
	if len(late) == 0 {
		return nil
	}
	began, err := c.s.api.Deliveries(c.s.ctx, c.s.campaign, "status=")
	if err != nil {
		return err
	}
	for _, email := range late {
		n := c.noes[email]
		if d, ok := began[email]; ok && d.BegunAt != nil && !c.s.off {
			if d.BegunAt.After(n.answered) {
				r.against++
				r.fault("%s said no, which was answered at %s, and was begun at %s", email, clockTime(n.answered), clockTime(*d.BegunAt))
			}
			continue
		}
		for _, a := range all[email] { // of letters no begin is known: they end within a moment
			graceful := slices.ContainsFunc(c.s.grace, func(g span) bool { return g.holds(a.at) })
			if a.at.After(n.answered.Add(2*time.Second)) && !graceful {
				r.against++
				r.fault("%s said no, which was answered at %s, and was mailed at %s", email, clockTime(n.answered), clockTime(a.at))
			}
		}
	}
	return nil
}

func clockTime(t time.Time) string { return t.UTC().Format("15:04:05.000") }

// countLetters looks for the letters that were promised.
func (c *companion) countLetters(r *result, all map[string][]arrival) error {
	missing := map[string]int{}
	example := map[string]string{}
	for email, l := range c.letters {
		if !l.answered {
			continue
		}
		r.letters++
		if len(all[email]) > 0 || c.noes[email] != nil {
			continue
		}
		fate, err := c.fate(email)
		if err != nil {
			return err
		}
		if strings.Contains(fate, "uncertain") {
			r.heldLetters++
			continue
		}
		r.mislaid++
		missing[l.kind]++
		example[l.kind] = email + ": " + fate
	}
	for _, kind := range slices.Sorted(maps.Keys(missing)) {
		r.fault("%d of the kind %s mislaid, such as %s", missing[kind], kind, example[kind])
	}
	due, err := c.alarmsDue()
	if err != nil {
		return err
	}
	ids := map[string]bool{}
	for _, a := range all[alarms] {
		ids[a.id] = true
	}
	r.letters += due
	if len(ids) < due {
		r.mislaid += due - len(ids)
		r.fault("%d alarms mislaid of %d", due-len(ids), due)
	}
	return nil
}
