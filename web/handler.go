package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"facteur/web/api"
	"facteur/web/recipient"
)

// Options of [Handler].
type Options struct {
	API       api.Options
	Recipient recipient.Options
	Log       *slog.Logger
	// Ready tells whether this process can do its work; nil: always. The
	// error's text is shown to whoever asks.
	Ready func(context.Context) error
}

// Handler joins the doors. What is not the operators' is answered by the
// recipients' door.
func Handler(opt Options) http.Handler {
	operators, recipients := api.New(opt.API), recipient.New(opt.Recipient)
	return watched(opt.Log, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/healthz":
			plain(w, http.StatusOK, "ok")
		case path == "/readyz":
			opt.ready(w, r)
		case path == "/openapi.json", path == "/docs", strings.HasPrefix(path, "/docs/"), path == "/api", strings.HasPrefix(path, "/api/"):
			operators.ServeHTTP(w, r)
		default:
			recipients.ServeHTTP(w, r)
		}
	}))
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
