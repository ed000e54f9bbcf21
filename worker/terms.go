package worker

import (
	"context"
	"errors"
	"time"

	"facteur/internal/database"
	"facteur/sending"
	"facteur/throttle"
)

// terms are what every begin goes by and somebody changes now and then: limits,
// breakers and warm-ups. A commit reads their mark, and them when it has moved.
type terms struct {
	mark   int64
	readAt time.Time
	limits throttle.Limits
	brakes throttle.Brakes
	warms  map[string]bool // sending domain → whether it warms up, of those asked for
}

// termsFor bounds how long they are kept, whatever the mark says: a database
// that went back in time has a mark that was there before.
const termsFor = time.Second

// terms are those that hold in this transaction.
func (r *Recorder) terms(ctx context.Context, tx *database.Tx) (*terms, error) {
	mark, err := tx.Mark(ctx, database.Terms)
	if err != nil {
		return nil, err
	}
	if k := r.known; k != nil && k.mark == mark && time.Since(k.readAt) < termsFor {
		return k, nil
	}
	t := &terms{mark: mark, readAt: time.Now(), warms: map[string]bool{}}
	pace := r.pace.With(tx)
	if t.limits, err = pace.Limits(ctx); err != nil {
		return nil, err
	}
	if t.brakes, err = pace.Brakes(ctx); err != nil {
		return nil, err
	}
	r.known = t
	return t, nil
}

// warm tells whether a domain warms up: it may do so since a batch was released
// without a day, and then its mails have no place in any.
func (r *Recorder) warm(ctx context.Context, tx *database.Tx, t *terms, name string) (bool, error) {
	if warm, ok := t.warms[name]; ok {
		return warm, nil
	}
	d, err := r.senders.With(tx).DomainByName(ctx, name)
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		return false, err
	}
	t.warms[name] = err == nil && d.Warmup != sending.NoWarmup
	return t.warms[name], nil
}
