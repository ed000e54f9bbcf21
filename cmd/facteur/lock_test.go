package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// Law 10: whoever comes second is told who is there.
func TestLock_IsOfOneProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := lockFile(path, "facteur serve (process 17)")
	if err != nil {
		t.Fatal(err)
	}
	defer first.file.Close()
	if _, err := lockFile(path, "another"); !errors.Is(err, errInUse) || !strings.Contains(err.Error(), "process 17") {
		t.Errorf("the second: %v", err)
	}
}
