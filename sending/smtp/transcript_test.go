package smtp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"facteur/sending/smtp"
)

// patience is how long anything awaited may take; nothing waits so long unless it fails.
const patience = 10 * time.Second

// scene plays a relay by a transcript and watches what the pool tells its owner:
//
//	-- accept      the client connects      -- closed   the client closes, without a byte more
//	-- alone       nobody else connects     -- cut      we close
//	-- offer who   one more mail            -- rest, revive, close, drop: the pool is told so
//	-- probing     the pool says it is      -- ended    Close has returned
//	S: line        we say it; lines in a row go out together
//	C: line        the client says it; lines in a row come in one write, and nothing else with them
//	T: what        Turn is called, with a begin only while the wire is quiet; "=> no" refuses
//	R: who why     Return is called         D: why      Down is called
//	E: who why     Send fails
//
// A mail is offered when the one before it is taken, or all at once from the start.
type scene struct {
	mails    []*letter
	atOnce   bool
	most     int         // connections; 0: one
	bytewise bool        // say everything byte by byte
	tls      *tls.Config // implicit TLS
	server   func(*smtp.Server)
	script   string

	t        *testing.T
	listener net.Listener
	conn     net.Conn
	pool     *smtp.Pool
	events   chan event
	pending  []event
	offered  []*letter
	over     chan struct{}
	ended    chan struct{}
}

// ports are what differs between two runs of a transcript.
var ports = regexp.MustCompile(`(read|write) tcp 127\.0\.0\.1:\d+->127\.0\.0\.1:\d+: `)

type event struct {
	text   string
	answer chan bool // of a Turn
}

// letter is a mail of the tests. Its end must be told exactly once.
type letter struct {
	name    string // the local part of the recipient
	utf8    bool
	unready bool
	urgent  bool
	err     error  // of Compose
	panics  string // at which of its verbs
	body    string // "" for a common one
	ends    atomic.Int32
	taken   func()
	back    func(error)
}

func (l *letter) Envelope() (string, string, bool) {
	l.fall("envelope")
	return "news@client.test", l.name + "@example.test", l.utf8
}

func (l *letter) Ready() bool {
	if l.taken != nil {
		l.taken()
	}
	l.fall("ready")
	if l.unready {
		l.ends.Add(1)
	}
	return !l.unready
}

func (l *letter) Compose(dst []byte) ([]byte, error) {
	l.fall("compose")
	if l.err != nil {
		return dst, l.err
	}
	if l.body != "" {
		return append(dst, l.body...), nil
	}
	return fmt.Appendf(dst, "Message-ID: <%s@client.test>\r\n\r\nHello %s\r\n", l.name, l.name), nil
}

func (l *letter) fall(at string) {
	if l.panics == at {
		panic(at)
	}
}

func (l *letter) Return(why error) {
	l.ends.Add(1)
	l.back(why)
}

// letters makes mails of these names.
func letters(names ...string) []*letter {
	all := make([]*letter, len(names))
	for i, name := range names {
		all[i] = &letter{name: name}
	}
	return all
}

func (s scene) play(t *testing.T) {
	t.Helper()
	var err error
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer s.listener.Close()
	s.t, s.events, s.over, s.ended = t, make(chan event, 100), make(chan struct{}), make(chan struct{})
	server := smtp.Server{Host: "127.0.0.1", Port: s.listener.Addr().(*net.TCPAddr).Port, Security: smtp.None, HELO: "client.test"}
	if s.server != nil {
		s.server(&server)
	}
	s.pool = smtp.NewPool(smtp.Options{Server: server, MaxConnections: s.most, Turn: s.turn, Down: func(r smtp.Result) {
		s.tell(event{text: "D: " + answerOf(r)})
	}, Panicked: func(err error) {
		s.tell(event{text: "P: " + err.Error()})
	}})
	defer s.end()
	for i, m := range s.mails {
		if i > 0 && !s.atOnce {
			s.mails[i-1].taken = func() { s.offer(m) }
		}
	}
	for i, m := range s.mails {
		if i == 0 || s.atOnce {
			s.offer(m)
		}
	}
	s.run(s.script)
	for len(s.events) > 0 {
		s.pending = append(s.pending, <-s.events)
	}
	if len(s.pending) > 0 {
		t.Errorf("told, but not in the transcript: %q", texts(s.pending))
	}
}

// offer sends m and returns when it waits to be taken, or was.
func (s *scene) offer(m *letter) {
	m.back = func(why error) {
		text := ports.ReplaceAllString(strings.ReplaceAll(why.Error(), "\n", "; "), "")
		s.tell(event{text: "R: " + m.name + " " + text})
	}
	s.offered = append(s.offered, m)
	ctx := &askedContext{Context: context.Background(), asked: make(chan struct{}, 1)}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if err := s.pool.Send(ctx, m, m.urgent); err != nil {
			m.ends.Add(1)
			s.tell(event{text: "E: " + m.name + " " + err.Error()})
		}
	}()
	select {
	case <-ctx.asked:
	case <-sent:
	case <-time.After(patience):
		s.t.Errorf("%s is neither waiting nor sent", m.name)
	}
}

// askedContext tells when somebody waits on it.
type askedContext struct {
	context.Context
	asked chan struct{}
}

func (c *askedContext) Done() <-chan struct{} {
	select {
	case c.asked <- struct{}{}:
	default:
	}
	return nil
}

// end closes the pool by force: then every mail has ended once and no goroutine is left.
func (s *scene) end() {
	close(s.over)
	if s.conn != nil {
		_ = s.conn.Close()
	}
	s.pool.Close(ended())
	for _, m := range s.offered {
		eventually(s.t, fmt.Sprintf("one end of %s", m.name), func() bool { return m.ends.Load() == 1 })
	}
	noGoroutines(s.t)
}

func (s *scene) tell(e event) {
	select {
	case s.events <- e:
	case <-s.over:
	}
}

func (s *scene) turn(ended []smtp.Ended, next smtp.Mail) bool {
	var parts []string
	for _, e := range ended {
		m := e.Mail.(*letter)
		m.ends.Add(1)
		verb := "refuse"
		if e.Begun {
			verb = "settle"
		}
		parts = append(parts, verb+" "+m.name+" "+answerOf(e.Result))
	}
	if next != nil {
		next.(*letter).fall("turn")
		parts = append(parts, "begin "+next.(*letter).name)
	}
	answer := make(chan bool, 1)
	s.tell(event{text: "T: " + strings.Join(parts, ", "), answer: answer})
	select {
	case ok := <-answer:
		return ok
	case <-s.over:
		return false
	}
}

// answerOf shows a result in the transcripts' way.
func answerOf(r smtp.Result) string {
	switch {
	case errors.Is(r.Err, smtp.ErrUnsent):
		return string(r.Stage) + " unsent"
	case r.Err != nil:
		return string(r.Stage) + " no answer"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %d %s", r.Stage, r.Code, r.Enhanced))
}

func texts(events []event) []string {
	all := make([]string, len(events))
	for i, e := range events {
		all[i] = e.text
	}
	return all
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// noGoroutines waits until no goroutine of a pool is left.
func noGoroutines(t *testing.T) {
	t.Helper()
	var stacks string
	eventually(t, "the end of the pool's goroutines", func() bool {
		buf := make([]byte, 1<<20)
		stacks = string(buf[:runtime.Stack(buf, true)])
		return !strings.Contains(stacks, "sending/smtp.(*Pool)") && !strings.Contains(stacks, "sending/smtp.(*conn)")
	})
}
