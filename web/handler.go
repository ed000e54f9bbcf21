package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"

	"facteur/web/api"
	"facteur/web/recipient"

	"github.com/prometheus/client_golang/prometheus"
)

// Options of [Handler].
type Options struct {
	API       api.Options
	Recipient recipient.Options
	Log       *slog.Logger
	// Ready tells whether this process can do its work; nil: always. The
	// error's text is shown to whoever asks.
	Ready func(context.Context) error
	// Metrics are served at /metrics, together with what the doors count; nil:
	// that alone.
	Metrics *prometheus.Registry
	// MetricsFrom are the networks that may read /metrics without a token.
	MetricsFrom []netip.Prefix
}

// Handler joins the doors. What is not the operators' is answered by the
// recipients' door.
func Handler(opt Options) http.Handler {
	operators, recipients := api.New(opt.API), recipient.New(opt.Recipient)
	registry, counted := opt.registry()
	metrics := opt.metrics(registry)
	return watched(opt.Log, counted, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/healthz":
			plain(w, http.StatusOK, "ok")
		case path == "/readyz":
			opt.ready(w, r)
		case path == "/metrics":
			metrics(w, r)
		case path == "/openapi.json", path == "/docs", strings.HasPrefix(path, "/docs/"), path == "/api", strings.HasPrefix(path, "/api/"):
			operators.ServeHTTP(w, r)
		default:
			recipients.ServeHTTP(w, r)
		}
	}))
}

// registry is where the doors count.
func (o Options) registry() (*prometheus.Registry, *requests) {
	in := o.Metrics
	if in == nil {
		in = prometheus.NewRegistry()
	}
	return in, newRequests(in)
}

func (o Options) ready(w http.ResponseWriter, r *http.Request) {
	if o.Ready != nil {
		if err := o.Ready(r.Context()); err != nil {
			plain(w, http.StatusServiceUnavailable, err.Error())
			return
		}
	}
	plain(w, http.StatusOK, "ready")
}

func plain(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}
