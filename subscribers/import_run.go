package subscribers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"facteur/internal/database"
	"facteur/internal/panics"
)

const (
	importPoll  = 5 * time.Second // for files that another process accepted
	importRetry = time.Second     // while the database is unavailable
)

var (
	// errOvertaken is a page whose import does not stand where it was left.
	errOvertaken = errors.New("somebody else went on with this import")
	// errElsewhere is an import whose file is in another folder.
	errElsewhere = errors.New("the file is in another folder")
)

// Run does the imports whose files are in the folder, the oldest first, until
// ctx ends; an import under way stops between two pages and goes on with the
// next Run, here or in another process. At the start it removes files that
// belong to no running import.
func (im *Importer) Run(ctx context.Context) {
	poll := time.NewTicker(importPoll)
	defer poll.Stop()
	for swept := false; ; {
		var err error
		if !swept {
			err = im.sweep(ctx)
			swept = err == nil
		}
		if err = errors.Join(err, im.runAll(ctx)); err != nil && ctx.Err() == nil {
			im.log.Error("imports wait", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-im.wake:
		case <-poll.C:
		}
	}
}

// runAll does every running import that is ours.
func (im *Importer) runAll(ctx context.Context) error {
	var rows []importRow
	err := im.store.q.Select(ctx, &rows, `SELECT `+importColumns+` FROM imports WHERE status = ? ORDER BY id`, string(ImportRunning))
	for i := 0; i < len(rows) && ctx.Err() == nil; i++ {
		file, claimErr := im.claim(&rows[i])
		switch {
		case errors.Is(claimErr, errBusy), errors.Is(claimErr, errElsewhere):
			continue
		case claimErr != nil && !errors.Is(claimErr, os.ErrNotExist):
			err = errors.Join(err, claimErr)
			continue
		}
		im.work(ctx, rows[i].ID, file)
		if file != nil {
			_ = file.Close() // it was only read
		}
	}
	return err
}

// claim opens and locks an import's file. It is looked for by its name alone,
// so the data folder may move to another place or host. os.ErrNotExist means
// that it should be here and is not, errElsewhere that it is another host's.
func (im *Importer) claim(row *importRow) (*os.File, error) {
	file, err := openSpool(filepath.Join(im.dir, filepath.Base(row.File)))
	if errors.Is(err, os.ErrNotExist) && (row.Host != im.host || filepath.Dir(row.File) != im.dir) {
		return nil, errElsewhere
	}
	return file, err
}

// work does what is left of an import. It returns when the import is over and
// its file removed, when ctx has ended, or when not even its end can be written.
func (im *Importer) work(ctx context.Context, id int64, file *os.File) {
	for {
		err := im.pages(ctx, id, file)
		if err != nil && ctx.Err() == nil && !passes(err) {
			err = im.fail(ctx, id, err)
		}
		switch {
		case err == nil:
			im.discard(file)
			return
		case ctx.Err() != nil:
			return
		case !passes(err):
			im.log.Error("import stands still", "import", id, "error", err)
			return
		}
		im.log.Warn("import waits", "import", id, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(importRetry):
		}
	}
}

// passes tells whether going on from the saved progress may help.
func passes(err error) bool {
	return errors.Is(err, database.ErrUnavailable) || errors.Is(err, errOvertaken)
}

// discard removes the file of an import that is over; what stays is for the next sweep.
func (im *Importer) discard(file *os.File) {
	if file == nil {
		return
	}
	if err := os.Remove(file.Name()); err != nil && !errors.Is(err, os.ErrNotExist) {
		im.log.Warn("spooled file stays", "file", file.Name(), "error", err)
	}
}

// pages goes on from the saved progress to the end of the file.
func (im *Importer) pages(ctx context.Context, id int64, file *os.File) error {
	row, err := im.store.importRow(ctx, id)
	if err != nil || row.Status != ImportRunning {
		return err
	}
	if file == nil {
		return errors.New("the uploaded file is gone: import it again, who is in already will only be updated")
	}
	source, err := openSource(file, row.progress)
	if err != nil {
		return err
	}
	page, next := newImportPage(), newImportPage()
	err = page.read(source)
	for err == nil && row.Status == ImportRunning {
		ahead := make(chan error)
		go func() { ahead <- panics.Do(func() error { return next.read(source) }) }() // while this page is written
		err = im.commit(ctx, &row, page)
		if unread := <-ahead; err == nil {
			err = unread
		}
		page, next = next, page
	}
	if err != nil {
		return err
	}
	im.log.Info("import done", "import", id, "list", row.ListID, "rows", row.Rows, "created", row.Created, "updated", row.Updated, "refused", row.Refused)
	return nil
}

// commit brings a page to the list and saves the progress with it, in one
// transaction; row is changed only when it has committed.
func (im *Importer) commit(ctx context.Context, row *importRow, page *importPage) error {
	var next importRow
	people := page.persons()
	rehearsed, err := im.rehearse(ctx, row, people)
	if err != nil {
		return err
	}
	err = im.db.Write(ctx, func(tx *database.Tx) error {
		next = *row
		enrolled := rehearsed
		if !row.DryRun {
			var err error
			if enrolled, err = im.enroll(ctx, tx, row, people); err != nil {
				return err
			}
		}
		if err := im.store.keepRefusals(ctx, tx, row.ID, page, next.count(page, enrolled)); err != nil {
			return err
		}
		next.progress.State = page.state
		if page.last {
			next.Status, next.FinishedAt = ImportDone, im.db.Now().UnixMilli()
		}
		return next.save(ctx, tx, row.Rows)
	})
	if err != nil {
		return err
	}
	im.rows.WithLabelValues("created").Add(float64(next.Created - row.Created))
	im.rows.WithLabelValues("updated").Add(float64(next.Updated - row.Updated))
	im.rows.WithLabelValues("refused").Add(float64(next.Refused - row.Refused))
	*row = next
	im.log.Debug("import page", "import", row.ID, "rows", row.Rows, "created", row.Created, "updated", row.Updated, "refused", row.Refused)
	return nil
}

// errRehearsed rolls a dry run back.
var errRehearsed = errors.New("a dry run changes nothing")

// rehearse brings a page of a dry run to the list and takes it back. Each page
// is tried by itself: a person who comes on two pages is created on both.
func (im *Importer) rehearse(ctx context.Context, row *importRow, people []Person) (enrolled []Enrolled, err error) {
	if !row.DryRun {
		return nil, nil
	}
	err = im.db.Write(ctx, func(tx *database.Tx) error {
		if enrolled, err = im.enroll(ctx, tx, row, people); err != nil {
			return err
		}
		return errRehearsed
	})
	if errors.Is(err, errRehearsed) {
		err = nil
	}
	return enrolled, err
}

// enroll looks for people first only where most were found so far.
func (im *Importer) enroll(ctx context.Context, tx *database.Tx, row *importRow, people []Person) ([]Enrolled, error) {
	switch {
	case len(people) == 0:
		return nil, nil
	case row.Confirm:
		return im.store.bring(ctx, tx, row.ListID, people)
	case row.Updated > row.Created:
		return im.store.Enroll(ctx, tx, row.ListID, people, row.statement(), false)
	}
	return im.store.enrollNew(ctx, tx, row.ListID, people, row.statement())
}

// fail ends an import that cannot go on; what is in stays in.
func (im *Importer) fail(ctx context.Context, id int64, cause error) error {
	row, err := im.store.importRow(ctx, id)
	if err != nil || row.Status != ImportRunning {
		return err
	}
	before := row.Rows
	row.Status, row.FinishedAt = ImportFailed, im.db.Now().UnixMilli()
	row.Error = fmt.Sprintf("stopped after %d rows, which are done: %v", row.Rows, cause)
	err = im.db.Write(ctx, func(tx *database.Tx) error { return row.save(ctx, tx, before) })
	if err == nil {
		im.log.Error("import failed", "import", id, "list", row.ListID, "rows", row.Rows, "error", cause)
	}
	return err
}
