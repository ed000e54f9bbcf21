package subscribers_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/journal"
	"facteur/subscribers"
	"facteur/subscribers/consent"
	"facteur/subscribers/importer"
)

func TestImporter_RefusesFilesThatCannotBeImportedAtOnce(t *testing.T) {
	db := databasetest.New(t)
	list, dir := newList(t, db), t.TempDir()
	im := subscribers.NewImporter(db, subscribers.NewStore(db), dir, quiet())
	wide := "email" + strings.Repeat(","+strings.Repeat("x", 100), 30) + "\n"
	for _, c := range []struct {
		why, body string
		cause     error
		says      []string
	}{
		{"nothing", "", importer.ErrEmpty, []string{"empty"}},
		{"a spreadsheet", "PK\x03\x04\x14\x00\x06\x00rest", importer.ErrNotText, []string{"save the table as CSV"}},
		{"UTF-32", "\xff\xfe\x00\x00e\x00\x00\x00", importer.ErrNotText, []string{"not a text file"}},
		{"binary", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x02\x00", nil, []string{"no column holds the e-mail address"}},
		{"binary with NUL in the first line", "\x7fELF\x02\x01\x01\x00\x00\x00 \x00\x00\n", nil, []string{"NUL byte"}},
		{"a page of the web", "<!doctype html>\n<html>\n", nil, []string{`"<!doctype html>"`}},
		{"no header", "ann@example.com,Ann\n", importer.ErrNoHeader, []string{"put a line with the names of the columns above it"}},
		{"a header that never ends", "email,\"name\n", nil, []string{"line 1", "quote"}},
		{"a header of 10 MB", "email," + strings.Repeat("x", 10<<20) + "\n", nil, []string{"longer than 65536 bytes"}},
		{"a header in a wrong encoding", "\ufeffemail,pr\xe9nom\na,b\n", nil, []string{"save the file as UTF-8"}},
		{"no e-mail column", "Name;Town\nAnn;Paris\n", nil, []string{`no column holds the e-mail address: name it email`, `"Name", "Town"`}},
		{"two columns of one key", "email,Postal code,postal-code\n", nil, []string{`"Postal code" and "postal-code" both mean "postal_code"`, "remove or rename"}},
		{"two e-mail columns", "E-mail,courriel\n", nil, []string{`"E-mail" and "courriel" both mean "email"`}},
		{"two names", "email,Name,Full name\n", nil, []string{`both mean "name"`}},
		{"very many columns", wide, nil, []string{"and 11 more", "xxx…"}},
	} {
		_, err := im.Accept(t.Context(), list, subscribers.ImportTerms{Statement: stated()}, strings.NewReader(c.body), math.MaxInt64)
		if !errors.Is(err, subscribers.ErrBadFile) || c.cause != nil && !errors.Is(err, c.cause) {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		for _, want := range c.says {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", c.why, err, want)
			}
		}
		if len(err.Error()) > 3000 {
			t.Errorf("%s: the message has %d bytes", c.why, len(err.Error()))
		}
	}
	expectNothing(t, db, dir, list)
}

// expectNothing checks that there is neither an import nor a file.
func expectNothing(t *testing.T, db *database.DB, dir string, list int64) {
	t.Helper()
	imports, err := subscribers.NewStore(db).Imports(context.Background(), list, 0, 10)
	if err != nil || len(imports) != 0 {
		t.Errorf("imports: %+v, %v", imports, err)
	}
	if files := names(t, dir); len(files) != 0 {
		t.Errorf("files left behind: %v", files)
	}
}

func names(t *testing.T, dir string) (files []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		files = append(files, e.Name())
	}
	return files
}

func TestImporter_ReadsNothingWithoutListOrConsent(t *testing.T) {
	db := databasetest.New(t)
	list, dir := newList(t, db), t.TempDir()
	im := subscribers.NewImporter(db, subscribers.NewStore(db), dir, quiet())
	untouched := iotest.ErrReader(errors.New("the body was read"))
	noSource, tomorrow, noBasis := stated(), stated(), stated()
	noSource.Source, tomorrow.At, noBasis.Basis = " ", time.Now().Add(24*time.Hour), ""
	for says, yes := range map[string]consent.Statement{"source is empty": noSource, "in the future": tomorrow, "basis": noBasis} {
		if _, err := im.Accept(t.Context(), list, subscribers.ImportTerms{Statement: yes}, untouched, 100); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("want %q: %v", says, err)
		}
	}
	if _, err := im.Accept(t.Context(), list+1, subscribers.ImportTerms{Statement: stated()}, untouched, 100); !errors.Is(err, database.ErrNotFound) {
		t.Errorf("no such list: %v", err)
	}
	expectNothing(t, db, dir, list)
}

