package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// lockedBuffer collects what several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// talkative is a relay that names the recipient in all that it says. It
// refuses whoever is called unknown at RCPT, and blocked after the body.
func talkative(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go talk(conn)
		}
	}()
	return listener.Addr().String()
}

func talk(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewScanner(conn)
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(conn, format+"\r\n", args...) }
	say("220 talkative")
	to, body := "", false
	for in.Scan() {
		line := in.Text()
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch {
		case body && line != ".":
		case body && strings.HasPrefix(to, "blocked"):
			body = false
			say("550 5.7.1 mail to %s is blocked, your reputation is bad", to)
		case body:
			body = false
			say("250 2.0.0 ok for %s", to)
		case verb == "RCPT":
			if to = line[strings.Index(line, "<")+1 : strings.Index(line, ">")]; strings.HasPrefix(to, "unknown") {
				say("550 5.1.1 <%s>: no such user", to)
			} else {
				say("250 2.1.5 <%s>", to)
			}
		case verb == "DATA":
			body = true
			say("354 go on")
		default:
			say("250 ok")
		}
	}
}

func TestLog_NamesNobody(t *testing.T) {
	out := &lockedBuffer{}
	a := serveAs(t, Config{DataDir: t.TempDir()}, allRoles, NewLog(Config{LogFormat: "json", LogLevel: "debug"}, out))
	campaign := launched(t, a, talkative(t), "anne@example.org", "unknown@example.org", "blocked1@example.org", "blocked2@example.org", "blocked3@example.org")
	var lane map[string]any
	eventually(t, "the lane is suspended", func() bool {
		_, answer := ask(t, a, http.MethodGet, "/lanes", "")
		if lanes, _ := answer["lanes"].([]any); len(lanes) > 0 {
			lane, _ = lanes[0].(map[string]any)
		}
		return lane["state"] == "suspended"
	})
	if because, _ := lane["because"].(string); strings.Contains(because, "@") || !strings.Contains(because, "mail to (recipient) is blocked") {
		t.Errorf("the lane's reason is %q", because)
	}
	ask(t, a, http.MethodGet, "/subscribers?email=anne@example.org", "")
	ask(t, a, http.MethodPost, "/campaigns/"+campaign+"/cancel", `{}`)
	a.Stop()
	text := out.String()
	if strings.Contains(text, "@") || strings.Contains(text, testToken) {
		t.Errorf("the log names somebody, or holds a token:\n%s", text)
	}
	slowed := false
	for line := range strings.Lines(text) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("not JSON: %s", line)
		}
		for _, name := range idFields {
			if _, number := fields[name].(float64); number {
				t.Errorf("an id is a number: %s", line)
			}
		}
		slowed = slowed || fields["msg"] == "a lane is slowed down"
	}
	if !slowed {
		t.Errorf("no line says that the lane is slowed down:\n%s", text)
	}
}

func TestLog_WritesIdsAsTextAndLeavesAddressesOut(t *testing.T) {
	for format, want := range map[string]string{
		"text": `level=INFO msg=m campaign=412345678901234567 n=3 error="invalid address (address): no" reason="refused <(address)>" database=postgres://me@host/db`,
		"json": `"level":"INFO","msg":"m","campaign":"412345678901234567","n":3,"error":"invalid address (address): no","reason":"refused <(address)>","database":"postgres://me@host/db"}`,
	} {
		out := &lockedBuffer{}
		NewLog(Config{LogFormat: format, LogLevel: "info"}, out).Info("m", "campaign", int64(412345678901234567), "n", 3,
			"error", errors.New("invalid address ada@example.org: no"), "reason", "refused <ada@example.org>", "database", "postgres://me@host/db")
		if got := regexp.MustCompile(`.*?"?level`).ReplaceAllString(strings.TrimSpace(out.String()), "level"); got != strings.TrimPrefix(want, `"`) {
			t.Errorf("%s: %s", format, got)
		}
	}
}
