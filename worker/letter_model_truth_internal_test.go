package worker

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"facteur/internal/database"
	"facteur/sending"
	"facteur/sending/smtp"
)

// modelRamp has the same cap on each of its days.
func modelRamp() string {
	ramp, _ := json.Marshal(slices.Repeat([]int{modelCap}, 365))
	return string(ramp)
}

// mayBegin is the model's own table of the noes that a kind goes out in spite of.
func mayBegin(kind, no string, since bool) bool {
	var passed string
	switch kind {
	case sending.AlarmLetter, sending.ProbeLetter:
		return true
	case sending.AccessLetter:
		passed = "complaint,all_mail,manual,soft_bounce,left"
	case sending.ConfirmationLetter:
		if !since {
			passed = "complaint,all_mail,left"
		}
	case sending.TestLetter, sending.SeedLetter:
		passed = "left" // of no list
	}
	return no == "" || slices.Contains(strings.Split(passed, ","), no)
}

// refused tells whether the letter's addressee has said a no that stops it for
// certain. A suppression is younger than a letter by the clock, which may have
// been put back between; that somebody has left is known by the list.
func (l *written) refused() bool {
	since := l.who.at > l.CreatedAt
	if l.who.no == "left" {
		since = l.before
	}
	return l.gone || l.who.at != l.CreatedAt && !mayBegin(l.Kind, l.who.no, since)
}

// mayBeRefused tells whether it may be stopped: a no counts as a younger one
// if it is so by the clock or in truth.
func (l *written) mayBeRefused() bool {
	return l.gone || l.who.bounced && !mayBegin(l.Kind, "hard_bounce", true) ||
		!mayBegin(l.Kind, l.who.no, l.before || l.who.at >= l.CreatedAt)
}

// hasBegun checks that a letter was right to begin, and takes note of it.
func (w *letterWorld) hasBegun(c *carried) {
	l, n := c.of, c.letter.Attempts+1
	unknown := 0
	for _, earlier := range l.tries {
		if !earlier.told {
			unknown++
		}
	}
	switch {
	case l.tries[n] != nil:
		w.Fatalf("attempt %d at a letter begins twice", n)
	case l.known:
		w.Fatalf("a letter that has arrived begins again, as attempt %d", n)
	case w.stopped:
		w.Fatal("a letter begins while all is stopped")
	case l.refused():
		w.Fatalf("a letter of kind %s begins in spite of %q (erased: %v)", l.Kind, l.who.no, l.gone)
	case unknown > 1:
		w.Fatalf("a letter is sent by machine a third time, of which nobody knows: attempt %d", n)
	case w.warm && c.date == 0:
		w.Fatal("a letter begins in no day of the warm-up")
	}
	if k := c.claim(); k.date != 0 {
		w.begunOfDay[k]++
		if !c.letter.Urgent() {
			w.invitesOfDay[k]++
		}
		if w.begunOfDay[k] > modelCap || w.invitesOfDay[k] > modelCap/5 {
			w.Fatalf("%d letters and of these %d invitations have begun on day %d, of a cap of %d", w.begunOfDay[k], w.invitesOfDay[k], k.date, modelCap)
		}
	}
	c.begun, l.tries[n] = true, c
}

// hasAnswered takes note of what was told; that a letter was taken is always believed.
func (w *letterWorld) hasAnswered(c *carried, r smtp.Result) {
	if r.Code == 0 {
		return
	}
	c.reply, c.told = r, true
	if r.Code == 250 && !c.of.gone {
		// A refusal is believed for good, but for one that was in doubt: its 250 is late.
		c.of.known = true
	}
	c.of.who.bounced = c.of.who.bounced || r.Code == 550
	if r.Code == 550 && !c.of.gone && c.of.who.no == "" && w.look(c.of).Status == "failed" {
		w.said(c.of.who, "hard_bounce")
	}
}

