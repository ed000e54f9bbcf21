package main

import (
	"fmt"
	"strings"
)

// result is a drill's line in the table.
type result struct {
	name, engine         string
	people, events       int
	sent, held           int
	unsent, lost         int
	extra, bound, listed int
	letters, mislaid     int // asked for and answered; of these, neither arrived nor held
	heldLetters          int
	noes, against        int // answered; mails that began after it
	open                 int // connections at once, at most
	seconds              float64
	notes                []string
	faults               []string
}

func (r *result) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

const legend = `people: of the campaigns that run to their end. Beside the drilled one go: sign-ups by a form, links to choices, test mails, alarms, invitations of an import (letters: those that were answered), people who leave and are suppressed (noes: answered ones),
pauses and resumes, a campaign that is cancelled half way, one whose failed are sent again, and imports.
sent: arrived. held: in doubt and waiting for a person's word, named by GET …/deliveries?status=uncertain; not sent: those of them who have not got it. lost: neither sent nor held, without having said no.
extra: arrived again, of all campaigns and letters. bound: connections open at the events that may leave something in doubt. listed: the campaigns' extras that GET …/deliveries?doubted=true names.
mislaid: letters that neither arrived nor are held. against: mails begun after the answer to a no.

| drill | engine | people | events | sent | held | not sent | lost | extra | bound | listed | letters | held | mislaid | noes | against | seconds | verdict |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|`

func (r result) String() string {
	verdict := "good"
	if len(r.faults) > 0 {
		verdict = "FAILED: " + strings.ReplaceAll(strings.Join(r.faults, "; "), "\n", " ")
	}
	if len(r.notes) > 0 {
		verdict += " (" + strings.Join(r.notes, "; ") + ")"
	}
	line := fmt.Sprintf("| %s | %s |", r.name, r.engine)
	for _, n := range []int{
		r.people, r.events, r.sent, r.held, r.unsent, r.lost, r.extra, r.bound, r.listed, r.letters, r.heldLetters, r.mislaid, r.noes, r.against, int(r.seconds),
	} {
		line += fmt.Sprintf(" %d |", n)
	}
	return line + " " + verdict + " |"
}
