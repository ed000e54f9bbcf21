package databasetest

import (
	"context"
	"testing"
	"time"

	"facteur/internal/database"
)

// Overlap runs two changes side by side and returns their errors: the second
// begins when all of the first is done but its commit, and the first commits
// once the second has ended or waits for it. So each may read what was before
// the other, as far as the database lets them. On SQLite, where the writer is
// alone, the second follows.
func Overlap(t *testing.T, db *database.DB, first func(context.Context, *database.Tx) error, second func() error) (one, two error) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	if db.Engine() == database.SQLite {
		one = db.Write(ctx, func(tx *database.Tx) error { return first(ctx, tx) })
		return one, second()
	}
	ready, commit, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		one = db.Write(ctx, func(tx *database.Tx) error {
			defer func() { <-commit }()
			defer close(ready)
			return first(ctx, tx)
		})
	}()
	<-ready
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		two = second()
	}()
	for waits := false; !waits; {
		select {
		case <-ended:
			waits = true
		default:
			if err := db.Get(ctx, &waits, `SELECT COUNT(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`); err != nil {
				t.Error(err)
				waits = true
			}
			time.Sleep(time.Millisecond) // between two looks
		}
	}
	close(commit)
	<-done
	<-ended
	return one, two
}

// OverlapBoth is [Overlap] of two changes that are both transactions.
func OverlapBoth(t *testing.T, db *database.DB, first, second func(context.Context, *database.Tx) error) (one, two error) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	return Overlap(t, db, first, func() error {
		return db.Write(ctx, func(tx *database.Tx) error { return second(ctx, tx) })
	})
}
