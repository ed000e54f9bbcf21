// Package journal is the append-only record of every change: who did what to
// which object, written in the transaction of the change itself. The audit
// log, a person's history and outgoing webhooks read it: what a [Webhook] is to
// be told is queued in the same transaction, and told by the [Teller].
package journal

import (
	"context"
	"encoding/json"
	"fmt"

	"facteur/internal/database"
)

// Entry is one change. Verbs and objects are words of the product, such as
// "launch" and "campaign". Details hold no mail addresses and no secrets.
type Entry struct {
	ID       int64  `db:"id"`
	At       int64  `db:"at"` // Unix milliseconds
	Actor    string `db:"actor"`
	Verb     string `db:"verb"`
	Object   string `db:"object"`
	ObjectID int64  `db:"object_id"`
	Details  string `db:"details"` // a JSON object
}

type actorKey struct{}

// WithActor returns a context whose changes are made by actor, such as
// "token:123" or "recipient".
func WithActor(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// Actor is who makes the changes of ctx; "facteur" when it is the program itself.
func Actor(ctx context.Context) string {
	if a, ok := ctx.Value(actorKey{}).(string); ok {
		return a
	}
	return "facteur"
}

// Write adds an entry by the context's actor to the transaction.
func Write(ctx context.Context, tx *database.Tx, verb, object string, id int64, details any) error {
	text := []byte("{}")
	if details != nil {
		var err error
		if text, err = json.Marshal(details); err != nil {
			return fmt.Errorf("journal %s %s: %w", verb, object, err)
		}
	}
	e := Entry{ID: tx.DB().NewID(), At: tx.DB().Now().UnixMilli(), Actor: Actor(ctx), Verb: verb, Object: object, ObjectID: id, Details: string(text)}
	_, err := tx.Exec(ctx, `INSERT INTO journal (id, at, actor, verb, object, object_id, details) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		e.ID, e.At, e.Actor, e.Verb, e.Object, e.ObjectID, e.Details)
	if err != nil {
		return fmt.Errorf("journal %s %s: %w", verb, object, err)
	}
	return queue(ctx, tx, e)
}

// Of lists the entries about one object, oldest first.
func Of(ctx context.Context, q database.Queryer, object string, id int64) ([]Entry, error) {
	var entries []Entry
	err := q.Select(ctx, &entries, `SELECT id, at, actor, verb, object, object_id, details FROM journal
		WHERE object = ? AND object_id = ? ORDER BY id`, object, id)
	return entries, err
}

// Forget removes entries of before a time (Unix milliseconds), the oldest
// first, at most limit, and returns how many. What a webhook is still to be
// told stays.
func Forget(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM journal WHERE id IN (SELECT id FROM (SELECT id, at FROM journal ORDER BY id LIMIT ?) AS oldest
		WHERE at < ? AND NOT EXISTS (SELECT 1 FROM webhooks w JOIN webhook_calls c ON c.webhook_id = w.id WHERE c.entry_id = oldest.id))`, limit, before)
}

// ForgetCalls removes what webhooks could not be told and was given up before a
// time (Unix milliseconds), at most limit, and returns how many.
func ForgetCalls(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM webhook_calls WHERE (webhook_id, entry_id) IN (SELECT webhook_id, entry_id FROM webhook_calls
		WHERE dead AND next_at < ? ORDER BY next_at LIMIT ?)`, before, limit)
}
