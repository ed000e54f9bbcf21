package journal_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/journal"
	"facteur/internal/keyring"
)

// listener is somebody's program that is told things.
type listener struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	heard  []journal.Told
	signed []string // what stood in the headers: id, time, signature
	bodies [][]byte
}

func listen(t *testing.T) *listener {
	l := &listener{status: http.StatusNoContent}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var told journal.Told
		if err := json.Unmarshal(body, &told); err != nil {
			t.Error(err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.heard, l.bodies = append(l.heard, told), append(l.bodies, body)
		l.signed = append(l.signed, r.Header.Get("webhook-id")+" "+r.Header.Get("webhook-timestamp")+" "+r.Header.Get("webhook-signature"))
		if l.status == http.StatusFound {
			w.Header().Set("Location", "http://127.0.0.1:1/")
		}
		w.WriteHeader(l.status)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *listener) answers(status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status = status
}

func (l *listener) types() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for _, h := range l.heard {
		all = append(all, h.Type)
	}
	return strings.Join(all, " ")
}

func TestWebhooks_AreToldSignedRetriedAndNeverReachPrivateNetworks(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ctx := t.Context()
		keys, err := keyring.Open(ctx, db, "a secret of the tests")
		if err != nil {
			t.Fatal(err)
		}
		hooks := journal.NewWebhooks(db, keys)
		var invalid *journal.Invalid
		write := func(change func(context.Context, *database.Tx) error) error {
			return db.Write(ctx, func(tx *database.Tx) error { return change(ctx, tx) })
		}
		for _, bad := range []string{"http://plain.example/", "ftp://x/", "https://user@x/", "nonsense", ""} {
			if err := write(func(ctx context.Context, tx *database.Tx) error {
				_, _, err := hooks.Add(ctx, tx, bad, nil)
				return err
			}); !errors.As(err, &invalid) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		hooks.Plain = true
		l := listen(t)
		var hook journal.Webhook
		var secret string
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(write(func(ctx context.Context, tx *database.Tx) (err error) {
			hook, secret, err = hooks.Add(ctx, tx, l.URL+"/in", []string{"subscriber.bounce", "campaign.launch"})
			return err
		}))
		happen := func(verb, object string) {
			t.Helper()
			must(write(func(ctx context.Context, tx *database.Tx) error {
				return journal.Write(ctx, tx, verb, object, 7, map[string]any{"class": "dead_address"})
			}))
		}
		open := journal.NewTeller(hooks, journal.TellerOptions{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Log: slog.New(slog.DiscardHandler)})
		closed := journal.NewTeller(hooks, journal.TellerOptions{Log: slog.New(slog.DiscardHandler)})
		tell := func(teller *journal.Teller) {
			t.Helper()
			_, err := db.Exec(ctx, `UPDATE webhook_calls SET next_at = 0`) // the waits are over
			must(err)
			must(teller.Tell(ctx, func(ctx context.Context, change func(*database.Tx) error) error { return db.Write(ctx, change) }))
		}
		failure := func() string {
			t.Helper()
			w, err := hooks.Get(ctx, db, hook.ID)
			must(err)
			return w.Failure
		}

		// What it wants it hears, once, with a signature; the rest it does not.
		happen("bounce", "subscriber")
		happen("create", "list")
		happen("launch", "campaign")
		tell(open)
		tell(open)
		if got := l.types(); got != "subscriber.bounce campaign.launch" && got != "campaign.launch subscriber.bounce" {
			t.Fatal(got)
		}
		id, rest, _ := strings.Cut(l.signed[0], " ")
		stamp, signature, _ := strings.Cut(rest, " ")
		if want := journal.Signature(secret, id, stamp, l.bodies[0]); signature != want || id != l.heard[0].ID {
			t.Errorf("signed %q, want %q", signature, want)
		}

		// What fails is tried again, and given up in the end; a person may ask again.
		l.answers(http.StatusInternalServerError)
		happen("bounce", "subscriber")
		for range 12 {
			tell(open)
		}
		dead, err := hooks.Dead(ctx, hook.ID, 0, 10)
		must(err)
		if len(dead) != 1 || dead[0].Attempts != 9 || !strings.HasPrefix(dead[0].Failure, "500") || dead[0].Verb != "bounce" {
			t.Errorf("%+v", dead)
		}
		l.answers(http.StatusOK)
		must(write(func(ctx context.Context, tx *database.Tx) error {
			n, err := hooks.Retry(ctx, tx, hook.ID)
			if n != 1 {
				t.Errorf("%d retried", n)
			}
			return err
		}))
		tell(open)
		if dead, err := hooks.Dead(ctx, hook.ID, 0, 10); err != nil || len(dead) != 0 {
			t.Error(dead, err)
		}

		// A redirect is no answer, and 410 ends it at once.
		l.answers(http.StatusFound)
		happen("bounce", "subscriber")
		tell(open)
		if got := failure(); !strings.HasPrefix(got, "302") {
			t.Error(got)
		}
		l.answers(http.StatusGone)
		tell(open)
		if dead, err := hooks.Dead(ctx, hook.ID, 0, 10); err != nil || len(dead) != 1 {
			t.Error(dead, err)
		}

		// Private networks are out of reach, by number and by whatever a name resolves to.
		l.answers(http.StatusOK)
		heard := len(l.heard)
		happen("bounce", "subscriber")
		tell(closed)
		if got := failure(); !strings.Contains(got, "private network") || len(l.heard) != heard {
			t.Error(got)
		}
		for _, ip := range []string{"10.0.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1", "::ffff:127.0.0.1", "fd00::1", "fe80::1", "64:ff9b::7f00:1", "224.0.0.1", "255.255.255.255"} {
			lookup := func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr(ip)}, nil }
			must(func() error {
				_, err := db.Exec(ctx, `UPDATE webhooks SET url = 'http://rebinding.example/', failure = '' WHERE id = ?`, hook.ID)
				return err
			}())
			tell(journal.NewTeller(hooks, journal.TellerOptions{Lookup: lookup, Log: slog.New(slog.DiscardHandler)}))
			if got := failure(); !strings.Contains(got, "private network") {
				t.Errorf("%s: %q", ip, got)
			}
			if _, err := db.Exec(ctx, `UPDATE webhook_calls SET dead = false, attempts = 0`); err != nil {
				t.Fatal(err)
			}
		}

		// Removed, it is told nothing more.
		must(write(func(ctx context.Context, tx *database.Tx) error { _, err := hooks.Remove(ctx, tx, hook.ID); return err }))
		happen("bounce", "subscriber")
		tell(open)
		if len(l.heard) != heard {
			t.Error(l.types())
		}
	})
}
