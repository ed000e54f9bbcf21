package journal

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"facteur/internal/database"
	"facteur/internal/panics"

	"github.com/prometheus/client_golang/prometheus"
)

// secretPrefix is that of the Standard Webhooks specification
// (https://www.standardwebhooks.com), which the signatures follow.
const secretPrefix = "whsec_"

// waits are those between the attempts; after the last a call is dead.
var waits = [...]time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour}

const (
	callsAtOnce = 8
	callsAPass  = 200
	callTime    = 10 * time.Second
	mostAnswer  = 64 << 10
)

// Teller tells the webhooks. Calls may come more than once, and not in order:
// webhook-id tells them apart.
type Teller struct {
	hooks  *Webhooks
	client *http.Client
	log    *slog.Logger
	told   *prometheus.CounterVec
}

// TellerOptions of [NewTeller].
type TellerOptions struct {
	// Networks are the private ones that may be reached; no others are.
	Networks []netip.Prefix
	// Lookup finds a host's addresses; nil: the system's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	Log    *slog.Logger
}

// NewTeller tells those of hooks. It follows no redirects, uses no proxy, and
// reaches no private network that is not allowed, whatever a name resolves to.
func NewTeller(hooks *Webhooks, o TellerOptions) *Teller {
	if o.Lookup == nil {
		o.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	t := &Teller{hooks: hooks, log: o.Log, told: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "facteur_webhook_calls_total", Help: "Calls to webhooks, by how they ended."}, []string{"outcome"})}
	for _, outcome := range []string{"told", "failed", "dead"} {
		t.told.WithLabelValues(outcome) // shown from the start
	}
	t.client = &http.Client{
		Timeout:       callTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: (&guardedDialer{o.Networks, o.Lookup}).dial, TLSHandshakeTimeout: callTime, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		},
	}
	return t
}

// Metrics are what the teller counts.
func (t *Teller) Metrics() []prometheus.Collector { return []prometheus.Collector{t.told} }

