package subscribers_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"sort"
	"strings"
	"testing"
	"time"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/subscribers"
	"facteur/subscribers/consent"
)

func stated() consent.Statement {
	return consent.Statement{Basis: consent.OptIn, Source: "fair", At: time.Now().Add(-24 * time.Hour).Truncate(time.Millisecond), Wording: "Yes, mail me"}
}

func write(t testing.TB, db *database.DB, change func(tx *database.Tx) error) {
	t.Helper()
	if err := db.Write(context.Background(), change); err != nil {
		t.Fatal(err)
	}
}

func newList(t testing.TB, db *database.DB) int64 {
	t.Helper()
	var list subscribers.List
	write(t, db, func(tx *database.Tx) (err error) {
		list, err = subscribers.NewStore(db).CreateList(context.Background(), tx, subscribers.List{Name: "news"})
		return err
	})
	return list.ID
}

func enroll(t testing.TB, db *database.DB, list int64, people ...subscribers.Person) (ids []int64) {
	t.Helper()
	write(t, db, func(tx *database.Tx) error {
		enrolled, err := subscribers.NewStore(db).Enroll(context.Background(), tx, list, people, stated(), false)
		for _, e := range enrolled {
			ids = append(ids, e.ID)
		}
		return err
	})
	return ids
}

func parse(t testing.TB, s string) address.Address {
	t.Helper()
	a, err := address.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// listener calls heard for each log line, on the goroutine that logs.
type listener func(slog.Record)

func (l listener) Enabled(context.Context, slog.Level) bool { return true }
func (l listener) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l listener) WithGroup(string) slog.Handler            { return l }
func (l listener) Handle(_ context.Context, r slog.Record) error {
	l(r)
	return nil
}

// onMessage is a log that calls heard for each line with this message.
func onMessage(message string, heard func()) *slog.Logger {
	return slog.New(listener(func(r slog.Record) {
		if r.Message == message {
			heard()
		}
	}))
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// finish runs the imports of dir until one is over, done or failed.
func finish(t testing.TB, db *database.DB, dir string, id int64) subscribers.Import {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	log := slog.New(listener(func(r slog.Record) {
		if r.Message == "import done" || r.Message == "import failed" {
			stop()
		}
	}))
	store := subscribers.NewStore(db)
	subscribers.NewImporter(db, store, dir, log).Run(ctx)
	over, err := store.Import(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return over
}

// importBody brings a file to a list, to its end.
func importBody(t testing.TB, db *database.DB, list int64, body []byte) subscribers.Import {
	t.Helper()
	store, dir := subscribers.NewStore(db), t.TempDir()
	accepted, err := subscribers.NewImporter(db, store, dir, quiet()).Accept(context.Background(), list, subscribers.ImportTerms{Statement: stated()}, bytes.NewReader(body), math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	done := finish(t, db, dir, accepted.ID)
	if done.Status != subscribers.ImportDone || done.Rows != done.Created+done.Updated+done.Refused || done.FinishedAt == 0 {
		t.Fatalf("%+v", done)
	}
	return done
}

// endState is everything an import leaves behind but ids and times, a line each.
func endState(t testing.TB, db *database.DB) string {
	t.Helper()
	var lines []string
	err := db.Select(context.Background(), &lines, `SELECT p.key || '|' || p.email || '|' || p.name || '|' || p.locale || '|' || p.timezone || '|' || CAST(p.attributes AS TEXT)
		|| '|' || COALESCE((SELECT s.status FROM subscriptions s WHERE s.subscriber_id = p.id), 'none')
		|| '|' || CAST((SELECT COUNT(*) FROM consents c WHERE c.subscriber_id = p.id) AS TEXT) FROM subscribers p`)
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(lines)
	var imports []string
	err = db.Select(context.Background(), &imports, `SELECT status || '|' || error || '|' || CAST(progress AS TEXT) || '|' || CAST(problems AS TEXT) || '|' || basis || '|' || source
		|| '|' || CAST(rows_read AS TEXT) || '|' || CAST(created AS TEXT) || '|' || CAST(updated AS TEXT) || '|' || CAST(refused AS TEXT) FROM imports ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(append(lines, imports...), "\n")
}

func journalled(t testing.TB, db *database.DB, id int64) (verbs []string) {
	t.Helper()
	entries, err := journal.Of(context.Background(), db, "import", id)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		verbs = append(verbs, fmt.Sprintf("%s by %s", e.Verb, e.Actor))
	}
	return verbs
}
