package inbound

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/time/rate"
)

// door lets in no more connections than the limits allow, and none for longer.
type door struct {
	net.Listener
	of *Listener
}

// Accept turns away whom there is no room for.
func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		network := networkOf(conn.RemoteAddr())
		if !d.of.enter(network) {
			d.of.options.Metrics.listened.WithLabelValues("too_many_connections").Inc()
			_ = conn.SetDeadline(time.Now().Add(time.Second))
			_, _ = io.WriteString(conn, "421 4.7.0 too many connections, try again later\r\n") // a courtesy
			_ = conn.Close()
			continue
		}
		return &guest{Conn: conn, of: d.of, network: network, until: time.Now().Add(d.of.options.Limits.Session)}, nil
	}
}

func networkOf(addr net.Addr) netip.Prefix {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip, bits := tcp.AddrPort().Addr().Unmap(), 48
	if ip.Is4() {
		bits = 24
	}
	p, _ := ip.WithZone("").Prefix(bits) // within its length
	return p
}

func (l *Listener) enter(network netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := 0
	for _, n := range l.open {
		all += n
	}
	if all >= l.options.Limits.Connections || l.open[network] >= l.options.Limits.PerNetwork {
		return false
	}
	l.open[network]++
	return true
}

func (l *Listener) leave(network netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[network]--; l.open[network] == 0 {
		delete(l.open, network)
		if p := l.paces[network]; p != nil && p.Tokens() >= float64(p.Burst()) {
			delete(l.paces, network) // nothing is owed
		}
	}
}

// pace tells whether a network may bring another mail now.
func (l *Listener) pace(network netip.Prefix) bool {
	n := l.options.Limits.PerSecond
	if n == 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.paces[network]
	if p == nil {
		if len(l.paces) > 10_000 { // of networks that have gone, owing something
			clear(l.paces)
		}
		p = rate.NewLimiter(rate.Limit(n), n)
		l.paces[network] = p
	}
	return p.Allow()
}

// guest is a connection that ends in time, however slowly it speaks.
type guest struct {
	net.Conn
	of      *Listener
	network netip.Prefix
	until   time.Time
	left    bool // only by the goroutine that closes it first
}

// SetReadDeadline never reaches beyond the connection's own end.
func (g *guest) SetReadDeadline(t time.Time) error {
	if t.IsZero() || t.After(g.until) {
		t = g.until
	}
	return g.Conn.SetReadDeadline(t)
}

// SetDeadline is the same for both ways.
func (g *guest) SetDeadline(t time.Time) error {
	if t.IsZero() || t.After(g.until) {
		t = g.until
	}
	return g.Conn.SetDeadline(t)
}

// Close gives the place free, once.
func (g *guest) Close() error {
	g.of.mu.Lock()
	first := !g.left
	g.left = true
	g.of.mu.Unlock()
	if first {
		g.of.leave(g.network)
	}
	return g.Conn.Close()
}

// held is a mail in memory: as much of it as is looked at, within what all of
// them may hold together.
type held struct {
	listener *Listener
	pieces   [][]byte
	size     int64
}

const piece = 32 << 10

// read takes the mail to its end; what stands behind the part that is looked at
// is thrown away.
func (h *held) read(r io.Reader) error {
	limits := h.listener.options.Limits
	for h.size < limits.KeptOfMail {
		// Counted before it is there: who sends nothing holds one piece.
		if h.listener.held.Add(piece) > limits.Held {
			h.listener.held.Add(-piece)
			_, _ = io.Copy(io.Discard, r) // so that the answer is heard
			return refusal(452, smtp.EnhancedCode{4, 3, 1}, "too much mail at once, try again later")
		}
		b := make([]byte, piece)
		n, err := io.ReadFull(r, b)
		h.pieces, h.size = append(h.pieces, b[:n]), h.size+piece
		if err == io.EOF || err == io.ErrUnexpectedEOF && n < piece && ended(r) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	_, err := io.Copy(io.Discard, r)
	return err
}

// ended tells a mail that is over from a connection that broke off: io.ReadFull
// calls both an unexpected end.
func ended(r io.Reader) bool {
	var one [1]byte
	_, err := r.Read(one[:])
	return err == io.EOF
}

func (h *held) reader() io.Reader {
	readers := make([]io.Reader, len(h.pieces))
	for i, p := range h.pieces {
		readers[i] = bytes.NewReader(p)
	}
	return io.MultiReader(readers...)
}

func (h *held) release() { h.listener.held.Add(-int64(len(h.pieces)) * piece) }
