package worker

import (
	"context"
	"slices"
	"time"

	"facteur/sending"
	"facteur/subscribers"
	"facteur/unsubscribe"
)

// passes says which noes a kind of letter goes out in spite of: the one table
// of it. What is not named holds the letter back, whatever the kind.
func passes(kind string, no subscribers.No) bool {
	said := func(reasons ...string) bool { return slices.Contains(reasons, no.Reason) }
	switch kind {
	case sending.AlarmLetter, sending.ProbeLetter:
		return true // to the operators, or to ourselves: an alarm that is held back is none
	case sending.AccessLetter:
		// Whoever said no has a right to see and change what is kept, and has just asked for it. An address
		// that does not exist cannot be reached, and mail to it costs everybody else's reputation.
		return said(subscribers.Complaint, subscribers.AllMail, subscribers.Manual, subscribers.SoftBounce, subscribers.Left, subscribers.Erased)
	case sending.ConfirmationLetter:
		// Asked for by form: this mail is how one comes back after a no of one's own. A no said since is the
		// younger word; an operator's word and a dead address are not the person's to take back.
		return !no.Since && said(subscribers.Complaint, subscribers.AllMail, subscribers.Left, subscribers.Erased)
	}
	// AlreadyLetter: it tells nothing to who has left since. TestLetter, SeedLetter: to whom they go is the
	// operator's choice, and never outweighs the addressee's. InvitationLetter: nobody has asked for it.
	return false
}

// answered is the reason to skip a letter that asks for a yes which has been given.
const answered = "answered"

// refusal says why a letter must not go out, as its addressee stands now; "" when it may.
func refusal(l sending.Letter, s subscribers.Standing, now time.Time) string {
	for _, no := range s.Noes {
		if !passes(l.Kind, no) {
			return no.Reason
		}
	}
	if l.SubscriberID != 0 && now.Sub(time.UnixMilli(l.CreatedAt)) > subscribers.PendingFor {
		return "expired" // nobody waits for it any more
	}
	switch l.Kind {
	case sending.ConfirmationLetter, sending.InvitationLetter:
		if l.ListID != 0 && !s.Invited && (l.Kind == sending.InvitationLetter || s.Status == subscribers.Confirmed && len(s.Noes) == 0) {
			return answered
		}
	}
	return ""
}

// linksFor is how long the link in a letter is taken for good: as long again
// is left to whoever reads it.
const linksFor = unsubscribe.AccessFor / 2

// relink makes the link of a letter good that has waited for long, or that a
// clock wrote which was wrong.
func (m *letterMail) relink(ctx context.Context) error {
	l := m.letter
	if l.Kind != sending.AccessLetter && l.Kind != sending.AlreadyLetter || l.SubscriberID == 0 {
		return nil
	}
	if age := m.worker.db.Now().Sub(time.UnixMilli(l.CreatedAt)); 0 <= age && age < linksFor {
		return nil
	}
	message, err := m.worker.scribe.Relink(ctx, m.worker.people, l)
	if err == nil {
		m.letter.Message = message
	}
	return err
}
