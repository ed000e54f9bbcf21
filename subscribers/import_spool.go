package subscribers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"facteur/internal/database"
)

// errBusy is a spool file that somebody is at work on.
var errBusy = errors.New("in other hands")

func spoolName(id int64) string { return fmt.Sprintf("import-%d.csv", id) }

// spoolID is the import that a file in the folder belongs to.
func spoolID(name string) (int64, bool) {
	middle, isSpool := strings.CutPrefix(name, "import-")
	middle, isCSV := strings.CutSuffix(middle, ".csv")
	id, err := strconv.ParseInt(middle, 10, 64)
	return id, isSpool && isCSV && err == nil
}

// createSpool makes the file of an import and locks it.
func createSpool(dir string, id int64) (*os.File, error) {
	folder, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = folder.Close() }()
	file, err := os.OpenFile(filepath.Join(dir, spoolName(id)), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spool the file: %w", err)
	}
	if err := locked(file); err != nil {
		return nil, errors.Join(err, os.Remove(file.Name()), file.Close())
	}
	return file, nil
}

// openSpool locks a file that is there; errBusy when somebody else has it.
func openSpool(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open the spooled file: %w", err)
	}
	if err := locked(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// locked takes the lock that ends with the file's Close or with the process.
func locked(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return errBusy
	case err != nil:
		return fmt.Errorf("lock %s: %w", file.Name(), err)
	}
	return nil
}

// lockFolder waits for the folder's own lock, until Close: between making a
// file and locking it, a sweep must not take it for an orphan.
func lockFolder(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of imports: %w", err)
	}
	folder, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open the folder of imports: %w", err)
	}
	for {
		err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX)
		switch {
		case err == nil:
			return folder, nil
		case !errors.Is(err, syscall.EINTR):
			return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), folder.Close())
		}
	}
}

// syncDir makes a new file's name durable.
func syncDir(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// sweep removes files whose import is over or was never accepted.
func (im *Importer) sweep(ctx context.Context) error {
	folder, err := lockFolder(im.dir)
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	entries, err := os.ReadDir(im.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		id, ok := spoolID(e.Name())
		if !ok {
			continue
		}
		if err := im.sweepOne(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (im *Importer) sweepOne(ctx context.Context, id int64) error {
	file, err := openSpool(filepath.Join(im.dir, spoolName(id)))
	if errors.Is(err, errBusy) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	found, err := im.store.Import(ctx, id) // only now: whoever accepts holds the lock until the row is in
	switch {
	case err == nil && found.Status == ImportRunning:
		return nil
	case err != nil && !errors.Is(err, database.ErrNotFound):
		return err
	}
	return os.Remove(file.Name())
}
