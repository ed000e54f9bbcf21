package worker

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"facteur/campaign"
	"facteur/campaign/content"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/sending"

	"github.com/prometheus/client_golang/prometheus"
)

// Herald tells the operators of alarms: in the log, as a metric, and by mail.
// Webhooks are told by the journal.
type Herald struct {
	scribe *Scribe
	to     []address.Address
	log    *slog.Logger
	rung   *prometheus.CounterVec
}

// NewHerald mails to some operators, or to nobody.
func NewHerald(s *Scribe, to []address.Address, log *slog.Logger) *Herald {
	return &Herald{scribe: s, to: to, log: log, rung: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "facteur_alarms_total", Help: "Alarms raised by this process, by what about and how grave.",
	}, []string{"kind", "state"})}
}

// Metrics are what the herald counts.
func (h *Herald) Metrics() []prometheus.Collector { return []prometheus.Collector{h.rung} }

// Tell is a [campaign.Alarmed]. That no mail can go out is no reason to undo
// what the alarm is about.
func (h *Herald) Tell(ctx context.Context, tx *database.Tx, a campaign.Alarm) error {
	h.rung.WithLabelValues(a.Kind, a.State).Inc()
	level := slog.LevelWarn
	if a.State == "pause" || a.State == "stop" {
		level = slog.LevelError
	}
	h.log.Log(ctx, level, "alarm", "kind", a.Kind, "scope", a.Scope, "state", a.State, "reason", a.Reason)
	if len(h.to) == 0 {
		return nil
	}
	sender, err := h.sender(ctx, tx, a.Domain)
	if errors.Is(err, ErrNoWayOut) {
		h.log.Warn("no mail to the operators", "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	for _, to := range h.to {
		if err := h.write(ctx, tx, a, sender, to); err != nil {
			return err
		}
	}
	return nil
}

// sender is one of the domain concerned, or else any that has a relay.
func (h *Herald) sender(ctx context.Context, tx *database.Tx, domain string) (sending.Sender, error) {
	all, err := h.scribe.senders.With(tx).Senders(ctx)
	if err != nil {
		return sending.Sender{}, err
	}
	var found *sending.Sender
	for i, s := range all {
		if len(s.RelayIDs) > 0 && (found == nil || s.Domain == domain && found.Domain != domain) {
			found = &all[i]
		}
	}
	if found == nil {
		return sending.Sender{}, ErrNoWayOut
	}
	return *found, nil
}

const alarmText = `{{ attributes.scope }}: {{ attributes.state }}.

{{ attributes.reason }}

What to do: {% if attributes.kind == "domain_check" %}facteur doctor {{ attributes.domain }}, or GET /api/v1/domains/ID/check, says what to publish.{% else %}look at GET /api/v1/breakers and /api/v1/complaints/rates. What was paused or stopped goes on when a person resumes it, with a reason.{% endif %}`

func (h *Herald) write(ctx context.Context, tx *database.Tx, a campaign.Alarm, sender sending.Sender, to address.Address) error {
	values, err := json.Marshal(map[string]string{"scope": a.Scope, "state": done(a.State), "kind": a.Kind, "reason": a.Reason, "domain": a.Domain})
	if err != nil {
		return err
	}
	source := content.Source{Subject: "facteur: {{ attributes.scope }} {{ attributes.state }} ({{ attributes.kind }})", Text: alarmText}
	return h.scribe.post(ctx, tx, sending.Letter{Kind: sending.AlarmLetter}, sender, to, source, content.Recipient{Attributes: values})
}

// done says what was done.
func done(state string) string {
	switch state {
	case "slow":
		return "slowed to a tenth"
	case "pause":
		return "paused"
	case "stop":
		return "stopped"
	}
	return "warning"
}
