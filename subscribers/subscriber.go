package subscribers

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"facteur/internal/database"
)

// Subscriber is a person with an address.
type Subscriber struct {
	ID         int64  `db:"id"`
	Email      string `db:"email"` // as given, for the wire
	Key        string `db:"key"`   // for equality
	Name       string `db:"name"`
	Locale     string `db:"locale"`
	Timezone   string `db:"timezone"`
	Attributes string `db:"attributes"` // a JSON object
	CreatedAt  int64  `db:"created_at"`
	UpdatedAt  int64  `db:"updated_at"`
	TrackingAt int64  `db:"tracking_at"` // when they let us see what they open and follow; 0: they do not
}

const subscriberColumns = `id, email, key, name, locale, timezone, attributes, created_at, updated_at`

// subscriberWhole is a row as it is read.
const subscriberWhole = subscriberColumns + `, tracking_at`

// Subscriber finds a person by id.
func (s *Store) Subscriber(ctx context.Context, id int64) (Subscriber, error) {
	var p Subscriber
	err := s.q.Get(ctx, &p, `SELECT `+subscriberWhole+` FROM subscribers WHERE id = ?`, id)
	if err != nil {
		return Subscriber{}, fmt.Errorf("subscriber %d: %w", id, err)
	}
	return p, nil
}

// SubscriberByKey finds a person by the key of an address.
func (s *Store) SubscriberByKey(ctx context.Context, key string) (Subscriber, error) {
	var p Subscriber
	err := s.q.Get(ctx, &p, `SELECT `+subscriberWhole+` FROM subscribers WHERE key = ?`, key)
	return p, err
}

// Subscribers pages through all people by id, after the given one.
func (s *Store) Subscribers(ctx context.Context, after int64, limit int) ([]Subscriber, error) {
	var people []Subscriber
	err := s.q.Select(ctx, &people, `SELECT `+subscriberWhole+` FROM subscribers WHERE id > ? ORDER BY id LIMIT ?`, after, limit)
	return people, err
}

// People loads those of the given ids that exist, in no order.
func (s *Store) People(ctx context.Context, ids []int64) ([]Subscriber, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	query, args, err := database.In(`SELECT `+subscriberWhole+` FROM subscribers WHERE id IN (?)`, ids)
	if err != nil {
		return nil, err
	}
	people := make([]Subscriber, 0, len(ids))
	var p Subscriber
	err = s.q.Scan(ctx, query, args, []any{&p.ID, &p.Email, &p.Key, &p.Name, &p.Locale, &p.Timezone, &p.Attributes, &p.CreatedAt, &p.UpdatedAt, &p.TrackingAt},
		func() { people = append(people, p) })
	return people, err
}

// merge lays b's attributes over a's; both are JSON objects. When nothing is
// new it returns a as it is: PostgreSQL spaces JSON in its own way.
func merge(a, b string) string {
	if b == "" || b == "{}" || a == b {
		return a
	}
	if a == "" || a == "{}" {
		return b
	}
	var under, over map[string]any
	if json.Unmarshal([]byte(a), &under) != nil || json.Unmarshal([]byte(b), &over) != nil {
		return b
	}
	news := false
	for k, v := range over {
		if old, ok := under[k]; !ok || !reflect.DeepEqual(old, v) {
			under[k], news = v, true
		}
	}
	if !news {
		return a
	}
	text, err := json.Marshal(under)
	if err != nil {
		return b
	}
	return string(text)
}
