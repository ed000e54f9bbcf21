package services

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

func ownGroup(cmd *exec.Cmd, death syscall.Signal) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = death
}

// descendants are the ids of all children of a process, and theirs.
func descendants(pid int) []int {
	children := make(map[int][]int)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well formed
	for _, stat := range stats {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if err != nil {
			continue
		}
		if _, parent, ok := readStat(child); ok {
			children[parent] = append(children[parent], child)
		}
	}
	found := children[pid]
	for i := 0; i < len(found); i++ { // found grows while we walk it
		found = append(found, children[found[i]]...)
	}
	return found
}

// ended is true for a process that is gone, or dead and waiting to be reaped.
func ended(pid int) bool {
	state, _, ok := readStat(pid)
	return !ok || state == 'Z' || state == 'X'
}

// stopped is true while SIGSTOP holds the process.
func stopped(pid int) bool {
	state, _, ok := readStat(pid)
	return ok && state == 'T'
}

// readStat reads state and parent of a process from /proc/PID/stat (proc(5)):
// "PID (NAME) STATE PARENT …", where NAME may hold blanks and brackets.
func readStat(pid int) (state byte, parent int, ok bool) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, 0, false
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 {
		return 0, 0, false
	}
	parent, err = strconv.Atoi(string(fields[1]))
	return fields[0][0], parent, err == nil
}
