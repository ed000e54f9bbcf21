package api

import (
	"context"
	"time"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/sending"
	"facteur/sending/smtp"
)

// NewRelay is how to reach a server that takes our mail.
type NewRelay struct {
	Name           string   `json:"name,omitempty" maxLength:"200" pattern:"^[^\\x00-\\x1f]*$" doc:"The host, if left out."`
	Host           string   `json:"host" maxLength:"253" example:"smtp.example.com"`
	Port           int      `json:"port,omitempty" minimum:"0" maximum:"65535" doc:"25, 587 or 465 by the security, if left out."`
	Security       string   `json:"security,omitempty" enum:"none,starttls,tls" default:"starttls"`
	Username       string   `json:"username,omitempty" maxLength:"500"`
	Password       string   `json:"password,omitempty" maxLength:"5000" doc:"Stored sealed and never shown."`
	MaxConnections int      `json:"max_connections,omitempty" minimum:"0" maximum:"1000" default:"10"`
	Envelope       string   `json:"envelope,omitempty" enum:"verp,sender" default:"verp" doc:"verp: an envelope sender for each message, by which its bounce is known."`
	EgressIPs      []string `json:"egress_ips,omitempty" doc:"The addresses the relay sends from, for SPF."`
	Weight         int      `json:"weight,omitempty" minimum:"0" maximum:"1000" default:"1"`
	VerifyTLS      *bool    `json:"verify_tls,omitempty" default:"true"`
}

// Relay is a server that takes our mail.
type Relay struct {
	ID             ID         `json:"id"`
	Name           string     `json:"name"`
	Host           string     `json:"host"`
	Port           int        `json:"port"`
	Security       string     `json:"security"`
	Username       string     `json:"username"`
	MaxConnections int        `json:"max_connections"`
	Envelope       string     `json:"envelope"`
	EgressIPs      []string   `json:"egress_ips"`
	Weight         int        `json:"weight"`
	VerifyTLS      bool       `json:"verify_tls"`
	State          string     `json:"state" enum:"ok,resting,stopped" doc:"stopped: until it is resumed."`
	StateReason    string     `json:"state_reason"`
	RestUntil      *time.Time `json:"rest_until"`
	CreatedAt      *time.Time `json:"created_at"`
}

func relayOf(r sending.Relay) Relay {
	out := Relay{
		ID: idOf(r.ID), Name: r.Name, Host: r.Host, Port: r.Port, Security: string(r.Security), Username: r.Username,
		MaxConnections: r.MaxConnections, Envelope: r.Envelope, EgressIPs: r.Egress(), Weight: r.Weight, VerifyTLS: r.VerifyTLS,
		State: string(r.State), StateReason: r.Reason, CreatedAt: at(r.CreatedAt),
	}
	if r.State == sending.Resting {
		out.RestUntil = at(r.Until)
	}
	return out
}

func (b *NewRelay) relay() sending.Relay {
	return sending.Relay{
		Name: b.Name, Host: b.Host, Port: b.Port, Security: smtp.Security(b.Security),
		Username: b.Username, Password: b.Password, MaxConnections: b.MaxConnections, Envelope: b.Envelope, Weight: b.Weight,
		VerifyTLS: b.VerifyTLS == nil || *b.VerifyTLS,
	}
}

func (c *calls) createRelay(ctx context.Context, tx *database.Tx, in *struct{ Body NewRelay }) (Relay, error) {
	r, err := c.Sending.CreateRelay(ctx, tx, in.Body.relay(), in.Body.EgressIPs)
	return relayOf(r), err
}

// MendedRelay is a relay's new settings.
type MendedRelay struct {
	NewRelay
	Password *string `json:"password,omitempty" maxLength:"5000" doc:"Left out: the stored one is kept, unless host, port or username change."`
}

func (c *calls) mendRelay(ctx context.Context, in *struct {
	ByID
	Body MendedRelay
},
) (Relay, error) {
	var mended sending.Relay
	err := c.DB.Write(ctx, func(tx *database.Tx) (err error) {
		mended, err = c.Sending.MendRelay(ctx, tx, in.id(), in.Body.relay(), in.Body.EgressIPs, in.Body.Password)
		return err
	})
	if err == nil && c.Nudge != nil {
		c.Nudge()
	}
	return relayOf(mended), err
}

// RelayTest is a dialogue with a relay, step by step.
type RelayTest struct {
	OK    bool        `json:"ok"`
	Steps []RelayStep `json:"steps" doc:"The last one is where it ended."`
}

// RelayStep is one step of it.
type RelayStep struct {
	Step string `json:"step" enum:"resolve,connect,greeting,ehlo,starttls,tls,auth,mail,rcpt,quit"`
	OK   bool   `json:"ok"`
	Took int64  `json:"took_ms"`
	Said string `json:"said" doc:"The relay's answer, or what was found."`
	Fix  string `json:"fix" doc:"What to do, when it is not ok."`
}

func (c *calls) testRelay(ctx context.Context, in *struct {
	ByID
	Body *struct {
		To string `json:"to,omitempty" maxLength:"320" doc:"Also ask whether mail to this address would be taken. Nothing is sent."`
	} `required:"false"`
},
) (RelayTest, error) {
	to := ""
	if in.Body != nil && in.Body.To != "" {
		a, err := address.Parse(in.Body.To)
		if err != nil {
			return RelayTest{}, err
		}
		to = a.Wire()
	}
	steps, err := c.ProbeRelay(ctx, in.id(), to)
	if err != nil {
		return RelayTest{}, err
	}
	test := RelayTest{OK: true, Steps: make([]RelayStep, len(steps))}
	for i, s := range steps {
		test.Steps[i] = RelayStep{Step: s.Name, OK: s.OK, Took: s.Took.Milliseconds(), Said: s.Said, Fix: s.Fix}
		test.OK = test.OK && s.OK
	}
	return test, nil
}

func (c *calls) relays(ctx context.Context, in *Paging) (Page[Relay], error) {
	all, err := c.Sending.Relays(ctx)
	id := func(r sending.Relay) int64 { return r.ID }
	return pageOf(*in, after(*in, all, id), id, relayOf), err
}

func (c *calls) relay(ctx context.Context, in *ByID) (Relay, error) {
	r, err := c.Sending.Relay(ctx, in.id())
	return relayOf(r), err
}

func (c *calls) resumeRelay(ctx context.Context, tx *database.Tx, in *ByID) (Relay, error) {
	if err := c.Sending.Resume(ctx, tx, in.id()); err != nil {
		return Relay{}, err
	}
	r, err := c.Sending.With(tx).Relay(ctx, in.id())
	return relayOf(r), err
}
