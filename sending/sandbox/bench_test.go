package sandbox_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"facteur/sending/sandbox"
)

// BenchmarkServer_PipelinedClients sends 11 KB messages over 50 connections, each message with the next envelope
// behind it in one write. The CPU figure is of the whole process, client and server.
func BenchmarkServer_PipelinedClients(b *testing.B) {
	s := started(b, sandbox.Options{})
	const connections = 50
	var left atomic.Int64
	left.Store(int64(b.N))
	before := cpu(b)
	b.ResetTimer()
	var all sync.WaitGroup
	for n := range connections {
		all.Go(func() {
			if err := pipelines(s.Addr(), n, &left); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric((cpu(b)-before).Seconds()/float64(b.N)*1000, "cpu-s/1000msg")
	if got := s.Count(); got.Distinct != int64(b.N) || got.Duplicates != 0 || got.Dropped != 0 {
		b.Fatalf("counts %+v, want %d", got, b.N)
	}
}

// cpu is what the process has used so far.
func cpu(b *testing.B) time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// pipelines takes messages while there are any left and sends them on one connection.
func pipelines(addr string, n int, left *atomic.Int64) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	body := []byte(strings.Repeat(strings.Repeat("quoted-printable text ", 4)[:74]+"=\r\n", 11_100/77) + ".\r\n")
	answers := make([]byte, 4096)
	if err := hears(conn, answers, 1); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "EHLO client.test\r\n"); err != nil {
		return err
	}
	if err := hears(conn, answers, 6); err != nil {
		return err
	}
	var out []byte
	replies := 0
	for i := 0; ; i++ {
		more := left.Add(-1) >= 0
		if more {
			out = fmt.Appendf(out, "MAIL FROM:<bounce+%d.%d@sender.test>\r\nRCPT TO:<person%d.%d@example%d.com>\r\nDATA\r\n", n, i, n, i, i%500)
			replies += 3
		}
		if len(out) > 0 {
			if _, err := conn.Write(out); err != nil {
				return err
			}
			if err := hears(conn, answers, replies); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
		out = fmt.Appendf(out[:0], "From: news@sender.test\r\nMessage-ID: <%020d.%d@sender.test>\r\nSubject: hello\r\n\r\n", i, n)
		out = append(out, body...)
		replies = 1
	}
}

// hears reads so many lines and wants none of them to be a refusal.
func hears(conn net.Conn, space []byte, lines int) error {
	for lines > 0 {
		n, err := conn.Read(space)
		if err != nil {
			return err
		}
		if space[0] > '3' {
			return fmt.Errorf("refused: %s", space[:n])
		}
		lines -= bytes.Count(space[:n], []byte("\n"))
	}
	return nil
}
