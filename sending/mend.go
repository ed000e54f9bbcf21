package sending

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"

	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/sending/smtp"
)

// MendRelay replaces a relay's settings and lets it work again at once; new
// connections are made with them within moments. password nil keeps the stored
// one, which is refused when host, port or username change: a stored password
// goes only where it was meant to go.
func (s *Store) MendRelay(ctx context.Context, tx *database.Tx, id int64, to Relay, egressIPs []string, password *string) (Relay, error) {
	old, err := s.lockRelay(ctx, tx, id)
	if err != nil {
		return Relay{}, err
	}
	if password != nil {
		to.Password = *password
	} else if to.Username != "" {
		to.Password = old.Password
	}
	if err := to.complete(egressIPs); err != nil {
		return Relay{}, err
	}
	if password == nil && old.Password != "" && to.Username != "" && (to.Host != old.Host || to.Port != old.Port || to.Username != old.Username) {
		return Relay{}, invalid("password", "give the password anew when host, port or username change")
	}
	if password != nil && to.Password != "" {
		if to.Password, err = s.keys.Seal(to.Password); err != nil {
			return Relay{}, fmt.Errorf("seal the relay's password: %w", err)
		}
	}
	ips, _ := json.Marshal(append([]string{}, egressIPs...))
	now := s.db.Now().UnixMilli()
	changed := max(now, old.ChangedAt+1)
	if _, err := tx.Exec(ctx, `UPDATE relays SET name = ?, host = ?, port = ?, security = ?, username = ?, password = ?, max_connections = ?, envelope = ?,
		egress_ips = ?, weight = ?, verify_tls = ?, changed_at = ? WHERE id = ?`, to.Name, to.Host, to.Port, string(to.Security), to.Username, to.Password,
		to.MaxConnections, to.Envelope, string(ips), to.Weight, to.VerifyTLS, changed, id); err != nil {
		return Relay{}, fmt.Errorf("relay %d: %w", id, err)
	}
	if err := s.saveHealth(ctx, tx, id, Health{State: Healthy, RestedMS: old.Rested(now), Doubting: old.Doubting}); err != nil {
		return Relay{}, err
	}
	if err := journal.Write(ctx, tx, "mend", "relay", id, map[string]any{"name": to.Name, "host": to.Host, "port": to.Port, "security": to.Security}); err != nil {
		return Relay{}, err
	}
	return s.With(tx).Relay(ctx, id)
}

// Probe speaks to a relay with its stored settings, see [smtp.Probe]. The
// sender it asks for is one that uses the relay. helo and lookup as in
// [smtp.Server].
func (s *Store) Probe(ctx context.Context, id int64, helo string, lookup func(context.Context, string) ([]netip.Addr, error), to string) ([]smtp.Step, error) {
	r, err := s.Relay(ctx, id)
	if err != nil {
		return nil, err
	}
	server, err := s.Server(r, helo)
	if err != nil {
		return nil, err
	}
	server.Lookup = lookup
	from := ""
	if to != "" {
		if from, err = s.senderOver(ctx, id); err != nil {
			return nil, err
		}
	}
	return smtp.Probe(ctx, server, from, to), nil
}

// senderOver is the address of a sender that uses the relay.
func (s *Store) senderOver(ctx context.Context, relay int64) (string, error) {
	all, err := s.Senders(ctx)
	if err != nil {
		return "", err
	}
	for _, v := range all {
		for _, id := range v.RelayIDs {
			if id == relay {
				return v.FromEmail, nil
			}
		}
	}
	return "", invalid("to", "no sender uses this relay yet: make one, or leave to out")
}
