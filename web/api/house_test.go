package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"facteur/access"
	"facteur/campaign"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/keyring"
	"facteur/sending"
	"facteur/subscribers"
	"facteur/throttle"
	"facteur/web/api"
	"facteur/worker"
)

const adminToken = "an-admin-token-for-tests"

// house is a whole API on a database, behind a real listener.
type house struct {
	t         testing.TB
	db        *database.DB
	url       string
	access    *access.Store
	people    *subscribers.Store
	sending   *sending.Store
	campaigns *campaign.Store
	importer  *subscribers.Importer
	scribe    *worker.Scribe
	examiner  *subscribers.Examiner
	keys      *keyring.Keyring
	log       *lockedBuffer
	nudged    atomic.Int64
	composed  atomic.Int64
	letters   atomic.Int64
}

func newHouse(t testing.TB, db *database.DB, change ...func(*api.Options)) *house {
	t.Helper()
	keys, err := keyring.Open(t.Context(), db, "0123456789abcdef0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, db: db, log: &lockedBuffer{}}
	log := slog.New(slog.NewTextHandler(h.log, nil))
	h.access = access.NewStore(db, keys, adminToken)
	h.people = subscribers.NewStore(db).Keyed(keys)
	h.importer = subscribers.NewImporter(db, h.people, t.TempDir(), log)
	h.sending = sending.NewStore(db, keys)
	pace := throttle.NewStore(db)
	h.campaigns = campaign.NewStore(db, h.people, h.sending, pace)
	h.scribe = worker.NewScribe(db, keys, h.sending, "https://mail.example.com")
	h.keys = keys
	limits, err := subscribers.ParseSignupLimits("address=3/24h,domain=1000/1h")
	if err != nil {
		t.Fatal(err)
	}
	composer := worker.NewComposer(h.campaigns, h.people, keys, h.sending, "https://mail.example.com")
	h.examiner = subscribers.NewExaminer(db, h.people, h.campaigns.SentTo, h.campaigns.Erase, nil, nil, log)
	opt := api.Options{
		Greeter: subscribers.NewGreeter(db, h.people, h.scribe, limits, nil, log), Examiner: h.examiner, Keys: keys, Preview: composer.Preview, LedgerDuty: "ledger", RetentionDuty: "retention",
		DB: db, Access: h.access, People: h.people, Importer: h.importer, Sending: h.sending, Pace: pace, Campaigns: h.campaigns,
		DNS: nowhere(t), Log: log, Version: "test", PublicURL: "https://mail.example.com",
		ComposeTest: func(ctx context.Context, c campaign.Campaign, to string, subscriberID, letterID int64) ([]byte, error) {
			h.composed.Add(1)
			if strings.Contains(c.Subject, "unmailable") {
				return nil, errors.New("the composer is broken")
			}
			return composer.Test(ctx, c, to, subscriberID, letterID)
		},
		Nudge:        func() { h.nudged.Add(1) },
		LettersNudge: func() { h.letters.Add(1) },
	}
	for _, f := range change {
		f(&opt)
	}
	server := httptest.NewServer(api.New(opt))
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

// nowhere is a DNS that does not answer.
func nowhere(t testing.TB) *address.Resolver {
	t.Helper()
	r, err := address.NewResolver(address.ResolverOptions{Server: "127.0.0.1:1", Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	fields map[string]any
}

func (a answer) get(path string) string {
	var at any = map[string]any(a.fields)
	for _, name := range strings.Split(path, ".") {
		switch v := at.(type) {
		case map[string]any:
			at = v[name]
		case []any:
			var i int
			_, _ = fmt.Sscan(name, &i)
			if i >= len(v) {
				return "<nothing>"
			}
			at = v[i]
		default:
			return "<nothing>"
		}
	}
	return fmt.Sprint(at)
}

// send makes a call below /api/v1 as the admin. Headers are given as "Name: value"; one that is empty is left out.
func (h *house) send(method, path, body string, headers ...string) answer {
	h.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
		if value == "" {
			req.Header.Del(name)
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Error(err)
		return answer{}
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Error(err)
	}
	a := answer{status: res.StatusCode, header: res.Header, body: string(text)}
	_ = json.Unmarshal(text, &a.fields)
	return a
}

// do is a call below /api/v1.
func (h *house) do(method, path, body string, headers ...string) answer {
	h.t.Helper()
	return h.send(method, api.Prefix+path, body, headers...)
}

// must is a call that has to succeed.
func (h *house) must(method, path, body string) answer {
	h.t.Helper()
	a := h.do(method, path, body)
	if a.status >= 300 {
		h.t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	return a
}

// scene is a house with one of each.
type scene struct {
	list, double, relay, domain, sender, campaign, subscriber string
}

func (h *house) furnish() scene {
	h.t.Helper()
	var s scene
	s.list = h.must("POST", "/lists", `{"name":"News","opt_in":"single"}`).get("id")
	s.double = h.must("POST", "/lists", `{"name":"Careful"}`).get("id")
	s.relay = h.must("POST", "/relays", `{"name":"out","host":"127.0.0.1","port":2525,"security":"none","egress_ips":["192.0.2.7"]}`).get("id")
	s.domain = h.must("POST", "/domains", `{"name":"example.com","warmup":"none"}`).get("id")
	s.sender = h.must("POST", "/senders", fmt.Sprintf(`{"from_email":"news@example.com","from_name":"News","postal_address":"1 Street","relay_ids":[%q]}`, s.relay)).get("id")
	s.campaign = h.must("POST", "/campaigns", s.draft("May")).get("id")
	s.subscriber = h.must("POST", "/lists/"+s.list+"/subscribers", `{"email":"ada@example.org","name":"Ada"}`).get("id")
	return s
}

func (s scene) draft(name string) string {
	return fmt.Sprintf(`{"name":%q,"subject":"Hello {{ name }}","text":"Hi {{ name }}","list_ids":[%q],"sender_id":%q}`, name, s.list, s.sender)
}

// path fills the scene's ids into a path such as /lists/LIST.
func (s scene) path(p string) string {
	return strings.NewReplacer("LIST", s.list, "DOUBLE", s.double, "RELAY", s.relay, "DOMAIN", s.domain, "SENDER", s.sender, "CAMPAIGN", s.campaign, "PERSON", s.subscriber).Replace(p)
}

// token makes a token with scopes and returns it as a header line.
func (h *house) token(scopes ...string) string {
	h.t.Helper()
	list, _ := json.Marshal(scopes)
	return "Authorization: Bearer " + h.must("POST", "/tokens", `{"name":"test","scopes":`+string(list)+`}`).get("token")
}

// dump is the content of every table that calls may change.
func dump(t testing.TB, db *database.DB) string {
	t.Helper()
	var b strings.Builder
	for _, table := range []string{
		"lists", "subscribers", "subscriptions", "suppressions", "consents", "noes", "imports", "relays", "domains", "senders",
		"letters", "evidences", "statements", "wordings", "invitations", "signups", "leavings", "refusals", "retention", "limits", "campaigns", "versions", "deliveries", "stops", "tokens", "replies", "journal",
	} {
		rows, err := db.Pool().QueryContext(t.Context(), `SELECT * FROM `+table)
		if err != nil {
			t.Fatal(err)
		}
		columns, _ := rows.Columns()
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(&b, table)
			for _, v := range values {
				fmt.Fprint(&b, "|", *v.(*any))
			}
			b.WriteString("\n")
		}
		_ = rows.Close()
	}
	return b.String()
}

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

func mustInt(id string) (n int64) {
	_, _ = fmt.Sscan(id, &n)
	return n
}

// leave lets the scene's person leave the scene's list.
func (h *house) leave(s scene) {
	h.t.Helper()
	err := h.db.Write(h.t.Context(), func(tx *database.Tx) error {
		_, err := h.people.Leave(h.t.Context(), tx, mustInt(s.subscriber), []int64{mustInt(s.list)}, "test")
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) suppress(email string) {
	h.t.Helper()
	a, err := address.Parse(email)
	if err == nil {
		err = h.db.Write(h.t.Context(), func(tx *database.Tx) error {
			return h.people.Suppress(h.t.Context(), tx, a, 0, "complaint", "test")
		})
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// plan launches the scene's campaign and writes a delivery for its person, as planning does.
func (h *house) plan(s scene) {
	h.t.Helper()
	h.must("POST", "/campaigns/"+s.campaign+"/launch", "")
	err := h.db.Write(h.t.Context(), func(tx *database.Tx) error {
		ctx := h.t.Context()
		lane, err := throttle.NewStore(h.db).LaneID(ctx, tx, throttle.Lane{Domain: "example.com", Provider: throttle.Other})
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO deliveries (campaign_id, subscriber_id, status, wait, lane, rank, not_before, batch_id, lists, run, attempts, doubts,
			relay_id, code, enhanced, answer, reason, first_at, begun_at, settled_at, deferred_at) VALUES (?, ?, 'queued', 1, ?, 0, 0, 0, 1, 0, 0, 0, 0, 0, '', '', '', 0, 0, 0, 0)`,
			mustInt(s.campaign), mustInt(s.subscriber), lane)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func newAccess(t testing.TB, db *database.DB, admin string) *access.Store {
	t.Helper()
	keys, err := keyring.Open(t.Context(), db, "0123456789abcdef0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	return access.NewStore(db, keys, admin)
}

func newImporter(t testing.TB, db *database.DB, people *subscribers.Store, dir string) *subscribers.Importer {
	t.Helper()
	return subscribers.NewImporter(db, people, dir, slog.New(slog.DiscardHandler))
}
