package web

import (
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"facteur/web/call"
)

// writeTimeout is how long a client may take for each piece of an answer.
const writeTimeout = 30 * time.Second

// watched numbers, times, counts and logs each call, and survives its panic. The
// line names the route, never the path: a path may hold a token.
func watched(log *slog.Logger, counted *requests, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		ctx, c := call.With(r.Context())
		out := &answer{ResponseWriter: w}
		out.Header().Set("X-Request-Id", c.ID)
		defer func() {
			if p := recover(); p == http.ErrAbortHandler {
				panic(p) // the client is to see that the answer broke off
			} else if p != nil {
				log.ErrorContext(ctx, "panic", "request", c.ID, "route", c.Route, "panic", p, "stack", string(debug.Stack()))
				out.sorry(r)
			}
			took := time.Since(begun)
			counted.count(c.Route, out.status(), took)
			level := slog.LevelInfo
			if (c.Route == "" || c.Route == "GET /metrics") && out.status() < 400 { // the questions of whoever runs us
				level = slog.LevelDebug
			}
			log.Log(ctx, level, "call", "request", c.ID, "method", r.Method, "route", c.Route, "actor", c.Actor,
				"status", out.status(), "bytes", out.bytes, "ms", took.Milliseconds())
		}()
		next.ServeHTTP(out, r.WithContext(ctx))
	})
}

// answer counts what is answered and gives the client time for each piece.
type answer struct {
	http.ResponseWriter
	code  int // 0: nothing said yet
	bytes int64
}

func (a *answer) status() int {
	if a.code == 0 {
		return http.StatusOK
	}
	return a.code
}

func (a *answer) WriteHeader(code int) {
	if a.code == 0 && code >= 200 {
		a.code = code
	}
	a.ResponseWriter.WriteHeader(code)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.code == 0 {
		a.code = http.StatusOK
	}
	_ = http.NewResponseController(a.ResponseWriter).SetWriteDeadline(time.Now().Add(writeTimeout)) // not every writer can
	n, err := a.ResponseWriter.Write(b)
	a.bytes += int64(n)
	return n, err
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// sorry answers a call that panicked, if nothing has been said yet.
func (a *answer) sorry(r *http.Request) {
	if a.code != 0 {
		return
	}
	if !strings.HasPrefix(r.URL.Path, "/api/") {
		plain(a, http.StatusInternalServerError, "internal error")
		return
	}
	a.Header().Set("Content-Type", "application/problem+json")
	a.WriteHeader(http.StatusInternalServerError)
	_, _ = io.WriteString(a, `{"title":"Internal Server Error","status":500,"code":"internal","detail":"internal error"}`+"\n")
}
