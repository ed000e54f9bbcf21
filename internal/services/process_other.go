//go:build unix && !linux

package services

import (
	"errors"
	"os/exec"
	"syscall"
)

// ownGroup gives the child its group; only Linux can tie its life to ours.
func ownGroup(cmd *exec.Cmd, _ syscall.Signal) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
}

// descendants are not looked up here: PostgreSQL's backends end by themselves
// when they see that the postmaster is gone.
func descendants(int) []int { return nil }

func ended(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// stopped can't be read here; the signal takes effect within moments.
func stopped(int) bool { return true }
