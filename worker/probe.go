package worker

import (
	"context"
	"fmt"

	"facteur/campaign/content"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/sending"
	"facteur/subscribers"
	"facteur/unsubscribe"
)

// ErrNoWayOut is a domain without a sender, by which nothing can be sent.
var ErrNoWayOut = fmt.Errorf("no sender of this domain has a relay: %w", subscribers.ErrNoSender)

// Probe mails a domain's return path, to see whether what is sent there comes
// home to us; see package feedback.
func (s *Scribe) Probe(ctx context.Context, tx *database.Tx, domainID int64) error {
	senders := s.senders.With(tx)
	d, err := senders.Domain(ctx, domainID)
	if err != nil {
		return err
	}
	all, err := senders.Senders(ctx)
	if err != nil {
		return err
	}
	for _, sender := range all {
		if sender.DomainID != d.ID || len(sender.RelayIDs) == 0 {
			continue
		}
		now := s.db.Now()
		to, err := address.Parse(unsubscribe.ProbeAddress(s.keys, d.ID, now, d.ReturnPath))
		if err != nil {
			return err
		}
		source := content.Source{Subject: "facteur looks for its own way home", Text: "This mail goes from facteur to facteur. Where a person reads it, the MX of " + d.ReturnPath + " does not lead to facteur."}
		if err := s.post(ctx, tx, sending.Letter{Kind: sending.ProbeLetter}, sender, to, source, content.Recipient{}); err != nil {
			return err
		}
		return senders.Probed(ctx, tx, d.ID, now)
	}
	return fmt.Errorf("domain %s: %w", d.Name, ErrNoWayOut)
}
