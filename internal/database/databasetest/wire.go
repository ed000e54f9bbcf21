package databasetest

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// Wire is a TCP proxy before a server that can swallow what is said either way
// while its connections stay open, as a partition of the network does.
type Wire struct {
	// URL is the server's, through the wire.
	URL string

	listener net.Listener
	to       string
	mu       sync.Mutex
	moved    *sync.Cond
	held     bool
	closed   bool
	open     map[net.Conn]bool
}

// NewWire lays a wire to the server of a URL; the test's end takes it away.
func NewWire(t testing.TB, server string) *Wire {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{to: u.Host, open: map[net.Conn]bool{}}
	w.moved = sync.NewCond(&w.mu)
	if w.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	u.Host = w.listener.Addr().String()
	w.URL = u.String()
	t.Cleanup(w.close)
	go w.accept()
	return w
}

// Hold swallows all that is said from now on; what is open then never gets an answer.
func (w *Wire) Hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = true
}

// Pass lets new connections through again.
func (w *Wire) Pass() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = false
	w.moved.Broadcast()
}

// Lead leads new connections to another server, and cuts those that are open.
func (w *Wire) Lead(t testing.TB, server string) {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = u.Host
	for c := range w.open {
		_ = c.Close()
	}
}

func (w *Wire) close() {
	w.mu.Lock()
	w.closed, w.held = true, false
	w.moved.Broadcast()
	for c := range w.open {
		_ = c.Close()
	}
	w.mu.Unlock()
	_ = w.listener.Close()
}

func (w *Wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		go w.join(near)
	}
}

func (w *Wire) join(near net.Conn) {
	if !w.wait() { // accepted by a kernel, answered by nobody
		_ = near.Close()
		return
	}
	w.mu.Lock()
	to := w.to
	w.mu.Unlock()
	far, err := net.Dial("tcp", to)
	if err != nil {
		_ = near.Close()
		return
	}
	w.mu.Lock()
	w.open[near], w.open[far] = true, true
	w.mu.Unlock()
	go w.carry(far, near)
	w.carry(near, far)
}

// wait returns when the wire passes; false: it was taken away.
func (w *Wire) wait() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.held {
		w.moved.Wait()
	}
	return !w.closed
}

// carry copies until an end closes or the wire is held: what a held one has
// read is lost, and nothing comes after it, as its sender has given up by then.
func (w *Wire) carry(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		w.mu.Lock()
		held := w.held
		w.mu.Unlock()
		if held {
			w.wait()
			break
		}
		if err == nil {
			_, err = to.Write(buf[:n])
		}
		if err != nil {
			break
		}
	}
	for _, c := range []net.Conn{to, from} {
		w.mu.Lock()
		delete(w.open, c)
		w.mu.Unlock()
		_ = c.Close()
	}
}
