package subscribers_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/subscribers"
	"facteur/subscribers/consent"
)

func stated() consent.Statement {
	return consent.Statement{Basis: consent.OptIn, Source: "fair", At: time.Now().Add(-24 * time.Hour), Wording: "Yes, mail me"}
}

func newList(t testing.TB, db *database.DB) int64 {
	t.Helper()
	var list subscribers.List
	err := db.Write(context.Background(), func(tx *database.Tx) (err error) {
		list, err = subscribers.NewStore(db).CreateList(context.Background(), tx, subscribers.List{Name: "news"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list.ID
}

// listener calls heard for each log line with its message, on the goroutine that logs.
type listener struct {
	message string
	heard   func(slog.Record)
}

func onMessage(message string, heard func(slog.Record)) slog.Handler { return listener{message, heard} }

func (l listener) Enabled(context.Context, slog.Level) bool { return true }
func (l listener) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l listener) WithGroup(string) slog.Handler            { return l }
func (l listener) Handle(_ context.Context, r slog.Record) error {
	if r.Message == l.message {
		l.heard(r)
	}
	return nil
}
