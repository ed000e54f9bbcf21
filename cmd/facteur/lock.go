package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// folderLock is the right to use a data folder or SQLite file alone. The
// kernel frees it when the process ends, however it ends.
type folderLock struct{ file *os.File }

// lockFile takes the lock or names its holder.
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
		return nil, fmt.Errorf("%s is in use by %s; stop it first, or choose another FACTEUR_DATA_DIR", path, strings.TrimSpace(string(text[:n])))
	}
	if err := f.Truncate(0); err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if _, err := f.WriteAt([]byte(holder+"\n"), 0); err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &folderLock{f}, nil
}

func (l *folderLock) release() {
	if l != nil {
		_ = l.file.Close()
	}
}
