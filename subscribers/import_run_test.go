package subscribers_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/subscribers"
)

// mixed is a file with something of everything, over several pages: new and
// known people, repeats within a page and across pages, and refused rows.
func mixed(rows int) []byte {
	var b bytes.Buffer
	b.WriteString("email;prénom;nom;city;since\r\n")
	for i := range rows {
		switch {
		case i%97 == 5:
			fmt.Fprintf(&b, "nobody %d;Ann;;;\r\n", i)
		case i%101 == 7:
			fmt.Fprintf(&b, "p%d@example.com;\"Ann\r\n", i)
		case i%53 == 11:
			fmt.Fprintf(&b, "P%d@Example.com;Again;;Town %d;\r\n", i/2, i)
		case i%11 == 3:
			fmt.Fprintf(&b, "gone%d@example.com;Zoé;Dubois;;\r\n", i%400)
		default:
			fmt.Fprintf(&b, "p%d@example.com;Zoé;\"Du\r\nbois\";\"Saint \"\"%d\"\"\";2024\r\n", i*7919%rows, i)
		}
	}
	return b.Bytes()
}

// accept prepares a list on which some people are suppressed, some have left
// and some are known, and takes the file for it.
func accept(t testing.TB, db *database.DB, dir string, body []byte) subscribers.Import {
	t.Helper()
	ctx, store, list := context.Background(), subscribers.NewStore(db), newList(t, db)
	var people []subscribers.Person
	for i := range 120 {
		people = append(people, subscribers.Person{Address: parse(t, fmt.Sprintf("gone%d@example.com", i)), Attributes: `{"since":"2020"}`},
			subscribers.Person{Address: parse(t, fmt.Sprintf("p%d@example.com", i*9)), Attributes: `{"city":"Before"}`})
	}
	ids := enroll(t, db, list, people...)
	write(t, db, func(tx *database.Tx) error {
		for i := range 60 {
			if _, err := store.Leave(ctx, tx, ids[i*2], []int64{list}, "page"); err != nil {
				return err
			}
			if err := store.Suppress(ctx, tx, parse(t, fmt.Sprintf("gone%d@example.com", 200+i)), 0, "manual", "test"); err != nil {
				return err
			}
		}
		return nil
	})
	accepted, err := subscribers.NewImporter(db, store, dir, quiet()).Accept(ctx, list, subscribers.ImportTerms{Statement: stated()}, bytes.NewReader(body), math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	return accepted
}

// uninterrupted is the end state of a file imported in one go.
func uninterrupted(t *testing.T, db *database.DB, body []byte) (subscribers.Import, string) {
	t.Helper()
	dir := t.TempDir()
	done := finish(t, db, dir, accept(t, db, dir, body).ID)
	if done.Status != subscribers.ImportDone || done.Refused == 0 || done.Updated == 0 || done.Created == 0 {
		t.Fatalf("%+v", done)
	}
	if done.Rows != done.Created+done.Updated+done.Refused {
		t.Fatalf("rows are not created + updated + refused: %+v", done)
	}
	if files := names(t, dir); len(files) != 0 {
		t.Errorf("files left behind: %v", files)
	}
	return done, endState(t, db)
}

func TestImporter_GoesOnWhereItWasStoppedAtEachPage(t *testing.T) {
	engines(t, func(t *testing.T, fresh func() *database.DB) {
		const rows = 2600
		body := mixed(rows)
		_, want := uninterrupted(t, fresh(), body)
		db, dir := fresh(), t.TempDir()
		id := accept(t, db, dir, body).ID
		stops := 0
		for ; ; stops++ {
			ctx, stop := context.WithCancel(t.Context())
			subscribers.NewImporter(db, subscribers.NewStore(db), dir, onMessage("import page", stop)).Run(ctx)
			stop()
			found, err := subscribers.NewStore(db).Import(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if found.Rows != found.Created+found.Updated+found.Refused {
				t.Errorf("after %d stops: %+v", stops, found)
			}
			if found.Status != subscribers.ImportRunning {
				break
			}
			if found.Rows != int64(500*(stops+1)) {
				t.Fatalf("after %d stops: %+v", stops, found)
			}
		}
		if stops != rows/500 {
			t.Errorf("stopped %d times", stops)
		}
		if got := endState(t, db); got != want {
			t.Errorf("the end state is another one:\n%s", difference(got, want))
		}
		if files := names(t, dir); len(files) != 0 {
			t.Errorf("files left behind: %v", files)
		}
	})
}

// engines is [databasetest.Each] with as many databases as the test needs.
func engines(t *testing.T, test func(t *testing.T, fresh func() *database.DB)) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		first := true
		test(t, func() *database.DB {
			if first {
				first = false
				return db
			}
			return another(t, db.Engine())
		})
	})
}

