package sandbox_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"facteur/sending/sandbox"
)

// asks makes one request of the control door and returns status and body.
func asks(t *testing.T, door *httptest.Server, method, path, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(method, door.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := door.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, strings.TrimSpace(string(text))
}

func TestControl_ShowsWhatCame(t *testing.T) {
	s := started(t, sandbox.Options{Keep: 10})
	door := httptest.NewServer(s.Handle())
	defer door.Close()
	c := greeted(t, s)
	c.sends("anna@example.com", "1@x")
	c.sends("blocked@example.com", "2@x")
	c.sends("bert@example.com", "3@x")

	var counts sandbox.Counts
	_, text := asks(t, door, "GET", "/counts", "")
	if err := json.Unmarshal([]byte(text), &counts); err != nil || counts.Accepted != 2 || counts.Refused["550 5.7.1"] != 1 {
		t.Fatalf("counts %s %v", text, err)
	}
	for path, want := range map[string]string{
		"/deliveries":                             `"anna@example.com","message_id":"1@x","count":1`,
		"/deliveries?recipient=bert@example.com":  `{"recipient":"bert@example.com"`,
		"/refusals":                               `"code":"550 5.7.1"`,
		"/refusals?recipient=blocked@example.com": `{"recipient":"blocked@example.com"`,
		"/messages":                               `"to":["anna@example.com"]`,
		"/messages/1":                             "Message-ID: <1@x>\r\n\r\nHello",
		"/words":                                  `"name":"drop-before-answer"`,
		"/rules":                                  `[]`,
	} {
		if status, text := asks(t, door, "GET", path, ""); status != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if _, text := asks(t, door, "GET", "/deliveries", ""); strings.Count(text, "\n") != 1 {
		t.Errorf("want two lines: %s", text)
	}
	for path, want := range map[string]int{"/messages/7": 404, "/messages/x": 400, "/nothing": 404} {
		if status, _ := asks(t, door, "GET", path, ""); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
}

func TestControl_Steers(t *testing.T) {
	s := started(t, sandbox.Options{})
	door := httptest.NewServer(s.Handle())
	defer door.Close()
	status, text := asks(t, door, "POST", "/rules", `[{"fraction": 1, "action": "full", "match": "example.com"}]`)
	if status != 200 || len(refused(t, s, "example.com", 1)) != 1 {
		t.Fatalf("rules: %d %s", status, text)
	}
	for _, bad := range []string{`[{"fraction": 1, "action": "no"}]`, `[{"share": 1}]`, `nonsense`} {
		if status, text := asks(t, door, "POST", "/rules", bad); status != 400 || !strings.HasPrefix(text, "rules: ") {
			t.Errorf("%s: %d %s", bad, status, text)
		}
	}
	c := greeted(t, s)
	if status, _ := asks(t, door, "POST", "/suspend", ""); status != 204 {
		t.Fatalf("suspend: %d", status)
	}
	c.ended()
	if status, _ := asks(t, door, "POST", "/resume", ""); status != 204 {
		t.Fatalf("resume: %d", status)
	}
	greeted(t, s)
	if status, _ := asks(t, door, "POST", "/reset", ""); status != 204 || s.Count().Connections != 0 {
		t.Fatalf("reset: %d %+v", status, s.Count())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if status, _ := asks(t, door, "POST", "/resume", ""); status != 409 {
		t.Fatalf("resume after close: %d", status)
	}
}
