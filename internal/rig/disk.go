package rig

import (
	"context"
	_ "embed" // of the shim's source
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

//go:embed shim/disk.c
var shim []byte

// Disk is one that can be made slow or failing under the processes that run
// with its Env: for SQLite and PostgreSQL, which write through libc.
type Disk struct{ dir string }

// NewDisk compiles the shim into a new folder in parent, with cc.
func NewDisk(ctx context.Context, parent string) (*Disk, error) {
	dir, err := os.MkdirTemp(parent, "disk-")
	if err != nil {
		return nil, err
	}
	d := &Disk{dir}
	for err == nil && dir != filepath.Dir(dir) { // a server under another account gets there
		err = os.Chmod(dir, 0o755)
		dir = filepath.Dir(dir)
		if dir == filepath.Clean(os.TempDir()) {
			break
		}
	}
	source := filepath.Join(d.dir, "disk.c")
	if err := errors.Join(err, os.WriteFile(source, shim, 0o600)); err != nil {
		return nil, err
	}
	said, err := exec.CommandContext(ctx, "cc", "-O2", "-Wall", "-shared", "-fPIC", "-o", d.library(), source, "-ldl").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("compile the slow disk: %w\n%s", err, said)
	}
	return d, nil
}

func (d *Disk) library() string { return filepath.Join(d.dir, "disk.so") }

// Env is what a process needs in its environment to use the disk.
func (d *Disk) Env() []string { return []string{"LD_PRELOAD=" + d.library(), "DRILL_DISK=" + d.dir} }

// Slow makes each sync take so much longer.
func (d *Disk) Slow(by time.Duration) error {
	return d.put("slow", strconv.FormatInt(by.Milliseconds(), 10))
}

// Fail lets writes and syncs end with an I/O error.
func (d *Disk) Fail() error { return d.put("fail", "") }

// Heal ends both.
func (d *Disk) Heal() error {
	var failed error
	for _, name := range []string{"slow", "fail"} {
		if err := os.Remove(filepath.Join(d.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// put replaces a file whole, so that nobody reads half of it.
func (d *Disk) put(name, text string) error { return replace(filepath.Join(d.dir, name), text) }

func replace(name, text string) error {
	if err := os.WriteFile(name+".new", []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
