package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"facteur/access"
	"facteur/internal/database"

	"github.com/danielgtaylor/huma/v2"
)

const keyHeader = "Idempotency-Key"

// kept is an answer as it is sent and, under an Idempotency-Key, stored.
type kept[O any] struct {
	Status   int
	Replayed string `header:"Idempotency-Replayed" doc:"true when this is the answer of an earlier call under the same key."`
	Body     text[O]
}

// text is an O as JSON, made once, so that a replay is the same to the byte.
type text[O any] struct{ json json.RawMessage }

// MarshalJSON gives the text.
func (t text[O]) MarshalJSON() ([]byte, error) { return t.json, nil }

// Schema is O's.
func (text[O]) Schema(r huma.Registry) *huma.Schema { return r.Schema(reflect.TypeFor[O](), true, "") }

func encode[O any](status int, o O) (*kept[O], error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(o); err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return &kept[O]{Status: status, Body: text[O]{b.Bytes()}}, nil
}

func replay[O any](r access.Reply) *kept[O] {
	return &kept[O]{Status: r.Status, Replayed: "true", Body: text[O]{json.RawMessage(r.Answer)}}
}

// reply is the call's place among the kept answers.
func (a asked) reply() access.Reply {
	return access.Reply{Actor: a.actor.Name, Key: a.key, Call: a.call, BodyHash: a.bodyHash}
}

// once runs a change in one transaction with the keeping of its answer; or
// finds the answer of an earlier call under the same key. Of two calls at the
// same time the second waits for the first one's commit.
func once[O any](ctx context.Context, c *calls, status int, inside func(context.Context, *database.Tx) (O, error)) (*kept[O], error) {
	a := askedBy(ctx)
	for try := 1; ; try++ {
		var answer *kept[O]
		err := c.DB.Write(ctx, func(tx *database.Tx) error {
			reply := a.reply()
			if a.key != "" {
				old, mine, err := c.Access.Claim(ctx, tx, reply)
				if err != nil {
					return err
				}
				if !mine {
					answer = replay[O](old)
					return nil
				}
			}
			o, err := inside(ctx, tx)
			if err != nil {
				return err
			}
			if answer, err = encode(status, o); err != nil || a.key == "" {
				return err
			}
			reply.Status, reply.Answer = status, string(answer.Body.json)
			return c.Access.Keep(ctx, tx, reply)
		})
		if err == nil {
			return answer, nil
		}
		// Both at once means: rolled back, since somebody else was a moment earlier.
		if again := errors.Is(err, database.ErrUnavailable) && errors.Is(err, database.ErrConflict); !again || try == 3 {
			return nil, err
		}
	}
}

// claimed runs an effect that has transactions of its own: an import, whose
// body is read for minutes, and resend-failed, which goes in pages. The key is
// claimed in a transaction before, and the answer kept in one after. Two calls
// never both run, and a failure frees the key. A process that dies between
// leaves the key busy for an hour; then a repetition runs again, which both
// effects bear: a row imported twice is the same person, and what was put back
// into the queue is not failed any more.
//
// hash gives the body's hash, read to its end, once the effect is done or an
// earlier answer was found.
func claimed[O any](ctx context.Context, c *calls, status int, hash func() (string, error), effect func() (O, error)) (*kept[O], error) {
	a := askedBy(ctx)
	reply := a.reply()
	if a.key == "" {
		o, err := effect()
		if err != nil {
			return nil, err
		}
		return encode(status, o)
	}
	var old access.Reply
	var mine bool
	err := c.DB.Write(ctx, func(tx *database.Tx) (err error) {
		old, mine, err = c.Access.Claim(ctx, tx, reply)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !mine {
		if reply.BodyHash, err = hash(); err == nil && reply.BodyHash != old.BodyHash {
			err = access.ErrKeyReused
		}
		return replay[O](old), err
	}
	answer, err := finish(status, &reply, hash, effect)
	ctx = context.WithoutCancel(ctx) // what has happened is told, whoever still listens
	if err != nil {
		return nil, errors.Join(err, c.Access.LetGo(ctx, reply))
	}
	return answer, c.DB.Write(ctx, func(tx *database.Tx) error { return c.Access.Keep(ctx, tx, reply) })
}

// bodyOf is the hash of a body that was read before the handler.
func bodyOf(ctx context.Context) func() (string, error) {
	return func() (string, error) { return askedBy(ctx).bodyHash, nil }
}

func finish[O any](status int, reply *access.Reply, hash func() (string, error), effect func() (O, error)) (*kept[O], error) {
	o, err := effect()
	if err != nil {
		return nil, err
	}
	answer, err := encode(status, o)
	if err != nil {
		return nil, err
	}
	if reply.BodyHash, err = hash(); err != nil {
		return nil, err
	}
	reply.Status, reply.Answer = status, string(answer.Body.json)
	return answer, nil
}
