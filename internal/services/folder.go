package services

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// folder is one server's own place. A lock on a file beside the server's data
// says that the process that made it still lives.
type folder struct {
	path string
	lock *os.File
}

// newFolder makes a folder for a server in parent (empty: the system's temporary
// folder) and first clears away those whose makers were killed.
func newFolder(parent, name string) (*folder, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	// Servers name their folder without symbolic links; so do we.
	parent, err := filepath.EvalSymlinks(parent)
	if err != nil {
		return nil, fmt.Errorf("folder for %s: %w", name, err)
	}
	sweep(parent, name)
	path, err := os.MkdirTemp(parent, "facteur-"+name+"-")
	if err != nil {
		return nil, fmt.Errorf("folder for %s: %w", name, err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		os.RemoveAll(path)
		return nil, fmt.Errorf("lock the folder for %s: %w", name, err)
	}
	return &folder{path: path, lock: lock}, nil
}

// join is the path of something in the folder.
func (f *folder) join(name string) string { return filepath.Join(f.path, name) }

// remove deletes the folder and all in it.
func (f *folder) remove() error {
	defer f.lock.Close()
	return os.RemoveAll(f.path)
}

// sweep removes folders whose lock nobody holds. Young ones are left alone:
// their maker may be just about to lock them. What can't be removed, another
// user's for instance, is left for its owner.
func sweep(parent, name string) {
	locks, _ := filepath.Glob(filepath.Join(parent, "facteur-"+name+"-*", "lock")) // well formed
	for _, path := range locks {
		lock, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		made, err := lock.Stat()
		if err == nil && time.Since(made.ModTime()) > time.Minute &&
			syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.RemoveAll(filepath.Dir(path))
		}
		lock.Close()
	}
}
