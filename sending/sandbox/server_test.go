package sandbox_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"facteur/sending/sandbox"
)

func TestServer_TurnsAwayConnectionsAboveTheLimit(t *testing.T) {
	s := started(t, sandbox.Options{MaxConnections: 2})
	first := greeted(t, s)
	greeted(t, s)
	turned := dialled(t, s)
	turned.plays("S: 421 4.7.0")
	if got := s.Count(); got.Open != 2 || got.MaxOpen != 2 || got.Connections != 2 || got.TurnedAway != 1 {
		t.Fatalf("counts %+v", got)
	}
	first.halfCloses()
	first.ended()
	greeted(t, s) // there is room again, though the one turned away is still there
	turned.ended()
}

func TestServer_EndsAConnectionAfterItsMessages(t *testing.T) {
	s := started(t, sandbox.Options{MaxMessages: 2})
	c := greeted(t, s)
	wantReply(t, c.sends("anna@example.com", "1@x"), "250")
	wantReply(t, c.sends("anna@example.com", "2@x"), "250")
	c.plays("C: MAIL FROM:<a@sender.test>\nC: RCPT TO:<anna@example.com>\nS: 421 4.7.0\nS: closed")
}

func TestServer_SuspendsAndResumesOnTheSamePort(t *testing.T) {
	s := started(t, sandbox.Options{})
	addr := s.Addr()
	c := greeted(t, s)
	c.plays(envelope)
	s.Suspend()
	c.ended()
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Fatal("a suspended server took a connection")
	}
	s.Suspend() // again is no fault
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	if s.Addr() != addr {
		t.Fatalf("address %s, want %s", s.Addr(), addr)
	}
	wantReply(t, greeted(t, s).sends("anna@example.com", "1@x"), "250")
	if got := s.Count(); got.Dropped != 1 || got.Accepted != 1 || got.Open != 1 {
		t.Fatalf("counts %+v", got)
	}
}

func TestServer_CloseEndsEverythingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := piped(t, sandbox.Options{Latency: time.Hour})
		c.plays("S: 220\nC: EHLO client.test\nS: 250")
		start := time.Now()
		c.plays(envelope)
		c.writes("Message-ID: <1@x>\r\n.\r\n")
		synctest.Wait() // the message is counted, its answer is an hour away
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		c.ended()
		if time.Since(start) != 0 || s.Count().Accepted != 1 {
			t.Errorf("closed after %v with %+v", time.Since(start), s.Count())
		}
		if err := s.Resume(); !errors.Is(err, sandbox.ErrClosed) {
			t.Errorf("resume after close: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing again: %v", err)
		}
	})
}

func TestServer_RefusesOptionsThatCanNotBeMeant(t *testing.T) {
	for want, o := range map[string]sandbox.Options{
		"need a certificate":    {RequireTLS: true},
		"unknown action":        {Rules: []sandbox.Rule{{Fraction: 1, Action: "what"}}},
		"log of deliveries":     {LogFile: t.TempDir()},
		"address 127.0.0.1:1:1": {Addr: "127.0.0.1:1:1"},
	} {
		s, err := sandbox.Start(o)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
