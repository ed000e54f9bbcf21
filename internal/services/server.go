package services

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Limits for a server to answer after its start, and to end after it was asked.
const (
	startPatience = time.Minute
	stopPatience  = 30 * time.Second
)

// server is what all real servers have in common: folder, port, and a child
// process that comes and goes while these two stay.
type server struct {
	title  string
	folder *folder
	port   int

	// command makes the process anew; it is called for each start.
	command func() *exec.Cmd
	// answers is nil when the server on the port serves and is ours.
	answers func(context.Context) error
	// quit asks the server to end in order; death is what it gets when we die.
	quit, death syscall.Signal

	child *process
}

// startAnywhere starts on a free port, and on another one should some program
// have taken it in the moment between.
func (s *server) startAnywhere(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		port, err := freePort()
		if err != nil {
			return err
		}
		s.port = port
		err = s.start(ctx)
		if err == nil || attempt == 3 || free(port) {
			return err
		}
	}
}

// start launches the process and returns when it answers.
func (s *server) start(ctx context.Context) error {
	if s.child.alive() {
		return fmt.Errorf("%s runs already", s.title)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, startPatience)
		defer cancel()
	}
	log, err := os.OpenFile(s.folder.join("log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.title, err)
	}
	defer log.Close() // the child has its own copy
	cmd := s.command()
	cmd.Dir = s.folder.path
	cmd.Stdout, cmd.Stderr = log, log
	if s.child, err = launch(cmd, s.death); err != nil {
		return fmt.Errorf("start %s: %w", s.title, err)
	}
	return s.await(ctx)
}

// await returns when the server answers, has ended, or the time is over.
func (s *server) await(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.child.done:
			return fmt.Errorf("%s ended before it answered (%v); its log ends:\n%s", s.title, s.child.err, s.logEnd())
		case <-ctx.Done():
			return errors.Join(
				fmt.Errorf("%s did not answer in time: %w; its log ends:\n%s", s.title, err, s.logEnd()),
				s.child.kill())
		case <-tick.C:
		}
	}
}

// ask knocks before it asks: clients retry and log on their own when nobody
// listens.
func (s *server) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address(s.port))
	if err != nil {
		return err
	}
	conn.Close()
	return s.answers(ctx)
}

// logEnd is the last kilobytes of what the server wrote.
func (s *server) logEnd() []byte {
	text, err := os.ReadFile(s.folder.join("log"))
	if err != nil {
		return []byte(err.Error())
	}
	return bytes.TrimSpace(text[max(0, len(text)-2000):])
}

// suspend stops the process until it is resumed; connections stay open and
// nothing answers.
func (s *server) suspend() error {
	if !s.child.alive() {
		return fmt.Errorf("suspend %s: it does not run", s.title)
	}
	if err := s.child.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	if !until(func() bool { return stopped(s.child.pid) }, 10*time.Second) {
		return fmt.Errorf("%s ran on 10 s after SIGSTOP", s.title)
	}
	return nil
}

func (s *server) resume() error { return s.child.signal(syscall.SIGCONT) }

// stop ends the server in order, by force if it takes too long, and removes its
// folder.
func (s *server) stop() error {
	var err error
	if s.child.alive() {
		err = errors.Join(s.child.signal(syscall.SIGCONT), s.child.signal(s.quit))
		select {
		case <-s.child.done:
		case <-time.After(stopPatience):
			err = errors.Join(err, fmt.Errorf("%s did not end within %v and was killed", s.title, stopPatience), s.child.kill())
		}
	}
	return errors.Join(err, s.folder.remove())
}
