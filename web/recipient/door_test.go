package recipient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/keyring"
	"facteur/sending"
	"facteur/subscribers"
	"facteur/subscribers/consent"
	"facteur/throttle"
	"facteur/unsubscribe"
	"facteur/web/call"
	"facteur/web/recipient"
)

// door is the recipients' door with a campaign that has reached a person by
// the first of three lists that they are on.
type door struct {
	t      testing.TB
	db     *database.DB
	url    string
	keys   *keyring.Keyring
	people *subscribers.Store
	person int64
	lists  []int64
	token  string // of /u/
	view   string // of /w/
}

func newDoor(t testing.TB, db *database.DB, change ...func(*recipient.Options)) *door {
	t.Helper()
	keys, err := keyring.Open(t.Context(), db, "0123456789abcdef0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{t: t, db: db, keys: keys, people: subscribers.NewStore(db)}
	campaigns := campaign.NewStore(db, d.people, sending.NewStore(db, keys), throttle.NewStore(db))
	mailing := d.furnish(campaigns)
	ref := unsubscribe.Reference{CampaignID: mailing, SubscriberID: d.person}
	d.token, d.view = ref.LeaveToken(keys), ref.ViewToken(keys)
	opt := recipient.Options{
		DB: db, Keys: keys, People: d.people, Campaigns: campaigns,
		OptOut: unsubscribe.NewOptOut(db, d.people, subscribers.NewNoes(d.people)), Log: slog.New(slog.DiscardHandler),
		WebVersion: func(_ context.Context, ref unsubscribe.Reference) ([]byte, error) {
			if ref.CampaignID != mailing {
				return nil, fmt.Errorf("mail: %w", database.ErrNotFound)
			}
			return []byte("<p>the mail</p>"), nil
		},
	}
	for _, f := range change {
		f(&opt)
	}
	server := httptest.NewServer(recipient.New(opt))
	t.Cleanup(server.Close)
	d.url = server.URL
	return d
}

// furnish makes the lists, the person and the campaign.
func (d *door) furnish(campaigns *campaign.Store) (mailing int64) {
	d.t.Helper()
	ctx := d.t.Context()
	err := d.db.Write(ctx, func(tx *database.Tx) error {
		a, err := address.Parse("ada@example.org")
		if err != nil {
			return err
		}
		for _, name := range []string{"Seeds <of> the month", "Garden diary", "Shop"} {
			l, err := d.people.CreateList(ctx, tx, subscribers.List{Name: name, OptIn: subscribers.Single})
			if err != nil {
				return err
			}
			d.lists = append(d.lists, l.ID)
			yes := consent.Statement{Basis: consent.OptIn, Source: "test", At: d.db.Now().Add(-time.Hour)}
			done, err := d.people.Enroll(ctx, tx, l.ID, []subscribers.Person{{Address: a}}, yes, true)
			if err != nil {
				return err
			}
			d.person = done[0].ID
		}
		mailing, err = d.mail(ctx, tx, campaigns)
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return mailing
}

// mail launches a campaign to the first two lists, whose delivery came by the first.
func (d *door) mail(ctx context.Context, tx *database.Tx, campaigns *campaign.Store) (int64, error) {
	senders := sending.NewStore(d.db, d.keys)
	relay, err := senders.CreateRelay(ctx, tx, sending.Relay{Name: "out", Host: "127.0.0.1", Security: "none"}, nil)
	if err != nil {
		return 0, err
	}
	if _, err := senders.CreateDomain(ctx, tx, sending.Domain{Name: "example.com"}); err != nil {
		return 0, err
	}
	from, err := senders.CreateSender(ctx, tx, sending.Sender{FromEmail: "news@example.com", PostalAddress: "1 Street", RelayIDs: []int64{relay.ID}})
	if err != nil {
		return 0, err
	}
	c, err := campaigns.Create(ctx, tx, campaign.Campaign{Name: "May", Subject: "S", Text: "T", SenderID: from.ID, ListIDs: d.lists[:2]})
	if err != nil {
		return 0, err
	}
	if _, err := campaigns.Launch(ctx, tx, c.ID, time.Time{}, campaign.Canary{}, campaign.Clearance{}); err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO deliveries (campaign_id, subscriber_id, status, wait, lane, rank, not_before, batch_id, lists, run, attempts, doubts,
		relay_id, code, enhanced, answer, reason, first_at, begun_at, settled_at, deferred_at) VALUES (?, ?, 'sent', 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, '', '', '', 0, 0, 0, 0)`, c.ID, d.person)
	return c.ID, err
}

func (d *door) ask(method, path, body string, headers ...string) (*http.Response, string) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, d.url+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header["User-Agent"] = nil // none at all
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("redirected") }}
	res, err := client.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	for name, want := range map[string]string{"Set-Cookie": "", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "X-Robots-Tag": "noindex"} {
		if got := res.Header.Get(name); got != want {
			d.t.Errorf("%s %s: %s is %q", method, path, name, got)
		}
	}
	if !strings.HasPrefix(res.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		d.t.Errorf("%s %s: no policy", method, path)
	}
	return res, string(text)
}

// stands is the person's status with each of the three lists, as letters: c, u.
func (d *door) stands() string {
	d.t.Helper()
	subs, err := d.people.Subscriptions(d.t.Context(), d.person)
	if err != nil {
		d.t.Fatal(err)
	}
	out := ""
	for _, id := range d.lists {
		for _, s := range subs {
			if s.ListID == id {
				out += string(s.Status)[:1]
			}
		}
	}
	return out
}

// dump is everything a recipient's call might change.
func (d *door) dump() string {
	d.t.Helper()
	var b strings.Builder
	for _, table := range []string{"subscribers", "subscriptions", "suppressions", "consents", "noes", "deliveries", "campaigns", "journal", "letters", "keys"} {
		rows, err := d.db.Pool().QueryContext(d.t.Context(), `SELECT * FROM `+table)
		if err != nil {
			d.t.Fatal(err)
		}
		columns, _ := rows.Columns()
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				d.t.Fatal(err)
			}
			for _, v := range values {
				fmt.Fprint(&b, "|", *v.(*any))
			}
			b.WriteString("\n")
		}
		_ = rows.Close()
	}
	return b.String()
}

func TestOneClick_EndsTheListsTheMailCameByWhateverIsSent(t *testing.T) {
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	_ = parts.WriteField("List-Unsubscribe", "One-Click")
	_ = parts.Close()
	for name, w := range map[string]struct{ body, kind string }{
		"urlencoded":          {"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"},
		"multipart":           {form.String(), parts.FormDataContentType()},
		"nothing":             {"", ""},
		"something else":      {`{"a":1}`, "application/json"},
		"broken multipart":    {"--x", "multipart/form-data; boundary=x"},
		"a kind that is none": {"a", ";;;"},
		"100 KB":              {strings.Repeat("a", 100<<10), "application/x-www-form-urlencoded"},
	} {
		t.Run(name, func(t *testing.T) {
			databasetest.Each(t, func(t *testing.T, db *database.DB) {
				d := newDoor(t, db)
				for range 2 { // saying it again changes nothing
					res, body := d.ask("POST", "/u/"+d.token, w.body, "Content-Type: "+w.kind)
					if res.StatusCode != 200 || body != "unsubscribed\n" {
						t.Fatalf("%d %q", res.StatusCode, body)
					}
					if got := d.stands(); got != "ucc" {
						t.Errorf("stands %s, want ucc", got)
					}
				}
				var n int
				if err := db.Get(t.Context(), &n, `SELECT COUNT(*) FROM consents c JOIN statements s ON s.digest = c.statement WHERE c.act = 'withdrawn' AND s.text LIKE '%"one_click"%'`); err != nil || n != 1 {
					t.Errorf("%d lines in the ledger, %v", n, err)
				}
			})
		})
	}
}

func TestPage_LetsLeaveByItsButton(t *testing.T) {
	d := newDoor(t, databasetest.New(t))
	res, body := d.ask("GET", "/u/"+d.token, "", "Accept-Language: de, en;q=0.5")
	if res.StatusCode != 200 || !strings.Contains(body, `<html lang="en">`) || !strings.Contains(body, "Seeds &lt;of&gt; the month") || strings.Contains(body, "Garden") ||
		!strings.Contains(body, `<button type="submit" name="do" value="leave">Unsubscribe</button>`) || strings.Contains(body, "<script") {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	for _, secret := range []string{"ada", "example.org", d.token} {
		if strings.Contains(body, secret) {
			t.Errorf("the page shows %q", secret)
		}
	}
	res, body = d.ask("POST", "/u/"+d.token, "from=page&lang=fr", "Content-Type: application/x-www-form-urlencoded")
	if res.StatusCode != 200 || !strings.Contains(body, "Vous êtes désabonné.") || !strings.Contains(body, "Seeds &lt;of&gt; the month") || d.stands() != "ucc" {
		t.Errorf("%d %s %s", res.StatusCode, d.stands(), body)
	}
	if _, body = d.ask("GET", "/u/"+d.token, ""); strings.Contains(body, `value="leave"`) {
		t.Error("the button is still there")
	}
	var n int
	if err := d.db.Get(t.Context(), &n, `SELECT COUNT(*) FROM consents c JOIN statements s ON s.digest = c.statement WHERE c.act = 'withdrawn' AND s.text LIKE '%"page"%'`); err != nil || n != 1 {
		t.Errorf("%d lines in the ledger, %v", n, err)
	}
}

func TestPage_SpeaksTheReadersLanguage(t *testing.T) {
	d := newDoor(t, databasetest.New(t))
	for _, w := range []struct{ path, wish, lang string }{
		{"", "fr-CA,fr;q=0.9", "fr"}, {"", "en-GB", "en"}, {"", "ja", "en"}, {"", "", "en"}, {"", "nonsense;;;", "en"}, {"?lang=fr", "en", "fr"}, {"?lang=en", "fr", "en"}, {"?lang=xx", "fr", "fr"},
	} {
		res, body := d.ask("GET", "/u/"+d.token+w.path, "", "Accept-Language: "+w.wish)
		if !strings.Contains(body, `<html lang="`+w.lang+`">`) || res.Header.Get("Content-Language") != w.lang {
			t.Errorf("%+v: %s", w, res.Header.Get("Content-Language"))
		}
	}
}

func TestGETAndHEAD_ChangeNothing(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		d := newDoor(t, db)
		before := d.dump()
		for _, path := range []string{"/u/" + d.token, "/u/" + d.token + "?lang=fr", "/u/" + d.token + "?List-Unsubscribe=One-Click", "/w/" + d.view, "/u/forged", "/w/forged", "/"} {
			for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE"} {
				res, body := d.ask(method, path, "")
				if method == "HEAD" && body != "" {
					t.Errorf("HEAD %s has a body", path)
				}
				if want := 200; (method == "GET" || method == "HEAD") && (strings.Contains(path, d.token) || strings.Contains(path, d.view)) && res.StatusCode != want {
					t.Errorf("%s %s: %d", method, path, res.StatusCode)
				}
			}
		}
		if d.dump() != before {
			t.Error("something has changed")
		}
	})
}

func TestForgedTokens_AreAllAlikeAndDoNothing(t *testing.T) {
	d := newDoor(t, databasetest.New(t))
	other := databasetest.New(t)
	foreign, err := keyring.Open(t.Context(), other, "another secret of another house")
	if err != nil {
		t.Fatal(err)
	}
	_, missing := d.ask("GET", "/no/such/page", "")
	before := d.dump()
	for name, token := range map[string]string{
		"cut":             d.token[:len(d.token)-1],
		"longer":          d.token + "A",
		"changed":         "B" + d.token[1:],
		"changed tag":     d.token[:len(d.token)-2] + "00",
		"foreign":         unsubscribe.Reference{CampaignID: 1, SubscriberID: d.person}.LeaveToken(foreign),
		"another purpose": d.keys.Token(keyring.Message, make([]byte, 16)),
		"too short":       d.keys.Token(keyring.Leave, []byte("short")),
		"nothing like it": "x",
		"very long":       strings.Repeat("A", 5000),
		"with a slash":    d.token + "/",
	} {
		for _, method := range []string{"GET", "POST"} {
			for _, at := range []string{"/u/", "/w/"} {
				res, body := d.ask(method, at+token, "")
				if res.StatusCode != 404 || body != missing {
					t.Errorf("%s %s%s: %d", method, at, name, res.StatusCode)
				}
			}
		}
	}
	if d.dump() != before || d.stands() != "ccc" {
		t.Error("something has changed")
	}
}

func TestLeave_WithoutItsCampaignEndsAllLists(t *testing.T) {
	d := newDoor(t, databasetest.New(t))
	token := unsubscribe.Reference{CampaignID: 1, SubscriberID: d.person}.LeaveToken(d.keys)
	if res, _ := d.ask("POST", "/u/"+token, "List-Unsubscribe=One-Click"); res.StatusCode != 200 || d.stands() != "uuu" {
		t.Errorf("%d %s", res.StatusCode, d.stands())
	}
	gone := unsubscribe.Reference{CampaignID: 1, SubscriberID: 1}.LeaveToken(d.keys)
	if res, _ := d.ask("POST", "/u/"+gone, ""); res.StatusCode != 200 {
		t.Errorf("a person we do not have any more: %d", res.StatusCode)
	}
}

func TestLeave_HoldsWhenTheSenderHangsUp(t *testing.T) {
	d := newDoor(t, databasetest.New(t))
	conn, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(conn, "POST /u/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 26\r\n\r\nList-Unsub", d.token)
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); d.stands() != "ucc"; time.Sleep(time.Millisecond) { // the server is at it
		if time.Now().After(end) {
			t.Fatal("still on the list")
		}
	}
}

func TestLeave_SaysSoWhenItCouldNotBeWritten(t *testing.T) {
	db := databasetest.New(t)
	d := newDoor(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if res, body := d.ask("POST", "/u/"+d.token, ""); res.StatusCode < 500 || !strings.Contains(body, "try again") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func TestWebVersion_ShowsTheMailInASandbox(t *testing.T) {
	d := newDoor(t, databasetest.New(t))
	res, body := d.ask("GET", "/w/"+d.view, "")
	policy := res.Header.Get("Content-Security-Policy")
	if res.StatusCode != 200 || body != "<p>the mail</p>" || !strings.Contains(policy, "sandbox") || strings.Contains(policy, "script") {
		t.Errorf("%d %s %s", res.StatusCode, body, policy)
	}
	other := unsubscribe.Reference{CampaignID: 1, SubscriberID: d.person}.ViewToken(d.keys)
	for name, path := range map[string]string{"a mail that is not there": "/w/" + other, "a leaving token": "/w/" + d.token, "a viewing token": "/u/" + d.view} {
		if res, _ := d.ask("GET", path, ""); res.StatusCode != 404 {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
}

func TestDoor_HoldsEachAddressToItsRate(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	d := newDoor(t, databasetest.At(t, func() time.Time { return now }), func(o *recipient.Options) { o.Rate = call.Rate{PerSecond: 0.5, Burst: 3} })
	for range 3 {
		if res, _ := d.ask("GET", "/u/"+d.token, ""); res.StatusCode != 200 {
			t.Fatal(res.StatusCode)
		}
	}
	if res, _ := d.ask("GET", "/u/"+d.token, ""); res.StatusCode != 429 || res.Header.Get("Retry-After") != "2" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}
