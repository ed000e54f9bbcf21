package subscribers_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/migrations"
)

// BenchmarkImporter_NewPeople brings 100,000 new people with a name and a city
// to a list: a person, a subscription and a row of the ledger each. Addresses
// in no order are the hard case: each one dirties another page of the index.
func BenchmarkImporter_NewPeople(b *testing.B) {
	b.Run("InOrder/SQLite", func(b *testing.B) { benchmarkImport(b, databasetest.SQLite(b), 1, false) })
	b.Run("Shuffled/SQLite", func(b *testing.B) { benchmarkImport(b, databasetest.SQLite(b), 7919, false) })
	b.Run("InOrder/PostgreSQL", func(b *testing.B) { benchmarkImport(b, databasetest.Postgres(b), 1, false) })
	b.Run("Shuffled/PostgreSQL", func(b *testing.B) { benchmarkImport(b, databasetest.Postgres(b), 7919, false) })
}

// BenchmarkImporter_KnownPeople brings the same people to another list.
func BenchmarkImporter_KnownPeople(b *testing.B) {
	b.Run("Shuffled/SQLite", func(b *testing.B) { benchmarkImport(b, databasetest.SQLite(b), 7919, true) })
	b.Run("Shuffled/PostgreSQL", func(b *testing.B) { benchmarkImport(b, databasetest.Postgres(b), 7919, true) })
}

func benchmarkImport(b *testing.B, dsn string, stride int, known bool) {
	const people = 100_000
	ctx := context.Background()
	db, err := database.Open(ctx, dsn, database.Options{Alone: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	if err := migrations.Up(ctx, db); err != nil {
		b.Fatal(err)
	}
	if known {
		importBody(b, db, newList(b, db), crowd(0, people, stride))
	}
	for round := 0; b.Loop(); round++ {
		b.StopTimer()
		list := newList(b, db)
		body := crowd(round, people, stride)
		if known {
			body = crowd(0, people, stride)
		}
		b.StartTimer()
		importBody(b, db, list, body)
	}
	b.ReportMetric(people*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// crowd is a file of n people, each round with its own; stride, which has no
// divisor in common with n, sets their order.
func crowd(round, n, stride int) []byte {
	var b bytes.Buffer
	b.WriteString("email,name,city\n")
	for i := range n {
		p := i * stride % n
		fmt.Fprintf(&b, "person.%d.%07d@example-%d.com,Ann Person %d,Clermont %d\n", round, p, p%97, p, p%1000)
	}
	return b.Bytes()
}
