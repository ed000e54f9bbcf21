package smtp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strings"
	"time"
)

// run plays the lines of a transcript.
func (s *scene) run(script string) {
	s.t.Helper()
	var lines []string
	for line := range strings.Lines(script) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	for i := 0; i < len(lines); i++ {
		kind, text := lines[i][:2], strings.TrimPrefix(lines[i][2:], " ")
		switch kind {
		case "S:", "C:":
			group := text + "\r\n"
			for i+1 < len(lines) && lines[i+1][:2] == kind {
				i++
				group += strings.TrimPrefix(lines[i][2:], " ") + "\r\n"
			}
			if kind == "S:" {
				s.say(group)
			} else {
				s.hear(group)
			}
		case "--":
			s.do(text)
		default:
			s.await(lines[i])
		}
		if s.t.Failed() {
			return
		}
	}
}

func (s *scene) say(text string) {
	s.t.Helper()
	step := len(text)
	if s.bytewise {
		step = 1
	}
	for ; text != ""; text = text[min(step, len(text)):] {
		if _, err := s.conn.Write([]byte(text[:min(step, len(text))])); err != nil {
			s.t.Fatalf("say %q: %v", text, err)
		}
	}
}

// hear takes one write of the client.
func (s *scene) hear(want string) {
	s.t.Helper()
	got := make([]byte, 64<<10)
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	n, err := s.conn.Read(got)
	if err != nil || string(got[:n]) != want {
		s.t.Fatalf("client said %q (%v), want %q", got[:n], err, want)
	}
}

// quiet checks that the client says nothing.
func (s *scene) quiet() {
	s.t.Helper()
	got := make([]byte, 64<<10)
	_ = s.conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if n, err := s.conn.Read(got); !errors.Is(err, os.ErrDeadlineExceeded) {
		s.t.Fatalf("client said %q (%v), want it to wait", got[:n], err)
	}
}

func (s *scene) do(what string) {
	s.t.Helper()
	what, name, _ := strings.Cut(what, " ")
	switch what {
	case "accept":
		var err error
		if s.conn, err = s.accept(patience); err != nil {
			s.t.Fatal(err)
		}
	case "alone":
		if _, err := s.accept(30 * time.Millisecond); err == nil {
			s.t.Fatal("another connection came")
		}
	case "cut":
		_ = s.conn.Close()
	case "closed":
		got := make([]byte, 64<<10)
		_ = s.conn.SetReadDeadline(time.Now().Add(patience))
		if n, err := s.conn.Read(got); n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			s.t.Fatalf("client said %q (%v), want it to close without a word", got[:n], err)
		}
	case "offer":
		name, urgent := strings.CutPrefix(name, "urgent ")
		s.offer(&letter{name: name, urgent: urgent})
	default:
		s.direct(what)
	}
}

// direct tells the pool something, or asks it.
func (s *scene) direct(what string) {
	s.t.Helper()
	switch what {
	case "rest":
		s.pool.Rest()
	case "revive":
		s.pool.Revive()
	case "close":
		go func() { defer close(s.ended); s.pool.Close(context.Background()) }()
	case "drop":
		go func() { defer close(s.ended); s.pool.Close(ended()) }()
	case "ended":
		select {
		case <-s.ended:
		case <-time.After(patience):
			s.t.Fatal("Close does not return")
		}
	case "probing":
		if !s.pool.Probing() {
			s.t.Fatal("the pool is not probing")
		}
	default:
		s.t.Fatalf("%q is no stage direction", what)
	}
}

func (s *scene) accept(wait time.Duration) (net.Conn, error) {
	_ = s.listener.(*net.TCPListener).SetDeadline(time.Now().Add(wait))
	conn, err := s.listener.Accept()
	if err != nil || s.tls == nil {
		return conn, err
	}
	secure := tls.Server(conn, s.tls)
	_ = secure.SetDeadline(time.Now().Add(wait))
	return secure, secure.Handshake()
}

// ended is a context that has ended.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// await waits for an event; those that come before it wait for their own line.
func (s *scene) await(want string) {
	s.t.Helper()
	want, refuse := strings.CutSuffix(want, " => no")
	timeout := time.After(patience)
	for {
		for i, e := range s.pending {
			if e.text == want {
				s.pending = append(s.pending[:i:i], s.pending[i+1:]...)
				if e.answer != nil && strings.Contains(want, "begin ") {
					s.quiet()
				}
				if e.answer != nil {
					e.answer <- !refuse
				}
				return
			}
		}
		select {
		case e := <-s.events:
			s.pending = append(s.pending, e)
		case <-timeout:
			s.t.Fatalf("not told: %s; but: %q", want, texts(s.pending))
		}
	}
}
