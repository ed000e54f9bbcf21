package migrations_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/migrations"
)

// eachEmpty runs the test with the URL of an empty database of each engine.
func eachEmpty(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("SQLite", func(t *testing.T) { test(t, databasetest.SQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, databasetest.Postgres(t)) })
}

func open(t *testing.T, url string) *database.DB {
	t.Helper()
	db, err := database.Open(context.Background(), url, database.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func version(t *testing.T, db *database.DB) (v int64) {
	t.Helper()
	if err := db.Get(t.Context(), &v, `SELECT MAX(version_id) FROM goose_db_version`); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestUp_BringsAnEmptyDatabaseToTheNewestVersionOnce(t *testing.T) {
	files, err := filepath.Glob("*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal("no migrations", err)
	}
	files = slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, ".postgres.sql") })
	eachEmpty(t, func(t *testing.T, url string) {
		db := open(t, url)
		for range 2 {
			if err := migrations.Up(t.Context(), db); err != nil {
				t.Fatal(err)
			}
		}
		if got, last := version(t, db), files[len(files)-1]; fmt.Sprintf("%04d", got) != last[:4] {
			t.Errorf("version %d, the last file is %s", got, last)
		}
		var n int
		if err := db.Get(t.Context(), &n, `SELECT COUNT(*) FROM goose_db_version WHERE version_id > 0`); err != nil || n != len(files) {
			t.Errorf("%d steps were made, %v, want %d", n, err, len(files))
		}
	})
}

func TestUp_RefusesASchemaNewerThanItKnows(t *testing.T) {
	eachEmpty(t, func(t *testing.T, url string) {
		db := open(t, url)
		if err := migrations.Up(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		known := version(t, db)
		if _, err := db.Exec(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (?, ?)`, known+1, true); err != nil {
			t.Fatal(err)
		}
		err := migrations.Up(t.Context(), db)
		if err == nil || !strings.Contains(err.Error(), "newer facteur") || strings.Contains(err.Error(), "password") {
			t.Errorf("%v, want to be told to start a newer facteur", err)
		}
	})
}

func TestUp_OfSeveralProcessesAtOnceIsOne(t *testing.T) {
	url := databasetest.Postgres(t)
	var all sync.WaitGroup
	for range 4 {
		db := open(t, url)
		all.Go(func() {
			if err := migrations.Up(context.Background(), db); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if version(t, open(t, url)) == 0 {
		t.Error("nothing was done")
	}
}

// TestFiles_KeepToThePortableSubset guards what both engines must understand alike.
func TestFiles_KeepToThePortableSubset(t *testing.T) {
	files, err := filepath.Glob("*.sql")
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, ".postgres.sql") })
	name := regexp.MustCompile(`^\d{4}_[a-z_]+(\.sqlite)?\.sql$`)
	column := regexp.MustCompile(`(?m)^    ([a-z_]+)\s+([A-Z]+(?: PRECISION)?)\b(.*)$`)
	types := []string{"TEXT", "BIGINT", "BOOLEAN", "DOUBLE PRECISION", "JSONB"}
	for i, file := range files {
		if !name.MatchString(file) || i > 0 && file[:4] == files[i-1][:4] {
			t.Errorf("%s: want a number that no other file has, one subject each", file)
		}
		if base, pair := strings.CutSuffix(file, ".sqlite.sql"); pair {
			if _, err := os.Stat(base + ".postgres.sql"); err != nil {
				t.Errorf("%s has no text for PostgreSQL: %v", file, err)
			}
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "goose Down") || !strings.HasPrefix(string(text), "-- +goose Up\n") {
			t.Errorf("%s: migrations go up only", file)
		}
		for _, c := range column.FindAllStringSubmatch(string(text), -1) {
			if !slices.Contains(types, c[2]) || !strings.Contains(c[3], "NOT NULL") {
				t.Errorf("%s: column %s is %s%s, want one of %v NOT NULL", file, c[1], c[2], c[3], types)
			}
		}
	}
}

// What a migration asks of each row is found by an index: with a million of
// them, SQLite would not come to an end.
func TestUp_LooksEachRowUpByAnIndex(t *testing.T) {
	db := open(t, databasetest.SQLite(t))
	if err := migrations.Up(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("00[3-9]?_*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal("no migrations", err)
	}
	comment := regexp.MustCompile(`--[^\n]*`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for query := range strings.SplitSeq(comment.ReplaceAllString(string(text), ""), ";") {
			query = strings.TrimSpace(query)
			if strings.HasSuffix(file, ".postgres.sql") || !strings.HasPrefix(query, "UPDATE") && !strings.HasPrefix(query, "DELETE") {
				continue
			}
			var plan []struct {
				ID      int    `db:"id"`
				Parent  int    `db:"parent"`
				NotUsed int    `db:"notused"`
				Detail  string `db:"detail"`
			}
			if err := db.Select(t.Context(), &plan, "EXPLAIN QUERY PLAN "+query); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			each := map[int]bool{}
			for _, step := range plan {
				each[step.ID] = each[step.Parent] || strings.HasPrefix(step.Detail, "CORRELATED")
				if each[step.ID] && strings.HasPrefix(step.Detail, "SCAN") {
					t.Errorf("%s: %q for each row of: %s", file, step.Detail, query)
				}
			}
		}
	}
}