// difference is the first line that is not the same.
func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("got  %s\nwant %s", g[i], w[i])
		}
	}
	return fmt.Sprintf("got %d lines, want %d", len(g), len(w))
}

func TestImporter_TwoOnOneFolderShareTheWork(t *testing.T) {
	engines(t, func(t *testing.T, fresh func() *database.DB) {
		body := mixed(2600)
		_, want := uninterrupted(t, fresh(), body)
		db, dir := fresh(), t.TempDir()
		id := accept(t, db, dir, body).ID
		ctx, stop := context.WithCancel(t.Context())
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				subscribers.NewImporter(db, subscribers.NewStore(db), dir, onMessage("import done", stop)).Run(ctx)
			})
		}
		both.Wait()
		stop()
		if got := standing(t, db, id); got.Status != subscribers.ImportDone {
			t.Errorf("%+v", got)
		}
		if got := endState(t, db); got != want {
			t.Errorf("the end state is another one:\n%s", difference(got, want))
		}
	})
}

func standing(t *testing.T, db *database.DB, id int64) subscribers.Import {
	t.Helper()
	found, err := subscribers.NewStore(db).Import(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestImporter_WaitsWhileTheDiskIsFull(t *testing.T) {
	body := mixed(2600)
	_, want := uninterrupted(t, databasetest.New(t), body)
	db, dir := databasetest.New(t), t.TempDir()
	id := accept(t, db, dir, body).ID
	limit := func(pages int) {
		write(t, db, func(tx *database.Tx) error { // of the connection all writes share
			var set []int
			return tx.Select(t.Context(), &set, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages))
		})
	}
	var used int
	if err := db.Get(t.Context(), &used, `PRAGMA page_count`); err != nil {
		t.Fatal(err)
	}
	limit(used + 100)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	waits := make(chan struct{}, 100)
	var run sync.WaitGroup
	run.Go(func() {
		subscribers.NewImporter(db, subscribers.NewStore(db), dir, onMessage("import waits", func() { waits <- struct{}{} })).Run(ctx)
	})
	<-waits
	<-waits
	if found := standing(t, db, id); found.Status != subscribers.ImportRunning || found.Rows == 2600 {
		t.Errorf("%+v", found)
	}
	limit(1 << 30)
	stop()
	run.Wait()
	finish(t, db, dir, id)
	if got := endState(t, db); got != want {
		t.Errorf("the end state is another one:\n%s", difference(got, want))
	}
}

func TestImporter_FailsWithWhatWentWrong(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		for why, c := range map[string]struct {
			spoil func(dir string, id int64) error
			says  string
		}{
			"the file is gone": {func(dir string, _ int64) error { return os.Remove(filepath.Join(dir, names(t, dir)[0])) }, "the uploaded file is gone: import it again"},
			"no saved place": {func(_ string, id int64) error {
				_, err := db.Exec(t.Context(), `UPDATE imports SET progress = '{}' WHERE id = ?`, id)
				return err
			}, "the state is not one that a reader gave"},
		} {
			dir := t.TempDir()
			id := accept(t, db, dir, mixed(1200)).ID
			ctx, stop := context.WithCancel(t.Context())
			subscribers.NewImporter(db, subscribers.NewStore(db), dir, onMessage("import page", stop)).Run(ctx)
			stop()
			if err := c.spoil(dir, id); err != nil {
				t.Fatal(err)
			}
			failed := finish(t, db, dir, id)
			if failed.Status != subscribers.ImportFailed || !strings.Contains(failed.Error, c.says) || !strings.Contains(failed.Error, "after 500 rows") ||
				failed.Rows != 500 || failed.FinishedAt == 0 {
				t.Errorf("%s: %+v", why, failed)
			}
			if files := names(t, dir); len(files) != 0 {
				t.Errorf("%s: files left behind: %v", why, files)
			}
			if got := strings.Join(journalled(t, db, id), ", "); got != "create by facteur, finish by facteur" {
				t.Errorf("%s: journal: %s", why, got)
			}
		}
	})
}