// Tell makes the calls that are due, at most some of them, and returns when
// their outcomes are durable. write is a transaction of whoever may tell.
func (t *Teller) Tell(ctx context.Context, write func(context.Context, func(*database.Tx) error) error) error {
	var due []Call
	err := t.hooks.db.Select(ctx, &due, `SELECT `+callColumns+` FROM webhook_calls c JOIN journal j ON j.id = c.entry_id WHERE NOT c.dead AND c.next_at <= ? ORDER BY c.next_at LIMIT ?`,
		t.hooks.db.Now().UnixMilli(), callsAPass)
	if err != nil || len(due) == 0 {
		return err
	}
	hooks := map[int64]Webhook{}
	for _, c := range due {
		if _, ok := hooks[c.WebhookID]; ok {
			continue
		}
		if hooks[c.WebhookID], err = t.hooks.Get(ctx, t.hooks.db, c.WebhookID); err != nil && !errors.Is(err, database.ErrNotFound) {
			return err
		}
	}
	failures := make([]error, len(due))
	var away sync.Map // webhooks that failed in this pass: a slow one does not hold up the others
	slots := make(chan struct{}, callsAtOnce)
	var wg sync.WaitGroup
	for i, c := range due {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if _, failed := away.Load(c.WebhookID); failed {
				failures[i] = errAway
			} else if failures[i] = panics.Do(func() error { return t.call(ctx, hooks[c.WebhookID], c) }); failures[i] != nil {
				away.Store(c.WebhookID, true)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return ctx.Err() // they are told again
	}
	return write(ctx, func(tx *database.Tx) error {
		for i, c := range due {
			if err := t.settle(ctx, tx, c, failures[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// settle writes how a call ended.
func (t *Teller) settle(ctx context.Context, tx *database.Tx, c Call, failure error) error {
	now := t.hooks.db.Now()
	if failure == nil {
		t.told.WithLabelValues("told").Inc()
		if _, err := tx.Exec(ctx, `DELETE FROM webhook_calls WHERE webhook_id = ? AND entry_id = ?`, c.WebhookID, c.ID); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE webhooks SET told_at = ? WHERE id = ?`, now.UnixMilli(), c.WebhookID)
		return err
	}
	if errors.Is(failure, errAway) {
		_, err := tx.Exec(ctx, `UPDATE webhook_calls SET next_at = ? WHERE webhook_id = ? AND entry_id = ?`, now.Add(waits[0]).UnixMilli(), c.WebhookID, c.ID)
		return err
	}
	text := clip(failure.Error(), 300)
	dead := c.Attempts >= int64(len(waits)) || errors.Is(failure, errGone)
	next := now
	if !dead {
		next = now.Add(waits[c.Attempts])
		t.told.WithLabelValues("failed").Inc()
	} else {
		t.told.WithLabelValues("dead").Inc()
		t.log.Error("a webhook was not told, and is not tried again by itself", "webhook", c.WebhookID, "entry", c.ID, "error", text)
	}
	if _, err := tx.Exec(ctx, `UPDATE webhook_calls SET attempts = attempts + 1, next_at = ?, dead = ?, failure = ? WHERE webhook_id = ? AND entry_id = ?`, next.UnixMilli(), dead, text, c.WebhookID, c.ID); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE webhooks SET failed_at = ?, failure = ? WHERE id = ?`, now.UnixMilli(), text, c.WebhookID)
	return err
}

func clip(text string, most int) string {
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	return text
}

// Told is the body of a call.
type Told struct {
	ID       string          `json:"id"`
	Type     string          `json:"type"`
	At       time.Time       `json:"at"`
	Actor    string          `json:"actor"`
	Object   string          `json:"object"`
	ObjectID string          `json:"object_id"`
	Details  json.RawMessage `json:"details"`
}

// errAway is a call that was not made, since another to the same webhook had just failed.
var errAway = errors.New("not called")

// errGone is a webhook that wants no more calls (410).
var errGone = errors.New("410 Gone")

// call makes one call.
func (t *Teller) call(ctx context.Context, w Webhook, c Call) error {
	if w.ID == 0 {
		return errGone // removed meanwhile, with its calls
	}
	secret, err := t.hooks.keys.Unseal(w.Secret)
	if err != nil {
		return err
	}
	body, err := json.Marshal(Told{
		ID: strconv.FormatInt(c.ID, 10), Type: c.Object + "." + c.Verb, At: database.Time(c.At).UTC(), Actor: c.Actor, Object: c.Object, ObjectID: strconv.FormatInt(c.ObjectID, 10), Details: json.RawMessage(c.Details),
	})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	id, stamp := strconv.FormatInt(c.ID, 10), strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "facteur")
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", stamp)
	req.Header.Set("webhook-signature", Signature(secret, id, stamp, body))
	res, err := t.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, mostAnswer)) // so that the connection is used again
	switch {
	case res.StatusCode/100 == 2:
		return nil
	case res.StatusCode == http.StatusGone:
		return errGone
	}
	return errors.New(res.Status)
}

// Signature signs a call as Standard Webhooks does: v1, and HMAC-SHA256 over id,
// time and body.
func Signature(secret, id, stamp string, body []byte) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
	if err != nil {
		key = []byte(secret)
	}
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "%s.%s.", id, stamp)
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// guardedDialer reaches public addresses, and private ones that are allowed.
type guardedDialer struct {
	networks []netip.Prefix
	lookup   func(ctx context.Context, host string) ([]netip.Addr, error)
}

func (g *guardedDialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	var ips []netip.Addr
	if ip, err := netip.ParseAddr(host); err == nil {
		ips = []netip.Addr{ip}
	} else if ips, err = g.lookup(ctx, host); err != nil {
		return nil, err
	}
	failed := fmt.Errorf("%s has no address", host)
	for _, ip := range ips {
		if !g.may(ip) {
			failed = fmt.Errorf("%s is at %s, a private network that webhooks may not reach: see FACTEUR_WEBHOOK_NETWORKS", host, ip)
			continue
		}
		conn, err := (&net.Dialer{Timeout: callTime}).DialContext(ctx, network, net.JoinHostPort(ip.String(), port))
		if err == nil {
			return conn, nil
		}
		failed = err
	}
	return nil, failed
}

// special are networks that are not the public Internet, besides those that
// [netip.Addr] knows (RFC 6890).
var special = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"), netip.MustParsePrefix("100::/64"),
}

func (g *guardedDialer) may(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	for _, n := range g.networks {
		if n.Contains(ip) {
			return true
		}
	}
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
		return false
	}
	for _, n := range special {
		if n.Contains(ip) {
			return false
		}
	}
	return true
}
