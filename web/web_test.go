package web_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"facteur/access"
	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/keyring"
	"facteur/sending"
	"facteur/subscribers"
	"facteur/throttle"
	"facteur/unsubscribe"
	"facteur/web"
	"facteur/web/api"
	"facteur/web/call"
	"facteur/web/recipient"
)

const adminToken = "an-admin-token-for-tests"

type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// site is the whole of it behind a listener, until the test or stop ends it.
type site struct {
	url  string
	log  *log
	keys *keyring.Keyring
	db   *database.DB
	stop func() error
}

func newSite(t *testing.T, change ...func(*web.Options)) *site {
	t.Helper()
	db := databasetest.New(t)
	keys, err := keyring.Open(t.Context(), db, "0123456789abcdef0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{log: &log{}, keys: keys, db: db}
	logger := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	people, senders, pace := subscribers.NewStore(db), sending.NewStore(db, keys), throttle.NewStore(db)
	campaigns := campaign.NewStore(db, people, senders, pace)
	opt := web.Options{
		API: api.Options{DB: db, Keys: keys, Access: access.NewStore(db, keys, adminToken), People: people, Sending: senders, Pace: pace, Campaigns: campaigns, Log: logger},
		Recipient: recipient.Options{
			DB: db, Keys: keys, People: people, Campaigns: campaigns, Log: logger,
			OptOut: unsubscribe.NewOptOut(db, people, subscribers.NewNoes(people)),
		},
		Log: logger,
	}
	for _, f := range change {
		f(&opt)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(ctx, listener, web.Handler(opt), 5*time.Second, logger) }()
	s.url = "http://" + listener.Addr().String()
	s.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = s.stop() })
	return s
}

func (s *site) ask(t *testing.T, method, path, body string) (*http.Response, string) {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+adminToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, _ := io.ReadAll(res.Body)
	return res, string(text)
}

func TestHandler_SendsEachToTheRightDoor(t *testing.T) {
	s := newSite(t)
	for path, want := range map[string]struct {
		status int
		kind   string
	}{
		"/healthz": {200, "text/plain"}, "/readyz": {200, "text/plain"}, "/openapi.json": {200, "application/json"}, "/docs": {200, "text/html"},
		"/api/v1/lists": {200, "application/json"}, "/api/v1/nothing": {404, "application/problem+json"}, "/api": {404, "application/problem+json"},
		"/u/forged": {404, "text/html"}, "/": {404, "text/html"}, "/w/forged": {404, "text/html"},
	} {
		res, body := s.ask(t, "GET", path, "")
		if res.StatusCode != want.status || !strings.HasPrefix(res.Header.Get("Content-Type"), want.kind) {
			t.Errorf("%s: %d %s %.80s", path, res.StatusCode, res.Header.Get("Content-Type"), body)
		}
		if res.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: no X-Request-Id", path)
		}
	}
}

func TestReady_SaysWhyNot(t *testing.T) {
	s := newSite(t, func(o *web.Options) {
		o.Ready = func(context.Context) error { return errors.New("the database is full") }
	})
	if res, body := s.ask(t, "GET", "/readyz", ""); res.StatusCode != 503 || body != "the database is full\n" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	if res, _ := s.ask(t, "GET", "/healthz", ""); res.StatusCode != 200 {
		t.Error(res.StatusCode)
	}
}

func TestLog_HasALineForEachCallWithoutTokensAndAddresses(t *testing.T) {
	s := newSite(t)
	token := unsubscribe.Reference{CampaignID: 1, SubscriberID: 2}.LeaveToken(s.keys)
	res, _ := s.ask(t, "GET", "/u/"+token, "")
	s.ask(t, "POST", "/u/"+token+"?List-Unsubscribe=One-Click", "")
	s.ask(t, "GET", "/api/v1/subscribers?email=ada@example.org", "")
	s.ask(t, "GET", "/api/v1/subscribers/ada@example.org", "")
	s.ask(t, "GET", "/api/v1/ada@example.org", "")
	s.ask(t, "POST", "/api/v1/lists/1/subscribers", `{"email":"ada@example.org","nonsense":1}`)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	text := s.log.String()
	for _, secret := range []string{token, "ada", adminToken} {
		if strings.Contains(text, secret) {
			t.Errorf("the log holds %q:\n%s", secret, text)
		}
	}
	for _, part := range []string{`route="GET /u/{token}"`, `route="POST /u/{token}"`, `route="GET /api/v1/subscribers/{id}"`, "actor=admin", "status=404", "request=" + res.Header.Get("X-Request-Id")} {
		if !strings.Contains(text, part) {
			t.Errorf("the log lacks %q:\n%s", part, text)
		}
	}
}

