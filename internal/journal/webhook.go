package journal

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"facteur/internal/database"
	"facteur/internal/keyring"
)

// Webhook is somebody who is told by HTTP what the journal says.
type Webhook struct {
	ID        int64  `db:"id"`
	URL       string `db:"url"`
	EventText string `db:"events"` // see [Webhook.Events]
	Secret    string `db:"secret"` // sealed
	CreatedAt int64  `db:"created_at"`
	ToldAt    int64  `db:"told_at"`   // Unix milliseconds, as is the next; 0: never
	FailedAt  int64  `db:"failed_at"` // 0: never
	Failure   string `db:"failure"`
}

const webhookColumns = `id, url, events, secret, created_at, told_at, failed_at, failure`

// Everything is the name of all events.
const Everything = "*"

// Events are the names of those that are told: the object and the verb of the
// journal's entries, such as subscriber.bounce; [Everything] for all.
func (w Webhook) Events() []string { return strings.Split(strings.Trim(w.EventText, ","), ",") }

// Invalid is a value that cannot be used.
type Invalid struct {
	Field  string
	Reason string
}

func (e *Invalid) Error() string { return e.Field + ": " + e.Reason }

var eventName = regexp.MustCompile(`^[a-z_]{1,40}\.[a-z_]{1,40}$`)

// Webhooks keeps who is told.
type Webhooks struct {
	db   *database.DB
	keys *keyring.Keyring
	// Plain lets addresses be plain http.
	Plain bool
}

// NewWebhooks keeps them in db.
func NewWebhooks(db *database.DB, keys *keyring.Keyring) *Webhooks {
	return &Webhooks{db: db, keys: keys}
}

// Add lets an address be told. The secret that its calls are signed with is
// returned only here.
func (h *Webhooks) Add(ctx context.Context, tx *database.Tx, address string, events []string) (Webhook, string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return Webhook{}, "", &Invalid{"url", "want https://host/path, without a user"}
	}
	if u.Scheme == "http" && !h.Plain {
		return Webhook{}, "", &Invalid{"url", "want https: plain http is for networks that FACTEUR_WEBHOOK_NETWORKS names"}
	}
	if len(events) == 0 {
		events = []string{Everything}
	}
	for _, e := range events {
		if e != Everything && !eventName.MatchString(e) {
			return Webhook{}, "", &Invalid{"events", fmt.Sprintf("%.50q: want names such as subscriber.bounce, or *", e)}
		}
	}
	slices.Sort(events)
	raw := make([]byte, 24)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	secret := secretPrefix + base64.StdEncoding.EncodeToString(raw)
	w := Webhook{ID: h.db.NewID(), URL: u.String(), EventText: "," + strings.Join(slices.Compact(events), ",") + ",", CreatedAt: h.db.Now().UnixMilli()}
	if w.Secret, err = h.keys.Seal(secret); err != nil {
		return w, "", err
	}
	_, err = tx.Exec(ctx, `INSERT INTO webhooks (`+webhookColumns+`) VALUES (?, ?, ?, ?, ?, 0, 0, '')`, w.ID, w.URL, w.EventText, w.Secret, w.CreatedAt)
	if err != nil {
		return w, "", fmt.Errorf("webhook: %w", err)
	}
	return w, secret, Write(ctx, tx, "create", "webhook", w.ID, map[string]any{"host": u.Host, "events": w.Events()})
}

// All are all webhooks.
func (h *Webhooks) All(ctx context.Context) ([]Webhook, error) {
	var all []Webhook
	err := h.db.Select(ctx, &all, `SELECT `+webhookColumns+` FROM webhooks ORDER BY id`)
	return all, err
}

// Get is one webhook.
func (h *Webhooks) Get(ctx context.Context, q database.Queryer, id int64) (Webhook, error) {
	var w Webhook
	if err := q.Get(ctx, &w, `SELECT `+webhookColumns+` FROM webhooks WHERE id = ?`, id); err != nil {
		return w, fmt.Errorf("webhook %d: %w", id, err)
	}
	return w, nil
}

// Remove ends a webhook, with all that it was still to be told.
func (h *Webhooks) Remove(ctx context.Context, tx *database.Tx, id int64) (Webhook, error) {
	w, err := h.Get(ctx, tx, id)
	if err != nil {
		return w, err
	}
	for _, query := range []string{`DELETE FROM webhook_calls WHERE webhook_id = ?`, `DELETE FROM webhooks WHERE id = ?`} {
		if _, err := tx.Exec(ctx, query, id); err != nil {
			return w, err
		}
	}
	return w, Write(ctx, tx, "delete", "webhook", id, nil)
}

// Call is an entry that a webhook is still to be told.
type Call struct {
	WebhookID int64  `db:"webhook_id"`
	Attempts  int64  `db:"attempts"`
	NextAt    int64  `db:"next_at"` // Unix milliseconds
	Dead      bool   `db:"dead"`    // given up
	Failure   string `db:"failure"`
	Entry
}

const callColumns = `c.webhook_id, c.attempts, c.next_at, c.dead, c.failure, j.id, j.at, j.actor, j.verb, j.object, j.object_id, j.details`

// Dead pages through what was given up of a webhook's, after the given entry.
func (h *Webhooks) Dead(ctx context.Context, id, after int64, limit int) ([]Call, error) {
	var all []Call
	err := h.db.Select(ctx, &all, `SELECT `+callColumns+` FROM webhook_calls c JOIN journal j ON j.id = c.entry_id
		WHERE c.webhook_id = ? AND c.dead AND c.entry_id > ? ORDER BY c.entry_id LIMIT ?`, id, after, limit)
	return all, err
}

// Retry lets what was given up be told again; it returns how much.
func (h *Webhooks) Retry(ctx context.Context, tx *database.Tx, id int64) (int64, error) {
	if _, err := h.Get(ctx, tx, id); err != nil {
		return 0, err
	}
	n, err := tx.Exec(ctx, `UPDATE webhook_calls SET dead = false, attempts = 0, next_at = ? WHERE webhook_id = ? AND dead`, h.db.Now().UnixMilli(), id)
	if err != nil {
		return 0, err
	}
	return n, Write(ctx, tx, "retry", "webhook", id, map[string]any{"calls": n})
}

// queue lets all webhooks that want the entry be told of it.
func queue(ctx context.Context, tx *database.Tx, e Entry) error {
	_, err := tx.Exec(ctx, `INSERT INTO webhook_calls (webhook_id, entry_id, attempts, next_at, dead, failure)
		SELECT id, ?, 0, ?, false, '' FROM webhooks WHERE events = ',*,' OR events LIKE ?`, e.ID, e.At, "%,"+e.Object+"."+e.Verb+",%")
	if err != nil {
		return fmt.Errorf("journal %s %s: %w", e.Verb, e.Object, err)
	}
	return nil
}
