package rig

import (
	"os/exec"
	"strings"
)

// Commit is the checked out revision, or "unknown".
func Commit() string {
	out, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
