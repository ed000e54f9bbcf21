package recipient

import (
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/keyring"
	"facteur/subscribers"
	"facteur/unsubscribe"
	"facteur/web/call"
)

// Options are what the pages speak to. All are needed, but for those that say otherwise.
type Options struct {
	DB        *database.DB
	Keys      *keyring.Keyring
	People    *subscribers.Store
	Campaigns *campaign.Store
	OptOut    *unsubscribe.OptOut
	Log       *slog.Logger

	// WebVersion is a person's mail as a page; [database.ErrNotFound] if there
	// is none. nil: no mail has a web version.
	WebVersion func(ctx context.Context, ref unsubscribe.Reference) ([]byte, error)

	// Greeter takes sign-ups and sends fresh links; nil: no list can be joined here.
	Greeter *subscribers.Greeter
	// LettersReady tells whether letters of a list can be written.
	LettersReady func(ctx context.Context, tx *database.Tx, l subscribers.List) error
	Captcha      Captcha // of the sign-up forms
	PublicURL    string  // its path is that of the pages

	Rate   call.Rate   // of each address; zero: no limit
	Origin call.Origin // where calls come from
}

type door struct {
	Options
	base     string // path of the pages, "" at the top
	words    dictionary
	template *template.Template
	limiter  *call.Limiter
}

// New is the door. It answers whatever it is asked; what is none of its pages is missing.
func New(opt Options) http.Handler {
	d := &door{Options: opt, words: newDictionary(), template: newTemplate(), limiter: call.NewLimiter(opt.Rate, opt.DB.Now)}
	if u, err := url.Parse(opt.PublicURL); err == nil {
		d.base = strings.TrimRight(u.EscapedPath(), "/")
	}
	mux := http.NewServeMux()
	for pattern, handler := range map[string]http.HandlerFunc{
		"GET /u/{token}":  d.open,
		"POST /u/{token}": d.leave,
		"GET /w/{token}":  d.webVersion,
		"GET /f/{token}":  d.file,

		"GET /t/{token}/{link}": d.track,

		"GET /subscribe/{list}":  d.form,
		"POST /subscribe/{list}": d.subscribe,
		"GET /c/{token}":         d.asked,
		"POST /c/{token}":        d.confirm,

		"GET /p":                   d.askLink,
		"POST /p":                  d.sendLink,
		"GET /p/{token}":           d.choices,
		"POST /p/{token}":          d.chosen,
		"GET /p/{token}/data":      d.dataPage,
		"GET /p/{token}/data.json": d.dataJSON,

		"/": d.missing,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			call.Of(r.Context()).Route = pattern
			handler(w, r)
		})
	}
	return d.guard(mux)
}

// guard puts the headers on and holds each address to its rate.
func (d *door) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("Referrer-Policy", "no-referrer") // the address of the page holds the token
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Robots-Tag", "noindex")
		h.Set("Cache-Control", "no-store")
		if wait, ok := d.limiter.Take(d.Origin.Address(r)); !ok {
			d.later(w, r, http.StatusTooManyRequests, wait)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// reached reads the token: whom it is about, and the lists their mail came
// by. If the campaign is not known any more, these are all of the person's
// lists: a no is never lost. It has answered when ok is false.
func (d *door) reached(w http.ResponseWriter, r *http.Request) (ref unsubscribe.Reference, lists []int64, ok bool) {
	ref, err := unsubscribe.ParseLeaveToken(d.Keys, r.PathValue("token"))
	if err != nil {
		d.missing(w, r)
		return ref, nil, false
	}
	ctx := context.WithoutCancel(r.Context())
	lists, err = d.Campaigns.ReachedBy(ctx, ref.CampaignID, ref.SubscriberID)
	if errors.Is(err, database.ErrNotFound) {
		lists, err = d.allLists(ctx, ref.SubscriberID)
	}
	if err != nil {
		d.fail(w, r, err)
		return ref, nil, false
	}
	return ref, lists, true
}

func (d *door) allLists(ctx context.Context, subscriberID int64) ([]int64, error) {
	subs, err := d.People.Subscriptions(ctx, subscriberID)
	ids := make([]int64, len(subs))
	for i, s := range subs {
		ids[i] = s.ListID
	}
	return ids, err
}

// retryAfter is when to come again after something went wrong.
const retryAfter = 30 * time.Second

// fail logs what went wrong and asks the reader to come again.
func (d *door) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	if errors.Is(err, database.ErrUnavailable) {
		status = http.StatusServiceUnavailable
	}
	c := call.Of(r.Context())
	d.Log.ErrorContext(r.Context(), "page failed", "request", c.ID, "route", c.Route, "error", err)
	d.later(w, r, status, retryAfter)
}

// mailPolicy lets a mail show its pictures and styles and follow links, and nothing else.
const mailPolicy = "default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline'; font-src 'none'; form-action 'none'; " +
	"base-uri 'none'; frame-ancestors 'none'; sandbox allow-popups allow-popups-to-escape-sandbox"

func (d *door) webVersion(w http.ResponseWriter, r *http.Request) {
	ref, err := unsubscribe.ParseViewToken(d.Keys, r.PathValue("token"))
	if err != nil || d.WebVersion == nil {
		d.missing(w, r)
		return
	}
	mail, err := d.WebVersion(r.Context(), ref)
	switch {
	case errors.Is(err, database.ErrNotFound):
		d.missing(w, r)
	case err != nil:
		d.fail(w, r, err)
	default:
		w.Header().Set("Content-Security-Policy", mailPolicy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(mail)))
		_, _ = w.Write(mail)
	}
}