func TestPanic_IsAnAnswerAndNotTheEnd(t *testing.T) {
	s := newSite(t, func(o *web.Options) {
		o.Ready = func(context.Context) error { panic("boom") }
		o.API.Campaigns = nil
	})
	if res, body := s.ask(t, "GET", "/readyz", ""); res.StatusCode != 500 || body != "internal error\n" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	if res, body := s.ask(t, "GET", "/api/v1/stop", ""); res.StatusCode != 500 || !strings.Contains(body, `"code":"internal"`) || res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	if res, _ := s.ask(t, "GET", "/healthz", ""); res.StatusCode != 200 {
		t.Error(res.StatusCode)
	}
	if !strings.Contains(s.log.String(), "boom") {
		t.Error("the log does not say why")
	}
}

// draft makes a campaign and all it needs, and returns its id.
func (s *site) draft(t *testing.T) string {
	t.Helper()
	var ids []string
	for _, w := range []struct{ path, body string }{
		{"/lists", `{"name":"News"}`},
		{"/relays", `{"host":"127.0.0.1","security":"none"}`},
		{"/domains", `{"name":"example.com"}`},
		{"/senders", `{"from_email":"a@example.com","postal_address":"x","relay_ids":["ID1"]}`},
		{"/campaigns", `{"name":"May","subject":"s","text":"t","list_ids":["ID0"],"sender_id":"ID3"}`},
	} {
		body := w.body
		for i, id := range ids {
			body = strings.ReplaceAll(body, fmt.Sprintf("ID%d", i), id)
		}
		res, text := s.ask(t, "POST", "/api/v1"+w.path, body)
		var made struct{ ID string }
		if err := json.Unmarshal([]byte(text), &made); err != nil || res.StatusCode != 201 {
			t.Fatal(res.StatusCode, text)
		}
		ids = append(ids, made.ID)
	}
	return ids[4]
}

func TestServe_EndsStreams(t *testing.T) {
	s := newSite(t)
	req, _ := http.NewRequestWithContext(t.Context(), "GET", s.url+"/api/v1/campaigns/"+s.draft(t)+"/events", nil)
	req.Header.Set("Authorization", "Bearer "+adminToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	if !lines.Scan() || lines.Text() != "event: counts" {
		t.Fatal(lines.Text(), lines.Err())
	}
	ended := make(chan error, 1)
	go func() { ended <- s.stop() }()
	for lines.Scan() {
		continue
	}
	if lines.Err() != nil {
		t.Error(lines.Err())
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestServe_LetsCallsFinish(t *testing.T) {
	waiting, release := make(chan struct{}), make(chan struct{})
	s := newSite(t, func(o *web.Options) {
		o.Ready = func(ctx context.Context) error {
			close(waiting)
			<-call.Ending(ctx)
			<-release
			return ctx.Err()
		}
	})
	type result struct {
		status int
		body   string
	}
	answered := make(chan result, 1)
	go func() {
		res, body := s.ask(t, "GET", "/readyz", "")
		answered <- result{res.StatusCode, body}
	}()
	<-waiting
	ended := make(chan error, 1)
	go func() { ended <- s.stop() }()
	close(release)
	if r := <-answered; r.status != 200 {
		t.Errorf("the call under way got %+v", r)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := http.Get(s.url + "/healthz"); err == nil {
		t.Error("still answering")
	}
}
