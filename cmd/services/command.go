package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// follow runs the command to its end and returns its exit code, as a shell
// would: 127 if it is not there, 128 + n if signal n ended it.
func follow(command, environment []string, signals <-chan os.Signal) (int, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = environment
	if err := cmd.Start(); err != nil {
		return 127, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case sig := <-signals:
			// The terminal has sent its interrupt to the command as well; the
			// others come to us alone.
			if sig != os.Interrupt {
				_ = cmd.Process.Signal(sig) // fails only if it has just ended
			}
		case err := <-ended:
			return exitCode(err)
		}
	}
}

func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case !errors.As(err, &exit):
		return 1, err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// compiler fails when Go would build without C: SQLite would then be a stub that
// fails at its first query. Without Go at hand there is nothing to check.
func compiler(ctx context.Context) error {
	if _, err := exec.LookPath("go"); err != nil {
		return nil
	}
	said, err := exec.CommandContext(ctx, "go", "env", "CC", "CGO_ENABLED").Output()
	if err != nil {
		return fmt.Errorf("ask go for its C compiler: %w", err)
	}
	cc, cgo, _ := strings.Cut(string(said), "\n")
	program, _, _ := strings.Cut(cc, " ") // CC may carry flags
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Errorf("no C compiler (%s); SQLite is built with it: apt-get install build-essential", program)
	}
	if strings.TrimSpace(cgo) != "1" {
		return errors.New("CGO_ENABLED=0 in the environment; SQLite is C and needs it unset, or 1")
	}
	return nil
}
