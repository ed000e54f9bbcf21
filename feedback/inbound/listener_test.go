package inbound_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"facteur/feedback/inbound"
	"facteur/sending/sandbox"
)

// desk takes mails in and remembers them.
type desk struct {
	mu    sync.Mutex
	mails []string
	fail  error
	known bool
}

func (d *desk) take(_ context.Context, source string, to []string, raw io.Reader) (bool, error) {
	text, err := io.ReadAll(raw)
	if err != nil {
		return false, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return false, d.fail
	}
	d.mails = append(d.mails, fmt.Sprintf("%s %s %d", source, strings.Join(to, ","), len(text)))
	return d.known, nil
}

func listen(t *testing.T, lmtp bool, d *desk, o inbound.Options) string {
	t.Helper()
	o.Name, o.Take, o.Log, o.Metrics = "home.test", d.take, slog.New(slog.DiscardHandler), inbound.NewMetrics()
	o.Expects = func(a string) bool { return strings.HasPrefix(a, "ours") }
	l, err := inbound.Listen(t.Context(), "127.0.0.1:0", lmtp, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l.Addr()
}

// talk is a dialogue: lines that are sent, each with the code that answers it.
type talk struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, addr string) *talk {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	return &talk{t, conn, bufio.NewReader(conn)}
}

// hears reads an answer, all lines of it.
func (k *talk) hears() string {
	k.t.Helper()
	for {
		line, err := k.in.ReadString('\n')
		if err != nil {
			return err.Error()
		}
		if len(line) < 4 || line[3] != '-' {
			return strings.TrimSpace(line)
		}
	}
}

func (k *talk) says(line, want string) string {
	k.t.Helper()
	if line != "" {
		if _, err := io.WriteString(k.conn, line+"\r\n"); err != nil {
			k.t.Fatal(err)
		}
	}
	got := k.hears()
	if !strings.HasPrefix(got, want) {
		k.t.Errorf("%.60s: %s, want %s", line, got, want)
	}
	return got
}

func TestListener_TakesReportsForSignedAddressesOnly(t *testing.T) {
	d := &desk{known: true}
	k := dial(t, listen(t, false, d, inbound.Options{}))
	k.says("", "220")
	k.says("EHLO mx.test", "250")
	k.says("MAIL FROM:<>", "250")
	k.says("RCPT TO:<postmaster@elsewhere.test>", "550 5.1.1")
	k.says("RCPT TO:<ours1@home.test>", "250")
	k.says("DATA", "354")
	k.says("Subject: failure\r\n\r\n..dot\r\n.", "250")
	// What means nothing is refused, unless it comes from the null sender, which nobody can answer.
	d.known = false
	k.says("MAIL FROM:<person@elsewhere.test>", "250")
	k.says("RCPT TO:<ours2@home.test>", "250")
	k.says("DATA", "354")
	k.says("Hello\r\n.", "554 5.6.0")
	k.says("MAIL FROM:<>", "250")
	k.says("RCPT TO:<ours3@home.test>", "250")
	k.says("DATA", "354")
	k.says("Hello\r\n.", "250")
	// What cannot be written comes again.
	d.fail = errors.New("disk full")
	k.says("MAIL FROM:<>", "250")
	k.says("RCPT TO:<ours4@home.test>", "250")
	k.says("DATA", "354")
	k.says("Hello\r\n.", "451 4.3.0")
	k.says("AUTH PLAIN AGEAYg==", "5")
	k.says("QUIT", "221")
	if got := strings.Join(d.mails, "; "); got != "listener ours1@home.test 26; listener ours2@home.test 7; listener ours3@home.test 7" {
		t.Error(got)
	}
}

