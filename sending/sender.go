package sending

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/journal"
)

// Sender is as whom mail is sent.
type Sender struct {
	ID            int64   `json:"id"`
	DomainID      int64   `json:"domain_id"`
	Domain        string  `json:"domain"`
	ReturnPath    string  `json:"return_path"`
	FromEmail     string  `json:"from_email"`
	FromName      string  `json:"from_name"`
	ReplyTo       string  `json:"reply_to"`
	PostalAddress string  `json:"postal_address"`
	RelayIDs      []int64 `json:"relay_ids"`
	CreatedAt     int64   `json:"created_at"`
	// Seeds are addresses of our own that get a copy of each campaign.
	Seeds []string `json:"seeds,omitempty"`
}

type senderRow struct {
	ID            int64  `db:"id"`
	DomainID      int64  `db:"domain_id"`
	Domain        string `db:"name"`
	ReturnPath    string `db:"return_path"`
	FromEmail     string `db:"from_email"`
	FromName      string `db:"from_name"`
	ReplyTo       string `db:"reply_to"`
	PostalAddress string `db:"postal_address"`
	RelayIDs      string `db:"relay_ids"`
	CreatedAt     int64  `db:"created_at"`
	Seeds         string `db:"seeds"`
}

// mostSeeds bounds the copies of a campaign.
const mostSeeds = 20

// CreateSender adds a sender. Its domain must have been created, and its
// postal address is obligatory: it stands in every mail.
func (s *Store) CreateSender(ctx context.Context, tx *database.Tx, v Sender) (Sender, error) {
	from, err := address.Parse(v.FromEmail)
	if err != nil {
		return Sender{}, invalid("from_email", "%v", err)
	}
	if !from.ASCII() {
		return Sender{}, invalid("from_email", "%q has a local part that many providers refuse: use ASCII letters", v.FromEmail)
	}
	if v.ReplyTo != "" {
		to, err := address.Parse(v.ReplyTo)
		if err != nil {
			return Sender{}, invalid("reply_to", "%v", err)
		}
		v.ReplyTo = to.Wire() // a header wants the domain in ASCII
	}
	if strings.ContainsAny(v.FromName, "\r\n\x00") {
		return Sender{}, invalid("from_name", "has a line break")
	}
	if strings.TrimSpace(v.PostalAddress) == "" {
		return Sender{}, invalid("postal_address", "is empty: every mail must say who sends it and from where")
	}
	d, err := s.With(tx).DomainByName(ctx, from.Domain())
	if errors.Is(err, database.ErrNotFound) {
		return Sender{}, invalid("from_email", "domain %s is not set up: create it first with POST /domains", from.Domain())
	}
	if err != nil {
		return Sender{}, err
	}
	if len(v.RelayIDs) == 0 {
		return Sender{}, invalid("relay_ids", "is empty: name at least one relay")
	}
	for _, id := range v.RelayIDs {
		if _, err := s.With(tx).Relay(ctx, id); err != nil {
			return Sender{}, invalid("relay_ids", "relay %d: %v", id, errors.Unwrap(err))
		}
	}
	if len(v.Seeds) > mostSeeds {
		return Sender{}, invalid("seeds", "%d addresses: at most %d", len(v.Seeds), mostSeeds)
	}
	for _, seed := range v.Seeds {
		if _, err := address.Parse(seed); err != nil {
			return Sender{}, invalid("seeds", "%v", err)
		}
	}
	v.Seeds = append([]string{}, v.Seeds...)
	seeds, err := json.Marshal(v.Seeds)
	if err != nil {
		return Sender{}, err
	}
	v.ID, v.CreatedAt, v.FromEmail = s.db.NewID(), s.db.Now().UnixMilli(), from.Wire()
	v.DomainID, v.Domain, v.ReturnPath = d.ID, d.Name, d.ReturnPath
	_, err = tx.Exec(ctx, `INSERT INTO senders (id, domain_id, from_email, from_name, reply_to, postal_address, relay_ids, created_at, seeds) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		v.ID, v.DomainID, v.FromEmail, v.FromName, v.ReplyTo, v.PostalAddress, database.FormatIDs(v.RelayIDs), v.CreatedAt, string(seeds))
	if err != nil {
		return Sender{}, err
	}
	return v, journal.Write(ctx, tx, "create", "sender", v.ID, map[string]any{"domain": v.Domain})
}

const senderQuery = `SELECT s.id, s.domain_id, d.name, d.return_path, s.from_email, s.from_name, s.reply_to, s.postal_address, s.relay_ids, s.created_at, s.seeds
	FROM senders s JOIN domains d ON d.id = s.domain_id `

// Sender finds a sender by id.
func (s *Store) Sender(ctx context.Context, id int64) (Sender, error) {
	var row senderRow
	if err := s.q.Get(ctx, &row, senderQuery+`WHERE s.id = ?`, id); err != nil {
		return Sender{}, fmt.Errorf("sender %d: %w", id, err)
	}
	return row.sender()
}

// Senders lists all senders.
func (s *Store) Senders(ctx context.Context) ([]Sender, error) {
	var rows []senderRow
	if err := s.q.Select(ctx, &rows, senderQuery+`ORDER BY s.id`); err != nil {
		return nil, err
	}
	all := make([]Sender, len(rows))
	for i, row := range rows {
		var err error
		if all[i], err = row.sender(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (r senderRow) sender() (Sender, error) {
	v := Sender{
		ID: r.ID, DomainID: r.DomainID, Domain: r.Domain, ReturnPath: r.ReturnPath, FromEmail: r.FromEmail, FromName: r.FromName,
		ReplyTo: r.ReplyTo, PostalAddress: r.PostalAddress, CreatedAt: r.CreatedAt,
	}
	var err error
	if v.RelayIDs, err = database.ParseIDs(r.RelayIDs); err != nil {
		return v, fmt.Errorf("sender %d: relay_ids: %w", r.ID, err)
	}
	if err := json.Unmarshal([]byte(r.Seeds), &v.Seeds); err != nil {
		return v, fmt.Errorf("sender %d: seeds: %w", r.ID, err)
	}
	return v, nil
}
