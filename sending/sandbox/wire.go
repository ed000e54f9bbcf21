package sandbox

import (
	"bufio"
	"net"
	"time"
)

// wire is the connection below a session's reader and writer. A read that has to ask the network sends the gathered
// replies first: that is the whole of pipelining on the server's side.
type wire struct {
	conn      net.Conn
	out       *bufio.Writer
	roundTrip time.Duration
	idle      time.Duration
	down      chan struct{} // closed when the server drops everything
	timer     *time.Timer
}

// Read sends what is gathered and waits for input.
func (w *wire) Read(p []byte) (int, error) {
	if err := w.flush(); err != nil {
		return 0, err
	}
	if w.idle > 0 {
		if err := w.conn.SetReadDeadline(time.Now().Add(w.idle)); err != nil {
			return 0, err
		}
	}
	return w.conn.Read(p)
}

// flush sends the gathered replies, late by the round trip.
func (w *wire) flush() error {
	if w.out.Buffered() == 0 {
		return nil
	}
	if err := w.wait(w.roundTrip); err != nil {
		return err
	}
	return w.out.Flush()
}

// wait lets time pass; ErrClosed if the server drops its connections meanwhile.
func (w *wire) wait(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	if w.timer == nil {
		w.timer = time.NewTimer(d)
	} else {
		w.timer.Reset(d)
	}
	select {
	case <-w.timer.C:
		return nil
	case <-w.down:
		w.timer.Stop()
		return ErrClosed
	}
}

// part says goodbye properly: it sends what is gathered, ends its own direction and reads on until the client has
// seen it, for a second at most. A close with unread input would reset the connection and could take the reply with it.
func (w *wire) part() {
	if w.flush() != nil {
		return
	}
	half, ok := w.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if w.conn.SetReadDeadline(time.Now().Add(time.Second)) != nil {
		return
	}
	rest := make([]byte, 4096)
	for {
		if _, err := w.conn.Read(rest); err != nil {
			return
		}
	}
}
