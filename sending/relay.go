package sending

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/sending/smtp"
)

// Relay is a server that takes our mail and carries it on.
type Relay struct {
	ID             int64         `db:"id"`
	Name           string        `db:"name"`
	Host           string        `db:"host"`
	Port           int           `db:"port"`
	Security       smtp.Security `db:"security"`
	Username       string        `db:"username"`
	Password       string        `db:"password"` // sealed, once stored
	MaxConnections int           `db:"max_connections"`
	Envelope       string        `db:"envelope"`   // verp, sender
	EgressIPs      string        `db:"egress_ips"` // a JSON array
	Weight         int           `db:"weight"`
	VerifyTLS      bool          `db:"verify_tls"`
	CreatedAt      int64         `db:"created_at"`
	ChangedAt      int64         `db:"changed_at"` // its settings, Unix milliseconds; 0: never
	Health
}

// Envelope kinds: a sender address for each delivery (VERP), or the sender's own.
const (
	VERP       = "verp"
	SenderAddr = "sender"
)

const relayColumns = `id, name, host, port, security, username, password, max_connections, envelope, egress_ips, weight, verify_tls, created_at, changed_at,
	state, state_reason, rests, rest_since, rest_until, rested_ms, doubting`

// DefaultPort is the usual port of a security.
func DefaultPort(s smtp.Security) int {
	switch s {
	case smtp.StartTLS:
		return 587
	case smtp.TLS:
		return 465
	}
	return 25
}

// CreateRelay adds a relay; the password is sealed before it is stored.
func (s *Store) CreateRelay(ctx context.Context, tx *database.Tx, r Relay, egressIPs []string) (Relay, error) {
	if err := r.complete(egressIPs); err != nil {
		return Relay{}, err
	}
	ips, _ := json.Marshal(append([]string{}, egressIPs...))
	r.EgressIPs = string(ips)
	if r.Password != "" {
		sealed, err := s.keys.Seal(r.Password)
		if err != nil {
			return Relay{}, fmt.Errorf("seal the relay's password: %w", err)
		}
		r.Password = sealed
	}
	r.ID, r.CreatedAt = s.db.NewID(), s.db.Now().UnixMilli()
	r.Health = Health{State: Healthy}
	_, err := tx.Exec(ctx, `INSERT INTO relays (`+relayColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 'ok', '', 0, 0, 0, 0, ?)`,
		r.ID, r.Name, r.Host, r.Port, string(r.Security), r.Username, r.Password, r.MaxConnections, r.Envelope, r.EgressIPs, r.Weight, r.VerifyTLS, r.CreatedAt, false)
	if err != nil {
		return Relay{}, fmt.Errorf("relay %s: %w", r.Name, err)
	}
	return r, journal.Write(ctx, tx, "create", "relay", r.ID, map[string]any{"name": r.Name, "host": r.Host, "port": r.Port, "security": r.Security})
}

// complete fills in defaults and refuses what cannot work.
func (r *Relay) complete(egressIPs []string) error {
	r.Name, r.Host = strings.TrimSpace(r.Name), strings.TrimSpace(r.Host)
	if r.Host == "" || strings.ContainsAny(r.Host, " \r\n\x00/@") {
		return invalid("host", "%q is not a host name", r.Host)
	}
	if r.Name == "" {
		r.Name = r.Host
	}
	switch r.Security {
	case "":
		r.Security = smtp.StartTLS
	case smtp.None, smtp.StartTLS, smtp.TLS:
	default:
		return invalid("security", "%q is unknown: want none, starttls or tls", r.Security)
	}
	if r.Port == 0 {
		r.Port = DefaultPort(r.Security)
	}
	if r.Port < 1 || r.Port > 65535 {
		return invalid("port", "%d is not a port", r.Port)
	}
	if r.MaxConnections == 0 {
		r.MaxConnections = 10
	}
	if r.MaxConnections < 1 || r.MaxConnections > 1000 {
		return invalid("max_connections", "%d: want 1 to 1000", r.MaxConnections)
	}
	switch r.Envelope {
	case "":
		r.Envelope = VERP
	case VERP, SenderAddr:
	default:
		return invalid("envelope", "%q is unknown: want verp or sender", r.Envelope)
	}
	if r.Weight == 0 {
		r.Weight = 1
	}
	if r.Weight < 0 || r.Weight > 1000 {
		return invalid("weight", "%d: want 1 to 1000", r.Weight)
	}
	if (r.Username == "") != (r.Password == "") {
		return invalid("password", "username and password belong together")
	}
	for _, ip := range egressIPs {
		if _, err := netip.ParseAddr(ip); err != nil {
			return invalid("egress_ips", "%q is not an IP address", ip)
		}
	}
	return nil
}

// Egress are the addresses that the relay sends from, where they are known.
func (r Relay) Egress() []string {
	ips := []string{}
	_ = json.Unmarshal([]byte(r.EgressIPs), &ips) // written by CreateRelay
	return ips
}

// Server is how to reach the relay, with its password unsealed.
func (s *Store) Server(r Relay, helo string) (smtp.Server, error) {
	password := ""
	if r.Password != "" {
		var err error
		if password, err = s.keys.Unseal(r.Password); err != nil {
			return smtp.Server{}, fmt.Errorf("relay %s: password: %w", r.Name, err)
		}
	}
	return smtp.Server{Host: r.Host, Port: r.Port, Security: r.Security, Username: r.Username, Password: password, VerifyTLS: r.VerifyTLS, HELO: helo}, nil
}

// Relay finds a relay by id.
func (s *Store) Relay(ctx context.Context, id int64) (Relay, error) {
	var r Relay
	if err := s.q.Get(ctx, &r, `SELECT `+relayColumns+` FROM relays WHERE id = ?`, id); err != nil {
		return Relay{}, fmt.Errorf("relay %d: %w", id, err)
	}
	return r, nil
}

// Relays lists all relays.
func (s *Store) Relays(ctx context.Context) ([]Relay, error) {
	var all []Relay
	err := s.q.Select(ctx, &all, `SELECT `+relayColumns+` FROM relays ORDER BY id`)
	return all, err
}
