package rig

import (
	"errors"
	"net"
	"sync"
)

// Proxy is a stretch of network on loopback that can fail, between a process
// and a server. Its address stays the same wherever it leads.
type Proxy struct {
	listener net.Listener
	ended    sync.WaitGroup

	mu      sync.Mutex
	target  string        // host:port
	passing chan struct{} // closed while bytes pass
	closed  bool
	conns   map[net.Conn]struct{}
}

// NewProxy listens on a free loopback port and passes on to host:port.
func NewProxy(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, target: target, passing: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	close(p.passing)
	p.ended.Go(p.accept)
	return p, nil
}

// Addr is host:port of the near end.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Partition lets nothing pass, either way, and tells nobody: connections stay
// and new ones are taken, as by a network that drops packets. What was on its
// way is held until Heal, as TCP would send it again.
func (p *Proxy) Partition() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.passing:
		p.passing = make(chan struct{})
	default:
	}
}

// Heal ends a Partition; without one it does nothing.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.passing:
	default:
		close(p.passing)
	}
}

// Cut resets all connections, and drops what is held for them. New ones are
// taken.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset; it ends either way
		}
		_ = c.Close()
	}
}

// Lead cuts all connections, and lets new ones lead to another host:port.
func (p *Proxy) Lead(target string) {
	p.mu.Lock()
	p.target = target
	p.mu.Unlock()
	p.Cut()
}

// Close ends it with all its connections.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.Cut()
	p.Heal()
	p.ended.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		p.ended.Go(func() { p.serve(near) })
	}
}

// serve passes on one connection until either end closes it.
func (p *Proxy) serve(near net.Conn) {
	if !p.hold(near) {
		return
	}
	defer p.release(near)
	p.pass()
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	far, err := net.Dial("tcp", target)
	if err != nil || !p.hold(far) {
		return
	}
	defer p.release(far)
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		p.ended.Go(func() {
			p.pump(way[0], way[1])
			done <- struct{}{}
		})
	}
	<-done // whoever ends it ends both ways
}

func (p *Proxy) pump(from, to net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.pass()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass returns when bytes may pass.
func (p *Proxy) pass() {
	for {
		p.mu.Lock()
		passing := p.passing
		p.mu.Unlock()
		select {
		case <-passing:
			return
		default:
			<-passing
		}
	}
}

// hold notes a connection, or closes it if the proxy is closed.
func (p *Proxy) hold(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = c.Close()
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *Proxy) release(c net.Conn) {
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
	_ = c.Close()
}
