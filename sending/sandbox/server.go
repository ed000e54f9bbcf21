package sandbox

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClosed is returned by what a closed server can not do any more.
var ErrClosed = errors.New("sandbox: server closed")

// Server plays the far end. All methods may be called at any time from any goroutine.
type Server struct {
	opt    Options
	plays  []*play
	rules  atomic.Pointer[[]*rule]
	ledger *ledger
	kept   shelf
	log    *deliveryLog // nil without LogFile

	turn sync.Mutex // Suspend, Resume and Close take turns

	mu       sync.Mutex
	addr     string // empty without a listener
	listener net.Listener
	conns    map[net.Conn]struct{}
	open     int           // connections within MaxConnections
	down     chan struct{} // closed by Suspend and Close: ends every wait
	off      bool          // suspended or closed
	closed   bool
	sessions sync.WaitGroup
}

// New makes a server that does not listen: it plays on the connections given to Serve, as those of net.Pipe
// inside testing/synctest, where its waits cost no time.
func New(o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		opt: o, ledger: newLedger(), kept: shelf{limit: o.Keep},
		conns: map[net.Conn]struct{}{}, down: make(chan struct{}),
	}
	for _, w := range Words() {
		s.plays = append(s.plays, newPlay(w))
	}
	if err := s.SetRules(o.Rules); err != nil {
		return nil, err
	}
	if o.LogFile != "" {
		if s.log, err = openLog(o.LogFile); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Start makes a server and listens on Options.Addr.
func Start(o Options) (*Server, error) {
	s, err := New(o)
	if err != nil {
		return nil, err
	}
	if err := s.listen(s.opt.Addr); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// listen opens the port and takes connections from it until it is closed.
func (s *Server) listen(addr string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener, s.addr = listener, listener.Addr().String()
	s.sessions.Go(func() {
		for {
			conn, err := listener.Accept()
			switch {
			case err == nil:
				go s.Serve(conn)
			case errors.Is(err, net.ErrClosed):
				return
			default: // out of file descriptors: give the open connections a moment to end
				time.Sleep(5 * time.Millisecond)
			}
		}
	})
	return nil
}

// Addr is where the server listens, with the port that was chosen; it stays the same over Suspend and Resume.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Serve plays one session on a connection and returns when it has ended and is closed.
func (s *Server) Serve(conn net.Conn) {
	defer conn.Close()
	down, room := s.enter(conn)
	if down == nil {
		return
	}
	defer s.leave(conn, room)
	newSession(s, conn, down).run(room)
}

// enter registers a connection; a nil channel says that the server is off, room that the connection is within MaxConnections.
func (s *Server) enter(conn net.Conn) (down chan struct{}, room bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.off {
		return nil, false
	}
	s.conns[conn] = struct{}{}
	s.sessions.Add(1)
	room = s.opt.MaxConnections <= 0 || s.open < s.opt.MaxConnections
	if room {
		s.open++
	}
	s.ledger.count(func(c *Counts) {
		if !room {
			c.TurnedAway++
			return
		}
		c.Connections++
		c.Open, c.MaxOpen = s.open, max(c.MaxOpen, s.open)
	})
	return s.down, room
}

func (s *Server) leave(conn net.Conn, room bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
	if room {
		s.open--
	}
	s.ledger.count(func(c *Counts) { c.Open = s.open })
	s.sessions.Done()
}

// SetRules replaces all rules, for envelopes that begin from now on. On an error the old ones stay.
func (s *Server) SetRules(rules []Rule) error {
	ready, err := compileRules(rules, s.plays)
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	s.rules.Store(&ready)
	return nil
}

// Rules returns the rules that hold.
func (s *Server) Rules() []Rule {
	list := []Rule{}
	for _, r := range *s.rules.Load() {
		list = append(list, r.Rule)
	}
	return list
}

// Suspend refuses connections and drops the open ones without a word, wherever they are. When it returns, nothing is counted any more.
func (s *Server) Suspend() {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.drop()
}

// Resume listens again on the same address. It does nothing if the server is not suspended; after Close it returns ErrClosed.
func (s *Server) Resume() error {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	off, closed, addr := s.off, s.closed, s.addr
	if off && !closed {
		s.off, s.down = false, make(chan struct{})
	}
	s.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case !off || addr == "":
		return nil
	}
	if err := s.listen(addr); err != nil {
		s.drop()
		return err
	}
	return nil
}

// Close ends everything at once, like a killed server, except that the log file is complete. What was counted can
// still be read. The error is of the log file. Closing again does nothing.
func (s *Server) Close() error {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.drop()
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again || s.log == nil {
		return nil
	}
	return s.log.close()
}

// drop closes the listener and all connections and waits for their sessions to end.
func (s *Server) drop() {
	s.mu.Lock()
	if !s.off {
		s.off = true
		close(s.down)
		if s.listener != nil {
			_ = s.listener.Close() // it is gone either way
		}
		for conn := range s.conns {
			_ = conn.Close()
		}
	}
	s.mu.Unlock()
	s.sessions.Wait()
}

// now is the server's clock in Unix milliseconds.
func (s *Server) now() int64 { return s.opt.Now().UnixMilli() }