func TestImporter_TakesExactlyTheLimit(t *testing.T) {
	db := databasetest.New(t)
	list, dir := newList(t, db), t.TempDir()
	im := subscribers.NewImporter(db, subscribers.NewStore(db), dir, quiet())
	for _, size := range []int{0, 20, 64 << 10, 1 << 20} {
		body := append([]byte("email\n"), bytes.Repeat([]byte("x"), size)...)
		limit := int64(len(body))
		for _, short := range []int64{1, 2, limit} {
			_, err := im.Accept(t.Context(), list, subscribers.ImportTerms{Statement: stated()}, bytes.NewReader(body), limit-short)
			var large *subscribers.ImportTooLarge
			if !errors.As(err, &large) || large.Limit != limit-short || errors.Is(err, subscribers.ErrBadFile) {
				t.Errorf("%d bytes where %d are allowed: %v", limit, limit-short, err)
			}
		}
		expectNothing(t, db, dir, list)
		accepted, err := im.Accept(t.Context(), list, subscribers.ImportTerms{Statement: stated()}, iotest.HalfReader(bytes.NewReader(body)), limit)
		if err != nil {
			t.Fatalf("%d bytes: %v", limit, err)
		}
		path := filepath.Join(dir, names(t, dir)[0])
		spooled, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(spooled, body) {
			t.Errorf("%d bytes were spooled as %d, %v", limit, len(spooled), err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		finish(t, db, dir, accepted.ID)
		if _, err := db.Exec(t.Context(), `DELETE FROM imports`); err != nil {
			t.Fatal(err)
		}
	}
}

func TestImporter_LeavesNothingOfABodyThatBreaksOff(t *testing.T) {
	db := databasetest.New(t)
	list, dir := newList(t, db), t.TempDir()
	im := subscribers.NewImporter(db, subscribers.NewStore(db), dir, quiet())
	broken := errors.New("connection reset")
	for _, read := range []string{"", "ema", "email\na@b.fr\n", "email\n" + strings.Repeat("a@b.fr\n", 100_000)} {
		_, err := im.Accept(t.Context(), list, subscribers.ImportTerms{Statement: stated()}, io.MultiReader(strings.NewReader(read), iotest.ErrReader(broken)), math.MaxInt64)
		if !errors.Is(err, broken) || errors.Is(err, subscribers.ErrBadFile) {
			t.Errorf("after %d bytes: %v", len(read), err)
		}
	}
	ctx, leave := context.WithCancel(t.Context())
	gone := readerFunc(func(p []byte) (int, error) { leave(); return copy(p, "email\n"), nil })
	if _, err := im.Accept(ctx, list, subscribers.ImportTerms{Statement: stated()}, gone, math.MaxInt64); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller left: %v", err)
	}
	expectNothing(t, db, dir, list)
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestImporter_AnswersBeforeAnybodyIsImported(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		store, list, dir, yes := subscribers.NewStore(db), newList(t, db), t.TempDir(), stated()
		im := subscribers.NewImporter(db, store, filepath.Join(dir, "imports"), quiet())
		ctx := journal.WithActor(t.Context(), "token:7")
		accepted, err := im.Accept(ctx, list, subscribers.ImportTerms{Statement: yes}, strings.NewReader("email\na@b.fr\n"), 100)
		if err != nil {
			t.Fatal(err)
		}
		found, err := store.Import(ctx, accepted.ID)
		if err != nil || found.Status != subscribers.ImportRunning || found.ListID != list || found.Rows != 0 || found.FinishedAt != 0 ||
			found.Basis != "opt_in" || found.Source != "fair" || found.StatedAt != yes.At.UnixMilli() || found.CreatedAt == 0 {
			t.Errorf("%+v, %v", found, err)
		}
		done := finish(t, db, filepath.Join(dir, "imports"), accepted.ID)
		if done.Status != subscribers.ImportDone || done.Created != 1 {
			t.Errorf("%+v", done)
		}
		if got := strings.Join(journalled(t, db, accepted.ID), ", "); got != "create by token:7, finish by facteur" {
			t.Errorf("journal: %s", got)
		}
		var ledger struct {
			Text     string
			StatedAt int64 `db:"stated_at"`
		}
		if err := db.Get(ctx, &ledger, `SELECT s.text, c.stated_at FROM consents c JOIN statements s ON s.digest = c.statement`); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(ledger.Text, `"fair"`) || !strings.Contains(ledger.Text, "Yes, mail me") || ledger.StatedAt != yes.At.UnixMilli() {
			t.Errorf("ledger: %+v", ledger)
		}
	})
}

func TestStore_PagesThroughTheImportsOfAList(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		store, list := subscribers.NewStore(db), newList(t, db)
		var ids []int64
		for range 3 {
			ids = append(ids, importBody(t, db, list, []byte("email\nann\n")).ID)
		}
		importBody(t, db, newList(t, db), []byte("email\n"))
		first, err := store.Imports(t.Context(), list, 0, 2)
		if err != nil || len(first) != 2 || first[0].ID != ids[2] || first[1].ID != ids[1] || len(first[0].Problems) != 1 {
			t.Fatalf("%+v, %v", first, err)
		}
		second, err := store.Imports(t.Context(), list, first[1].ID, 2)
		if err != nil || len(second) != 1 || second[0].ID != ids[0] {
			t.Fatalf("%+v, %v", second, err)
		}
		if _, err := store.Import(t.Context(), 1); !errors.Is(err, database.ErrNotFound) {
			t.Fatal(err)
		}
	})
}
