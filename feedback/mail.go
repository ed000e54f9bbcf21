package feedback

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"time"

	"facteur/feedback/parse"
	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/unsubscribe"
)

// Mail takes in a mail that came to one of our addresses. to are the
// envelope's recipients, as far as they are known; those in its header are
// looked at too. What it causes is durable when Mail returns, so that the
// sender may be told that it arrived.
func (p *Processor) Mail(ctx context.Context, source string, to []string, raw io.Reader) ([]Event, error) {
	seen, probes := p.read(to, raw)
	var events []Event
	for _, probe := range probes {
		e, err := p.home(ctx, source, probe)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	if len(seen) == 0 {
		return events, nil
	}
	taken, err := p.Take(ctx, source, seen)
	return append(events, taken...), err
}

// probe is a mail to ourselves.
type probe struct {
	domainID int64
	madeAt   time.Time
}

// read says what a mail means.
func (p *Processor) read(to []string, raw io.Reader) (seen []Sighting, probes []probe) {
	m := parse.Message(raw)
	for _, a := range m.To {
		if len(to) < 50 && !slices.Contains(to, a) {
			to = append(to, a)
		}
	}
	signs := Signs{Return: append(slices.Clone(to), m.Original.MailFrom), Leave: m.Original.Leave, FeedbackID: m.Original.FeedbackID}
	if m.Original.MessageID != "" {
		signs.MessageIDs = []string{m.Original.MessageID}
	}
	once := m.ID
	if once == "" { // such as a mail of nothing but a subject
		sum := sha256.Sum256([]byte(m.Original.MessageID + m.Reports[0].Diagnostic))
		once = hex.EncodeToString(sum[:])
	}
	for _, a := range to {
		if id, at, err := unsubscribe.ParseProbeAddress(p.Keys, a); err == nil {
			probes = append(probes, probe{id, at})
		}
		if ref, err := unsubscribe.ParseLeaveAddress(p.Keys, a); err == nil { // whatever the mail says
			own := Signs{Leave: []string{"mailto:" + ref.LeaveAddress(p.Keys, "own.invalid")}}
			seen = append(seen, Sighting{Kind: Unsubscribe, Signs: own, Once: once})
		}
	}
	if len(probes) > 0 || len(seen) > 0 {
		return seen, probes
	}
	for _, r := range m.Reports {
		seen = append(seen, Sighting{
			Kind: Kind(r.Kind), Class: r.Class, Status: r.Status, Code: r.Code, Diagnostic: r.Diagnostic, Recipient: r.Recipient,
			Signs: signs, Once: once, others: len(m.Reports) > 1,
		})
	}
	return seen, nil
}

// home notes that a mail to ourselves has arrived: what is sent to the domain's
// return path comes to us.
func (p *Processor) home(ctx context.Context, source string, sent probe) (Event, error) {
	e := Event{Kind: Probe, Source: source, FoundBy: BySigned, Effect: Noted, At: p.DB.Now().UnixMilli()}
	err := p.DB.Write(journal.WithActor(ctx, "feedback"), func(tx *database.Tx) error {
		return p.Sending.Home(ctx, tx, sent.domainID, sent.madeAt)
	})
	if err == nil {
		p.counted([]Event{e})
	}
	return e, err
}

// Expects tells whether an address is one of ours, signed by us: the only ones
// that the listener takes mail for.
func (p *Processor) Expects(address string) bool {
	if _, err := unsubscribe.ParseReturnAddress(p.Keys, address); err == nil {
		return true
	}
	if _, err := unsubscribe.ParseLeaveAddress(p.Keys, address); err == nil {
		return true
	}
	if _, err := unsubscribe.ParseComplaintsAddress(p.Keys, address); err == nil {
		return true
	}
	_, _, err := unsubscribe.ParseProbeAddress(p.Keys, address)
	return err == nil
}