// said takes note of somebody's no.
func (w *letterWorld) said(p *addressee, no string) {
	p.no, p.at = no, w.clock.Load()
	for _, l := range w.letters {
		if l.who == p {
			l.before, l.gone = true, l.gone || no == "erased" && l.SubscriberID != 0
		}
	}
}

func (w *letterWorld) look(l *written) sending.Letter {
	now, err := w.senders.LetterFacts(w.ctx, l.ID)
	w.must(err)
	return now
}

// check compares each letter with what is known of it.
func (w *letterWorld) check() {
	if wrong, err := w.senders.CheckLetters(w.ctx); err != nil || len(wrong) > 0 {
		w.Fatalf("letters contradict themselves: %+v, %v", wrong, err)
	}
	for _, l := range w.letters {
		if l.gone {
			continue
		}
		now := w.look(l)
		switch {
		case l.known && now.Status != "sent":
			w.Fatalf("a letter that has arrived is %s", now.Status)
		case !l.known && now.Status == "sent":
			w.Fatal("a letter is sent of which nobody knows that it arrived")
		case (l.status == "failed" || l.status == "skipped") && now.Status != l.status && !l.known:
			w.Fatalf("a letter that was %s is %s", l.status, now.Status)
		case now.Status == "skipped" && now.Reason != "answered" && now.Reason != "expired" && !l.mayBeRefused():
			w.Fatalf("a letter of kind %s is skipped (%s) though nothing stops it", l.Kind, now.Reason)
		}
		l.status = now.Status
	}
}

// due are the letters that are offered: the first ranks first, and each whose
// time has come while its relay takes mail.
func (w *letterWorld) due() []sending.Letter {
	due, err := w.senders.DueLetters(w.ctx, true)
	w.must(err)
	if !slices.IsSortedFunc(due, func(a, b sending.Letter) int { return a.Rank - b.Rank }) {
		w.Fatal("the first ranks are not offered first")
	}
	relay, err := w.senders.Relay(w.ctx, w.relay.ID)
	w.must(err)
	if usable := relay.Usable(w.clock.Load()); !usable && len(due) > 0 {
		w.Fatal("letters are offered though their relay takes nothing")
	} else if usable {
		for _, l := range w.letters {
			if !l.gone {
				w.offered(w.look(l), due)
			}
		}
	}
	return due
}

func (w *letterWorld) offered(l sending.Letter, due []sending.Letter) {
	waits := l.Wait == 2 && l.NotBefore <= w.clock.Load() && l.Status != string(sending.Doubted)
	if waits && !slices.ContainsFunc(due, func(d sending.Letter) bool { return d.ID == l.ID }) {
		w.Fatalf("a %s letter of kind %s, whose time has come, is not offered", l.Status, l.Kind)
	}
}

// rounds are within which each letter must have an end once nothing stands in its way.
const rounds = 12

// end lifts all, lets time pass, and sees that nobody is lost.
func (w *letterWorld) end() {
	w.calm()
	w.write(func(tx *database.Tx) error {
		return w.senders.AbandonLetters(w.ctx, tx, w.process.Session(), w.clock.Load())
	})
	for range rounds {
		w.clock.Add((5 * time.Hour).Milliseconds())
		for _, l := range w.due() {
			c := w.take(l.ID)
			if c == nil {
				continue
			}
			if w.tryBegin(c); c.begun {
				w.tell(c, smtp.Result{Stage: smtp.Body, Code: 250, Text: "ok"})
			}
		}
		w.check()
	}
	w.latest()
	for _, l := range w.letters {
		if l.gone {
			continue
		}
		now := w.look(l)
		if done := slices.Contains([]string{"sent", "failed", "skipped"}, now.Status); !done && (!now.Held() || now.Reason == "" || now.Doubts == 0) {
			w.Fatalf("a letter of kind %s is lost: %s, waits for %d (%s)", l.Kind, now.Status, now.Wait, now.Reason)
		}
	}
}