func TestListener_SpeaksLMTPAndStartTLS(t *testing.T) {
	d := &desk{known: true}
	k := dial(t, listen(t, true, d, inbound.Options{}))
	k.says("", "220")
	k.says("LHLO mx.test", "250")
	k.says("MAIL FROM:<>", "250")
	k.says("RCPT TO:<ours1@home.test>", "250")
	k.says("RCPT TO:<ours2@home.test>", "250")
	k.says("DATA", "354")
	k.says("Hello\r\n.", "250")
	k.says("", "250") // one for each recipient (RFC 2033 section 4.2)

	dir := t.TempDir()
	made, _, err := sandbox.SelfSigned(time.Now(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(made.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: made.Certificates[0].Certificate[0]}, "key.pem": {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	secure, err := inbound.Certificate(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	k = dial(t, listen(t, false, d, inbound.Options{TLS: secure}))
	k.says("", "220")
	k.says("EHLO mx.test", "250")
	k.says("STARTTLS", "220")
	k.conn = tls.Client(k.conn, &tls.Config{InsecureSkipVerify: true})
	k.in = bufio.NewReader(k.conn)
	k.says("EHLO mx.test", "250")
	k.says("MAIL FROM:<>", "250")
	k.says("RCPT TO:<ours3@home.test>", "250")
	k.says("DATA", "354")
	k.says("Hello\r\n.", "250")
	if _, err := inbound.Certificate(filepath.Join(dir, "missing.pem"), filepath.Join(dir, "key.pem")); err == nil {
		t.Error("a missing certificate was taken")
	}
}

// What strangers do costs a bounded amount, and keeps nobody else out.
func TestListener_IsBounded(t *testing.T) {
	d := &desk{known: true}
	limits := inbound.Limits{Connections: 8, PerNetwork: 6, MailBytes: 20 << 20, Held: 1 << 20, KeptOfMail: 256 << 10, Idle: time.Minute, Session: time.Minute}
	addr := listen(t, false, d, inbound.Options{Limits: limits})
	open := func() *talk {
		k := dial(t, addr)
		k.says("", "220")
		k.says("EHLO mx.test", "250")
		k.says("MAIL FROM:<>", "250")
		k.says("RCPT TO:<ours1@home.test>", "250")
		return k
	}
	send := func(k *talk, n int) string {
		k.says("DATA", "354")
		line := strings.Repeat("x", 998) + "\r\n"
		for i := 0; i < n; i += len(line) {
			if _, err := io.WriteString(k.conn, line); err != nil {
				return err.Error()
			}
		}
		_, _ = io.WriteString(k.conn, ".\r\n")
		return k.hears()
	}

	// A mail of 100 MB is read to its end, refused, and never held.
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	k := open()
	if got := send(k, 100<<20); !strings.HasPrefix(got, "552") {
		t.Error(got)
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 64<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	// A long one within the limit is taken, by its beginning.
	k.says("MAIL FROM:<>", "250")
	k.says("RCPT TO:<ours1@home.test>", "250")
	if got := send(k, 5<<20); !strings.HasPrefix(got, "250") {
		t.Error(got)
	}
	if got := d.mails[len(d.mails)-1]; got != fmt.Sprintf("listener ours1@home.test %d", 256<<10) {
		t.Error(got)
	}
	// An announced size that is too large is refused before it comes.
	k.says("MAIL FROM:<> SIZE=104857600", "552")
	k.says("QUIT", "221")

	limits.Idle, limits.Session = 2*time.Second, 10*time.Second
	addr = listen(t, false, d, inbound.Options{Limits: limits})
	// Those who send half a mail and wait hold a bounded sum; others are asked to come again.
	var slow []*talk
	for range 5 {
		k := open()
		k.says("DATA", "354")
		_, _ = io.WriteString(k.conn, strings.Repeat(strings.Repeat("y", 998)+"\r\n", 250))
		slow = append(slow, k)
	}
	time.Sleep(200 * time.Millisecond)
	late := open()
	if got := send(late, 200<<10); !strings.HasPrefix(got, "452") && !strings.HasPrefix(got, "250") {
		t.Error(got)
	}
	// The seventh of a network is turned away.
	if got := dial(t, addr).hears(); !strings.HasPrefix(got, "421 4.7.0") {
		t.Error(got)
	}
	// And the slow ones are ended.
	for _, k := range slow {
		if got := k.hears(); !strings.HasPrefix(got, "4") && !strings.HasPrefix(got, "5") && !strings.Contains(got, "EOF") && !strings.Contains(got, "reset") {
			t.Error(got)
		}
		_ = k.conn.Close()
	}
	_ = late.conn.Close()
	deadline := time.Now().Add(10 * time.Second)
	for {
		k := dial(t, addr)
		if got := k.hears(); strings.HasPrefix(got, "220") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody is let in any more")
		}
		_ = k.conn.Close()
		time.Sleep(100 * time.Millisecond)
	}
}

func TestListener_TakesSoManyMailsASecond(t *testing.T) {
	d := &desk{known: true}
	k := dial(t, listen(t, false, d, inbound.Options{Limits: inbound.Limits{PerSecond: 5}}))
	k.says("", "220")
	k.says("EHLO mx.test", "250")
	answers := map[string]int{}
	for range 50 {
		_, _ = io.WriteString(k.conn, "MAIL FROM:<>\r\n")
		answers[k.hears()[:3]]++
		_, _ = io.WriteString(k.conn, "RSET\r\n")
		k.hears()
	}
	if answers["250"] < 5 || answers["450"] < 20 {
		t.Error(answers)
	}
}

// Fuzzes the dialogue itself: whatever is said, the listener goes on.
func FuzzListener(f *testing.F) {
	f.Add([]byte("EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<ours@x>\r\nDATA\r\nHi\r\n.\r\nQUIT\r\n"))
	d := &desk{known: true}
	l, err := inbound.Listen(context.Background(), "127.0.0.1:0", false, inbound.Options{
		Name: "home.test", Take: d.take, Log: slog.New(slog.DiscardHandler), Metrics: inbound.NewMetrics(), Expects: func(string) bool { return true },
		Limits: inbound.Limits{Idle: 100 * time.Millisecond, PerNetwork: 200},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(l.Close)
	f.Fuzz(func(t *testing.T, said []byte) {
		conn, err := net.Dial("tcp", l.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = conn.Write(said)
		_ = conn.(*net.TCPConn).CloseWrite()
		text, _ := io.ReadAll(conn)
		if !strings.HasPrefix(string(text), "220") {
			t.Errorf("%q", text)
		}
		d.mu.Lock()
		d.mails = d.mails[:0]
		d.mu.Unlock()
	})
}
