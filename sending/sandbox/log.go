package sandbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// deliveryLog appends a line for each accepted delivery: Unix ms, recipient, Message-ID, with tabs between them.
type deliveryLog struct {
	mu   sync.Mutex
	file *os.File
	out  *bufio.Writer
	stop chan struct{}
	done chan struct{}
}

// openLog opens the file and starts its flushing each 100 ms, so that another process may follow it.
func openLog(path string) (*deliveryLog, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("sandbox: open the log of deliveries: %w", err)
	}
	l := &deliveryLog{
		file: file, out: bufio.NewWriterSize(file, 1<<16),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	go l.flush()
	return l, nil
}

func (l *deliveryLog) flush() {
	defer close(l.done)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
			l.mu.Lock()
			_ = l.out.Flush() // bufio keeps the error; close returns it
			l.mu.Unlock()
		}
	}
}

// write adds the deliveries of one message.
func (l *deliveryLog) write(m *envelope, id []byte, now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range m.to {
		l.out.Write(strconv.AppendInt(l.out.AvailableBuffer(), now, 10))
		l.out.WriteByte('\t')
		l.out.Write(m.recipient(i))
		l.out.WriteByte('\t')
		l.out.Write(id)
		l.out.WriteByte('\n')
	}
}

func (l *deliveryLog) close() error {
	close(l.stop)
	<-l.done
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := errors.Join(l.out.Flush(), l.file.Close()); err != nil {
		return fmt.Errorf("sandbox: write the log of deliveries: %w", err)
	}
	return nil
}

// ReadLog yields each delivery that a server wrote to its LogFile, in order, until yield returns false. Count is 1
// and First equals Last: whoever wants sums adds up. A last line without its end, of a killed server, is left out.
func ReadLog(r io.Reader, yield func(Delivery) bool) error {
	in := bufio.NewReaderSize(r, 1<<16)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("sandbox: read the log of deliveries: %w", err)
		}
		fields := strings.Split(string(bytes.TrimSuffix(line, []byte("\n"))), "\t")
		if len(fields) != 3 {
			return fmt.Errorf("sandbox: log line %d has %d fields, want time, recipient and Message-ID", n, len(fields))
		}
		at, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			return fmt.Errorf("sandbox: log line %d: time: %w", n, err)
		}
		if !yield(Delivery{Recipient: fields[1], MessageID: fields[2], Count: 1, First: at, Last: at}) {
			return nil
		}
	}
}
