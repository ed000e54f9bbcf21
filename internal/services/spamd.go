package services

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// SpamdOptions says what a spamd for tests shall be like.
type SpamdOptions struct {
	// Dir is where its folder is made; empty: the system's temporary folder.
	Dir string
}

// Spamd is a real spamd of SpamAssassin that listens on loopback only and asks
// nobody: local tests, the rules that Debian's package brings, no learning. Its
// methods are for one goroutine at a time.
type Spamd struct{ server *server }

// StartSpamd starts a new one. The context bounds the start (a minute if it has
// no deadline). Wraps [ErrMissing] if spamd is not installed.
func StartSpamd(ctx context.Context, options SpamdOptions) (*Spamd, error) {
	program, err := FindSpamd()
	if err != nil {
		return nil, err
	}
	folder, err := newFolder(options.Dir, "spamd")
	if err != nil {
		return nil, err
	}
	s := &Spamd{server: &server{title: "spamd", folder: folder, quit: syscall.SIGTERM, death: syscall.SIGTERM}}
	s.server.answers = s.answers
	s.server.command = func() *exec.Cmd {
		return exec.Command(program, "--local", "--nouser-config", "--listen", address(s.server.port),
			"--max-children", "1", "--syslog", "stderr", "--helper-home-dir", folder.path, "--pidfile", folder.join("pid"),
			"--cf", "use_bayes 0", "--cf", "use_auto_whitelist 0", "--cf", "report_contact "+s.name())
	}
	if err := s.server.startAnywhere(ctx); err != nil {
		return nil, errors.Join(err, folder.remove())
	}
	return s, nil
}

// FindSpamd is the path of spamd; wraps [ErrMissing] if it is not installed.
func FindSpamd() (string, error) { return findAdmin("SpamAssassin's spamd", "spamd") }

// Addr is its host and port.
func (s *Spamd) Addr() string { return address(s.server.port) }

// URL implements [Running].
func (s *Spamd) URL() string { return "spamd://" + s.Addr() }

// Stop ends it and removes its folder. For good: there is no Start after it.
func (s *Spamd) Stop() error { return s.server.stop() }

// name tells this spamd from any other; its reports name it.
func (s *Spamd) name() string { return filepath.Base(s.server.folder.path) }

// answers has a mail judged: the report names whom to write to about it.
func (s *Spamd) answers(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Addr())
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	mail := "From: a@example.com\r\nSubject: Hello\r\n\r\nHello\r\n"
	if _, err := io.WriteString(conn, "REPORT SPAMC/1.5\r\nContent-length: "+strconv.Itoa(len(mail))+"\r\n\r\n"+mail); err != nil {
		return err
	}
	report, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	if !strings.Contains(string(report), s.name()) {
		return fmt.Errorf("something else answers on port %d: %.200s", s.server.port, report)
	}
	return nil
}
