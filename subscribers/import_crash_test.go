package subscribers_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/migrations"
	"facteur/subscribers"
)

// another is a second fresh database of an engine.
func another(t *testing.T, engine database.Engine) *database.DB {
	t.Helper()
	if engine == database.SQLite {
		return databasetest.New(t)
	}
	return migrated(t, databasetest.Postgres(t))
}

func migrated(t *testing.T, dsn string) *database.DB {
	t.Helper()
	db := open(t, dsn)
	if err := migrations.Up(context.Background(), db); err != nil {
		t.Fatal(err)
	}
	return join(t, db)
}

func reopen(t *testing.T, dsn string) *database.DB {
	t.Helper()
	return join(t, open(t, dsn))
}

func open(t *testing.T, dsn string) *database.DB {
	t.Helper()
	db, err := database.Open(context.Background(), dsn, database.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// join lets a process give out ids beside others of the same database.
func join(t *testing.T, db *database.DB) *database.DB {
	t.Helper()
	process, err := database.Join(context.Background(), db, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Leave(context.Background()) })
	return db
}

// TestImporter_Doomed is the process that the test below kills.
func TestImporter_Doomed(t *testing.T) {
	dsn, dir := os.Getenv("FACTEUR_TEST_DOOMED_DB"), os.Getenv("FACTEUR_TEST_DOOMED_DIR")
	if dsn == "" {
		t.Skip("only as a child of TestImporter_SurvivesKill9")
	}
	db := reopen(t, dsn)
	subscribers.NewImporter(db, subscribers.NewStore(db), dir, onMessage("import page", func() { _, _ = os.Stdout.WriteString(".") })).Run(context.Background())
}

func TestImporter_SurvivesKill9(t *testing.T) {
	const rows = 12_000
	body := mixed(rows)
	for engine, dsn := range map[string]func(testing.TB) string{"SQLite": databasetest.SQLite, "PostgreSQL": databasetest.Postgres} {
		t.Run(engine, func(t *testing.T) {
			_, want := uninterrupted(t, migrated(t, dsn(t)), body)
			name, dir := dsn(t), t.TempDir()
			db := migrated(t, name)
			id := accept(t, db, dir, body).ID
			_ = db.Close()
			before := int64(-1)
			for kills := range 6 {
				killDuring(t, name, dir, kills)
				db := reopen(t, name)
				found := standing(t, db, id)
				_ = db.Close()
				if found.Rows <= before || found.Rows != found.Created+found.Updated+found.Refused {
					t.Errorf("after kill %d: %+v", kills, found)
				}
				before = found.Rows
			}
			db = reopen(t, name)
			if done := finish(t, db, dir, id); done.Status != subscribers.ImportDone {
				t.Errorf("%+v", done)
			}
			if got := endState(t, db); got != want {
				t.Errorf("the end state is another one:\n%s", difference(got, want))
			}
		})
	}
}

// killDuring starts an importer in a process of its own and kills it some
// moment after its second page: each time another one.
func killDuring(t *testing.T, dsn, dir string, turn int) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestImporter_Doomed$")
	child.Env = append(os.Environ(), "FACTEUR_TEST_DOOMED_DB="+dsn, "FACTEUR_TEST_DOOMED_DIR="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 1)
	for pages := 0; pages < 2; {
		if _, err := out.Read(said); err != nil {
			t.Fatalf("the child ended by itself: %v", err)
		}
		pages += strings.Count(string(said), ".")
	}
	for start := time.Now(); time.Since(start) < time.Duration(turn)*1700*time.Microsecond; {
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("child %d: %v", turn, err)
	}
}
