package rig_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"facteur/internal/rig"
)

// echo answers each line with the given name and the line.
func echo(t *testing.T, name string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				in := bufio.NewReader(c)
				for {
					line, err := in.ReadString('\n')
					if err != nil {
						_ = c.Close()
						return
					}
					_, _ = io.WriteString(c, name+" "+line)
				}
			}()
		}
	}()
	return l.Addr().String()
}

type line struct {
	net.Conn
	t  *testing.T
	in *bufio.Reader
}

func dial(t *testing.T, addr string) *line {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &line{c, t, bufio.NewReader(c)}
}

func (l *line) say(text string) {
	l.t.Helper()
	if _, err := io.WriteString(l, text+"\n"); err != nil {
		l.t.Fatal(err)
	}
}

func (l *line) hears(want string) {
	l.t.Helper()
	_ = l.SetReadDeadline(time.Now().Add(10 * time.Second))
	if got, err := l.in.ReadString('\n'); err != nil || got != want+"\n" {
		l.t.Fatalf("heard %q, %v; want %q", got, err, want)
	}
}

func TestProxy_HoldsWhatIsOnItsWayUntilHealed(t *testing.T) {
	p, err := rig.NewProxy(echo(t, "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	c := dial(t, p.Addr())
	c.say("one")
	c.hears("a one")
	p.Partition()
	c.say("two")
	late := dial(t, p.Addr())
	late.say("three")
	for _, quiet := range []*line{c, late} {
		_ = quiet.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := quiet.in.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("during the partition: %v", err)
		}
	}
	p.Heal()
	c.hears("a two")
	late.hears("a three")
}

func TestProxy_LeadsElsewhereAndEndsWithAllItsConnections(t *testing.T) {
	p, err := rig.NewProxy(echo(t, "a"))
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, p.Addr())
	c.say("one")
	c.hears("a one")
	p.Lead(echo(t, "b"))
	if _, err := c.in.ReadByte(); err == nil {
		t.Fatal("the old connection lives")
	}
	c = dial(t, p.Addr())
	c.say("two")
	c.hears("b two")
	p.Partition()
	if err := p.Close(); err != nil { // returns though nothing passes
		t.Fatal(err)
	}
	if _, err := c.in.ReadByte(); err == nil {
		t.Fatal("the connection outlives its proxy")
	}
}
