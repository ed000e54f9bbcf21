package api

import (
	"context"
	"net/http"
	"reflect"
	"strings"

	"facteur/internal/database"

	"github.com/danielgtaylor/huma/v2"
)

// route is one call: a line of the table of contents.
type route struct {
	method, path string
	scope        string
	about        string
	register     func(huma.API, huma.Operation)
}

// subject is the first word of the path.
func (r route) subject() string {
	subject, _, _ := strings.Cut(strings.TrimPrefix(r.path, "/"), "/")
	return subject
}

// operation is what the OpenAPI document says about the route besides its types.
func (r route) operation(api huma.API) huma.Operation {
	op := huma.Operation{
		OperationID: strings.ToLower(r.method) + strings.NewReplacer("/", "-", "{", "", "}", "").Replace(r.path),
		Method:      r.method, Path: r.path, Summary: r.about, Tags: []string{r.subject()},
		Description:     "Scope: `" + r.scope + "`",
		Security:        []map[string][]string{{"token": {}}},
		MaxBodyBytes:    -1, // guard.go has seen to both
		BodyReadTimeout: -1,
		Responses: map[string]*huma.Response{"default": {
			Description: "A problem (RFC 9457).",
			Content:     map[string]*huma.MediaType{problemType: {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "")}},
		}},
	}
	if r.method == http.MethodPost {
		one, most := 1, 200
		op.Parameters = []*huma.Param{{
			Name: keyHeader, In: "header", Schema: &huma.Schema{Type: huma.TypeString, MinLength: &one, MaxLength: &most},
			Description: "Any text of your own. The same call with the same key is done once, and answered alike for 24 hours.",
		}}
	}
	return op
}

// streams tells that the body is too large to be read before the handler.
func (r route) streams() bool {
	return strings.HasSuffix(r.path, "/imports") || r.method == http.MethodPost && strings.HasSuffix(r.path, "/files") || strings.HasSuffix(r.path, "/suppressions/import") || r.path == "/feedback/messages"
}

// read registers a call without an Idempotency-Key: one that changes nothing,
// or that is the same when done twice.
func read[I, O any](c *calls, handler func(context.Context, *I) (O, error)) func(huma.API, huma.Operation) {
	type output struct{ Body O }
	return func(api huma.API, op huma.Operation) {
		huma.Register(api, op, func(ctx context.Context, input *I) (*output, error) {
			body, err := handler(ctx, input)
			if err != nil {
				return nil, c.explain(ctx, err)
			}
			return &output{body}, nil
		})
	}
}

// change registers a call whose handler runs in one transaction, together
// with the keeping of its answer. It may be run again, so it must not touch
// anything but the transaction. then is called when a change has happened.
func change[I, O any](c *calls, status int, handler func(context.Context, *database.Tx, *I) (O, error), then ...func()) func(huma.API, huma.Operation) {
	return prepared(c, status, func(_ context.Context, input *I) (func(context.Context, *database.Tx) (O, error), error) {
		return func(ctx context.Context, tx *database.Tx) (O, error) { return handler(ctx, tx, input) }, nil
	}, then...)
}

// create is a [change] that answers 201.
func create[I, O any](c *calls, handler func(context.Context, *database.Tx, *I) (O, error)) func(huma.API, huma.Operation) {
	return change(c, http.StatusCreated, handler)
}

// act is a [change] that answers 202: its effect goes on.
func act[I, O any](c *calls, handler func(context.Context, *database.Tx, *I) (O, error), then ...func()) func(huma.API, huma.Operation) {
	return change(c, http.StatusAccepted, handler, then...)
}

// prepared is a [change] whose handler does what takes long before the
// transaction, and returns what is to be done inside.
func prepared[I, O any](c *calls, status int, handler func(context.Context, *I) (func(context.Context, *database.Tx) (O, error), error), then ...func()) func(huma.API, huma.Operation) {
	return answered(c, status, func(ctx context.Context, input *I) (*kept[O], error) {
		inside, err := handler(ctx, input)
		if err != nil {
			return nil, err
		}
		answer, err := once(ctx, c, status, inside)
		if err == nil && answer.Replayed == "" {
			for _, f := range then {
				f()
			}
		}
		return answer, err
	})
}

// answered registers a call that sees to its Idempotency-Key itself.
func answered[I, O any](c *calls, status int, handler func(context.Context, *I) (*kept[O], error)) func(huma.API, huma.Operation) {
	return func(api huma.API, op huma.Operation) {
		op.DefaultStatus = status
		huma.Register(api, op, func(ctx context.Context, input *I) (*kept[O], error) {
			answer, err := handler(ctx, input)
			if err != nil {
				return nil, c.explain(ctx, err)
			}
			return answer, nil
		})
	}
}
