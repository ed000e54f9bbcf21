package api

import (
	"context"
	"encoding/json"
	"time"

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
		MaxConnections: r.MaxConnections, Envelope: r.Envelope, EgressIPs: egress(r), Weight: r.Weight, VerifyTLS: r.VerifyTLS,
		State: string(r.State), StateReason: r.Reason, CreatedAt: at(r.CreatedAt),
	}
	if r.State == sending.Resting {
		out.RestUntil = at(r.Until)
	}
	return out
}

func egress(r sending.Relay) []string {
	ips := []string{}
	_ = json.Unmarshal([]byte(r.EgressIPs), &ips) // written by CreateRelay
	return ips
}

func (c *calls) createRelay(ctx context.Context, tx *database.Tx, in *struct{ Body NewRelay }) (Relay, error) {
	b := in.Body
	r, err := c.Sending.CreateRelay(ctx, tx, sending.Relay{
		Name: b.Name, Host: b.Host, Port: b.Port, Security: smtp.Security(b.Security),
		Username: b.Username, Password: b.Password, MaxConnections: b.MaxConnections, Envelope: b.Envelope, Weight: b.Weight,
		VerifyTLS: b.VerifyTLS == nil || *b.VerifyTLS,
	}, b.EgressIPs)
	return relayOf(r), err
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
