package call

import (
	"context"
	"crypto/rand"
)

// Call is noted by the doors while they answer and logged at the end. It
// holds no token and no mail address.
type Call struct {
	ID    string // in the answer's X-Request-Id and in every log line about it
	Route string // the pattern that matched, "" if none did
	Actor string // who made it, where that is known
}

type callKey struct{}

// With returns a context that carries a new call, and the call.
func With(ctx context.Context) (context.Context, *Call) {
	c := &Call{ID: rand.Text()[:16]}
	return context.WithValue(ctx, callKey{}, c), c
}

// Of is the call of a context; an empty one, which nobody will read, if there is none.
func Of(ctx context.Context) *Call {
	if c, ok := ctx.Value(callKey{}).(*Call); ok {
		return c
	}
	return &Call{}
}

type endingKey struct{}

// WithEnding returns a context whose calls can learn that the server is
// ending, so that answers without an end can find one.
func WithEnding(ctx context.Context, ending <-chan struct{}) context.Context {
	return context.WithValue(ctx, endingKey{}, ending)
}

// Ending is closed when the server is ending; nil, which never is, when nobody says.
func Ending(ctx context.Context) <-chan struct{} {
	ending, _ := ctx.Value(endingKey{}).(<-chan struct{})
	return ending
}