func TestImporter_LeavesToOthersWhatIsInTheirFolders(t *testing.T) {
	db, here, there := databasetest.New(t), t.TempDir(), t.TempDir()
	theirs := accept(t, db, there, mixed(10)).ID
	ours := accept(t, db, here, mixed(10)).ID
	if done := finish(t, db, here, ours); done.Status != subscribers.ImportDone {
		t.Errorf("ours: %+v", done)
	}
	if found := standing(t, db, theirs); found.Status != subscribers.ImportRunning {
		t.Errorf("theirs: %+v", found)
	}
	moved := filepath.Join(t.TempDir(), "moved")
	if err := os.Rename(there, moved); err != nil {
		t.Fatal(err)
	}
	if done := finish(t, db, moved, theirs); done.Status != subscribers.ImportDone {
		t.Errorf("theirs, moved: %+v", done)
	}
}

func TestImporter_RemovesFilesNobodyOwns(t *testing.T) {
	db, dir := databasetest.New(t), t.TempDir()
	over := accept(t, db, dir, mixed(10))
	overFile := names(t, dir)[0]
	finish(t, db, dir, over.ID)
	elsewhere := t.TempDir()
	waiting := accept(t, db, elsewhere, mixed(10)).ID
	for _, name := range []string{overFile, "import-12345.csv", "import-x.csv", "import-1.csv.bak", "readme.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("email\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	last := accept(t, db, dir, mixed(10)).ID
	finish(t, db, dir, last)
	if got, want := names(t, dir), []string{"import-1.csv.bak", "import-x.csv", "readme.txt"}; !reflect.DeepEqual(got, want) {
		t.Errorf("left: %v, want %v", got, want)
	}
	if len(names(t, elsewhere)) != 1 || standing(t, db, waiting).Status != subscribers.ImportRunning {
		t.Error("a file that waits was touched")
	}
}

func TestImporter_WakesForANewFile(t *testing.T) {
	db, dir := databasetest.New(t), t.TempDir()
	store, list := subscribers.NewStore(db), newList(t, db)
	done := make(chan struct{})
	im := subscribers.NewImporter(db, store, dir, onMessage("import done", func() { done <- struct{}{} }))
	ctx, stop := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { im.Run(ctx) })
	for i := range 3 {
		if _, err := im.Accept(ctx, list, subscribers.ImportTerms{Statement: stated()}, strings.NewReader(fmt.Sprintf("email\na%d@example.com\n", i)), 100); err != nil {
			t.Fatal(err)
		}
		<-done
	}
	stop()
	run.Wait()
}

// A million rows may not need more memory than a hundred thousand.
func TestImporter_NeedsLittleMemory(t *testing.T) {
	db, dir := databasetest.New(t), t.TempDir()
	body := crowd(0, 60_000, 7919)
	store, list := subscribers.NewStore(db), newList(t, db)
	if _, err := subscribers.NewImporter(db, store, dir, quiet()).Accept(t.Context(), list, subscribers.ImportTerms{Statement: stated()}, bytes.NewReader(body), math.MaxInt64); err != nil {
		t.Fatal(err)
	}
	live := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	body = nil
	base, most, pages := live(), int64(0), 0
	ctx, stop := context.WithCancel(t.Context())
	subscribers.NewImporter(db, store, dir, onMessage("import page", func() {
		if pages++; pages%20 == 0 {
			most = max(most, live())
		}
		if pages == 120 {
			stop()
		}
	})).Run(ctx)
	stop()
	if grown := most - base; pages != 120 || grown > 8<<20 {
		t.Errorf("%d pages, %d bytes over the base", pages, grown)
	}
}
