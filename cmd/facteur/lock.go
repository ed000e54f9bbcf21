package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// folderLock is the right to use a data folder or SQLite file alone. The
// kernel frees it when the process ends, however it ends.
type folderLock struct{ file *os.File }

// errInUse is a lock that another process holds; the text names it.
var errInUse = errors.New("in use")

// lockFile takes the lock or names its holder, as [errInUse].
func lockFile(path, holder string) (*folderLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer func() { _ = f.Close() }()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		text := make([]byte, 500)
		n, _ := f.ReadAt(text, 0)
		return nil, fmt.Errorf("%s is %w by %s; stop it first, or choose another FACTEUR_DATA_DIR", path, errInUse, strings.TrimSpace(string(text[:n])))
	}
	if err := f.Truncate(0); err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if _, err := f.WriteAt([]byte(holder+"\n"), 0); err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &folderLock{f}, nil
}

// lockAll takes what a process of these settings must have alone (law 10): the
// data folder and, with SQLite, the database file. doing says who holds it.
func lockAll(c Config, doing string) (locks []*folderLock, err error) {
	if err := c.makeFolder(); err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	holder := fmt.Sprintf("%s, process %d on %s since %s", doing, os.Getpid(), host, time.Now().UTC().Format(time.RFC3339))
	paths := []string{filepath.Join(c.DataDir, "lock")}
	if file, ok := strings.CutPrefix(c.DatabaseURL, "sqlite:"); ok {
		paths = append(paths, file+".lock")
	}
	for _, p := range paths {
		l, err := lockFile(p, holder)
		if err != nil {
			for _, taken := range locks {
				taken.release()
			}
			return nil, err
		}
		locks = append(locks, l)
	}
	return locks, nil
}

func (l *folderLock) release() {
	if l != nil {
		_ = l.file.Close()
	}
}
