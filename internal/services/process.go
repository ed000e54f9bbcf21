package services

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is one child, leader of a process group of its own.
type process struct {
	pid  int
	done chan struct{} // closed when the child has ended and been waited for
	err  error         // how it ended; set before done is closed
}

// launch starts the command; death is the signal the child gets, on Linux, when
// this process dies.
func launch(cmd *exec.Cmd, death syscall.Signal) (*process, error) {
	ownGroup(cmd, death)
	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel sends the death signal when the *thread* that forked ends
		// (prctl(2), PR_SET_PDEATHSIG): keep it for as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// alive is false once the child has ended; also for a nil process.
func (p *process) alive() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// signal sends to the child's whole group. One that has ended is no error.
func (p *process) signal(sig syscall.Signal) error {
	if !p.alive() {
		return nil
	}
	if err := syscall.Kill(-p.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal %v to process group %d: %w", sig, p.pid, err)
	}
	return nil
}

// kill ends the child and all that descend from it with SIGKILL and returns when
// none of them is left. The group alone would not do: PostgreSQL's backends each
// lead a session of their own.
func (p *process) kill() error {
	if !p.alive() {
		return nil
	}
	// Stopped, it can't fork between our look and our shot.
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	offspring := descendants(p.pid)
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	for _, pid := range offspring {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill process %d: %w", pid, err)
		}
	}
	<-p.done
	for _, pid := range offspring {
		if !until(func() bool { return ended(pid) }, 10*time.Second) {
			return fmt.Errorf("process %d outlived its SIGKILL by 10 s", pid)
		}
	}
	return nil
}

// until asks every few milliseconds and is true as soon as the answer is yes,
// false when the time is over.
func until(yes func() bool, limit time.Duration) bool {
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		if time.Now().After(deadline) {
			return false
		}
		<-tick.C
	}
	return true
}
