package subscribers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"facteur/internal/database"
	"facteur/subscribers/importer"

	"github.com/prometheus/client_golang/prometheus"
)

// ErrBadFile is a file that cannot be imported; the text says why and what to do.
var ErrBadFile = errors.New("the file cannot be imported")

// ImportTooLarge is a body beyond the limit given to [Importer.Accept].
type ImportTooLarge struct {
	Limit int64 // bytes
}

func (e *ImportTooLarge) Error() string {
	return fmt.Sprintf("the file is larger than %d bytes: split it, or raise the limit", e.Limit)
}

// Importer takes files of people and brings them to their lists, one file
// after the other, in the background.
//
// The spooled file is the proof of ownership: whoever has it in its folder and
// holds its lock does the import. Where the next page begins is saved in the
// transaction of the page before, so a crash neither loses nor repeats a row.
type Importer struct {
	db    *database.DB
	store *Store
	dir   string
	host  string
	log   *slog.Logger
	wake  chan struct{}
	rows  *prometheus.CounterVec
}

// NewImporter keeps the files under way in dir, which is made when needed.
// Nothing is imported before [Importer.Run].
func NewImporter(db *database.DB, store *Store, dir string, log *slog.Logger) *Importer {
	if whole, err := filepath.Abs(dir); err == nil {
		dir = whole
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	im := &Importer{
		db: db, store: store, dir: dir, host: host, log: log, wake: make(chan struct{}, 1),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "facteur_import_rows_total", Help: "Rows of imported files, by what became of them."}, []string{"outcome"}),
	}
	for _, outcome := range []string{"created", "updated", "refused"} {
		im.rows.WithLabelValues(outcome)
	}
	return im
}

// Metrics are what the importer counts.
func (im *Importer) Metrics() []prometheus.Collector { return []prometheus.Collector{im.rows} }

// Accept takes a CSV or JSON Lines file of people for a list and answers when
// the file is safe on disk; the people follow later. Without a valid list and
// terms nothing of the body is read. Errors besides those of the body itself:
// [database.ErrNotFound] (no such list), [ErrBadFile], [*ImportTooLarge] (more
// than limit bytes). After any error nothing is left behind.
func (im *Importer) Accept(ctx context.Context, listID int64, yes ImportTerms, body io.Reader, limit int64) (Import, error) {
	now := im.db.Now()
	if err := yes.check(now); err != nil {
		return Import{}, fmt.Errorf("import: %w", err)
	}
	if _, err := im.store.List(ctx, listID); err != nil {
		return Import{}, fmt.Errorf("import: %w", err)
	}
	row := importRow{Host: im.host, Import: Import{
		ID: im.db.NewID(), ListID: listID, Status: ImportRunning,
		Basis: string(yes.Basis), Source: yes.Source, StatedAt: database.Millis(yes.At), CreatedAt: now.UnixMilli(),
		Confirm: yes.Confirm, DryRun: yes.DryRun,
	}}
	row.progress.Wording, row.progress.Confirm, row.progress.DryRun, row.progress.Columns = yes.Wording, yes.Confirm, yes.DryRun, yes.Columns
	if err := im.take(ctx, &row, body, limit); err != nil {
		return Import{}, fmt.Errorf("import: %w", err)
	}
	select {
	case im.wake <- struct{}{}:
	default: // it is awake
	}
	return row.Import, nil
}

// take spools the body and adds the row. The file stays locked until both are done.
func (im *Importer) take(ctx context.Context, row *importRow, body io.Reader, limit int64) (err error) {
	file, err := createSpool(im.dir, row.ID)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
		_ = file.Close() // it is synced already
	}()
	row.File = file.Name()
	if row.progress.State, err = spoolBody(file, &intake{ctx: ctx, body: body, limit: limit, left: limit}, row.progress.Columns); err != nil {
		return err
	}
	if err := syncDir(im.dir); err != nil {
		return err
	}
	return im.db.Write(ctx, func(tx *database.Tx) error { return row.create(ctx, tx) })
}

// spoolBody writes the body to file as it arrives and makes it durable. The
// head is judged as soon as it is in: nobody uploads a gigabyte for nothing.
func spoolBody(file *os.File, in *intake, mapping map[string]string) (importer.State, error) {
	body := bufio.NewReaderSize(in, 4096)
	head, _ := body.Peek(512) // what is wrong with it shows when it is read
	state := importer.State{Format: importer.JSONL, Line: 1}
	var err error
	if !importer.IsJSONL(head) {
		state, err = judgeTable(io.TeeReader(body, file), mapping)
	}
	switch {
	case in.err != nil: // what did not arrive explains what is wrong with the head
		return importer.State{}, in.err
	case err != nil:
		return importer.State{}, fmt.Errorf("%w: %w", ErrBadFile, err)
	}
	if _, err := io.Copy(file, body); err != nil {
		return importer.State{}, fmt.Errorf("spool the file: %w", err)
	}
	if err := file.Sync(); err != nil {
		return importer.State{}, fmt.Errorf("spool the file: %w", err)
	}
	return state, nil
}

// judgeTable reads the head of a CSV file.
func judgeTable(head io.Reader, mapping map[string]string) (importer.State, error) {
	reader, err := importer.NewReader(head, importer.Options{})
	if err != nil {
		return importer.State{}, err
	}
	_, err = newImportTable(reader.Columns(), mapping)
	return reader.State(), err
}

// intake reads a body for as long as its context lives, up to a limit.
type intake struct {
	ctx         context.Context
	body        io.Reader
	limit, left int64
	err         error // anything but io.EOF; it stays
}

func (in *intake) Read(p []byte) (int, error) {
	if in.err == nil {
		in.err = in.ctx.Err()
	}
	if in.err != nil {
		return 0, in.err
	}
	if int64(len(p)) > in.left {
		p = p[:in.left+1] // one more, to see that there is more
	}
	n, err := in.body.Read(p)
	if in.left -= int64(n); in.left < 0 {
		n--
		err = &ImportTooLarge{Limit: in.limit}
	}
	if err != nil && err != io.EOF {
		in.err = err
	}
	return n, err
}
