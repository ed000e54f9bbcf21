package subscribers_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"testing"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/migrations"
	"facteur/subscribers"
)

// BenchmarkImporter_NewPeople brings 100,000 new people with a name and a city
// to a list: a person, a subscription and a row of the ledger each.
func BenchmarkImporter_NewPeople(b *testing.B) {
	b.Run("SQLite", func(b *testing.B) { benchmarkImport(b, databasetest.SQLite(b), false) })
	b.Run("PostgreSQL", func(b *testing.B) { benchmarkImport(b, databasetest.Postgres(b), false) })
}

// BenchmarkImporter_KnownPeople brings the same people again.
func BenchmarkImporter_KnownPeople(b *testing.B) {
	b.Run("SQLite", func(b *testing.B) { benchmarkImport(b, databasetest.SQLite(b), true) })
	b.Run("PostgreSQL", func(b *testing.B) { benchmarkImport(b, databasetest.Postgres(b), true) })
}

func benchmarkImport(b *testing.B, dsn string, again bool) {
	people := 100_000
	if os.Getenv("BIG") != "" {
		people = 1_000_000
	}
	ctx := context.Background()
	db, err := database.Open(ctx, dsn, database.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	if err := migrations.Up(ctx, db); err != nil {
		b.Fatal(err)
	}
	store := subscribers.NewStore(db)
	if p := os.Getenv("PRAGMA"); p != "" { _ = db.Write(ctx, func(tx *database.Tx) error { var x []string; return tx.Select(ctx, &x, p) }) }
	round := 0
	for b.Loop() {
		b.StopTimer()
		list := newList(b, db)
		if !again {
			round++
		} else if round == 0 {
			round = 1
			importBody(b, db, store, newList(b, db), crowd(round, people))
		}
		body := crowd(round, people)
		b.StartTimer()
		importBody(b, db, store, list, body)
	}
	b.ReportMetric(float64(people)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// importBody imports a body and waits until it is done.
func importBody(t testing.TB, db *database.DB, store *subscribers.Store, list int64, body []byte) subscribers.Import {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	im := subscribers.NewImporter(db, store, t.TempDir(), slog.New(onMessage("import done", func(slog.Record) { stop() })))
	accepted, err := im.Accept(ctx, list, stated(), bytes.NewReader(body), math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	im.Run(ctx)
	done, err := store.Import(context.Background(), accepted.ID)
	if err != nil || done.Status != subscribers.ImportDone {
		t.Fatalf("%+v, %v", done, err)
	}
	return done
}

// crowd is a file of n people; each round has its own.
var mult = func() int { if os.Getenv("SEQ") != "" { return 1 }; return 7919 }()

func crowd(round, n int) []byte {
	var b bytes.Buffer
	b.WriteString("email,name,city\n")
	for i := range n {
		fmt.Fprintf(&b, "person.%d.%d@example-%d.com,Ann Person %d,Clermont %d\n", round, (i*mult)%n, i%97, i, i%1000)
	}
	return b.Bytes()
}
