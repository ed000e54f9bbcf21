package web

import (
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"facteur/access"
	"facteur/web/call"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metricsScope is what a token needs to read /metrics.
const metricsScope = "metrics:read"

// wrongMetricsTokens is how often an address may come with a wrong token.
var wrongMetricsTokens = call.Rate{PerSecond: 10.0 / 60, Burst: 10}

// requests counts the calls of all doors by route: by pattern, never by path.
type requests struct {
	total   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newRequests(in *prometheus.Registry) *requests {
	r := &requests{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "facteur_http_requests_total", Help: "Calls of the API, the recipients' pages and the questions of whoever runs us."},
			[]string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "facteur_http_request_seconds", Help: "How long they took.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8), // 1 ms to 16 s
		}, []string{"route"}),
	}
	in.MustRegister(r.total, r.seconds)
	return r
}

// count takes in a call that has ended; what fits no route is "other".
func (r *requests) count(route string, status int, took time.Duration) {
	if route == "" {
		route = "other"
	}
	r.total.WithLabelValues(route, strconv.Itoa(status)).Inc()
	r.seconds.WithLabelValues(route).Observe(took.Seconds())
}

// metrics is /metrics. It tells nobody's address but much about the business:
// it answers to the networks of the options, asked directly, and else to a
// token with the scope metrics:read.
func (o Options) metrics(in *prometheus.Registry) http.HandlerFunc {
	wrong := call.NewLimiter(wrongMetricsTokens, time.Now)
	serve := promhttp.HandlerFor(in, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError, // what the database does not tell is left out
		MaxRequestsInFlight: 4, Timeout: 9 * time.Second, // Prometheus gives up after 10 s
	})
	return func(w http.ResponseWriter, r *http.Request) {
		call.Of(r.Context()).Route = "GET /metrics"
		w.Header().Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			plain(w, http.StatusMethodNotAllowed, "GET alone is possible here")
			return
		}
		if !o.near(r) && !o.allowed(w, r, wrong) {
			return
		}
		serve.ServeHTTP(w, r)
	}
}

// near tells whether a call comes from one of the networks, and not by way of
// a proxy: behind one, everybody seems to be near.
func (o Options) near(r *http.Request) bool {
	for _, h := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via"} {
		if r.Header.Get(h) != "" {
			return false
		}
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	for _, network := range o.MetricsFrom {
		if network.Contains(peer.Addr().Unmap().WithZone("")) {
			return true
		}
	}
	return false
}

// allowed asks for a token, and answers when it is not good enough.
func (o Options) allowed(w http.ResponseWriter, r *http.Request, wrong *call.Limiter) bool {
	from := o.API.Origin.Address(r)
	if wait, ok := wrong.Look(from); !ok {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		plain(w, http.StatusTooManyRequests, "too many wrong tokens came from this address; wait a little")
		return false
	}
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if bearer = strings.TrimSpace(bearer); o.API.Access == nil || !strings.EqualFold(scheme, "Bearer") || bearer == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="facteur"`)
		plain(w, http.StatusUnauthorized, "send a token with the scope "+metricsScope+", or ask directly from a network of FACTEUR_METRICS_FROM")
		return false
	}
	actor, err := o.API.Access.Check(r.Context(), bearer)
	switch {
	case errors.Is(err, access.ErrToken):
		wrong.Take(from)
		w.Header().Set("WWW-Authenticate", `Bearer realm="facteur"`)
		plain(w, http.StatusUnauthorized, "this token is not valid")
	case err != nil:
		o.Log.WarnContext(r.Context(), "token of /metrics", "request", call.Of(r.Context()).ID, "error", err)
		plain(w, http.StatusServiceUnavailable, "the token cannot be checked now")
	case !actor.May(metricsScope):
		plain(w, http.StatusForbidden, "this token lacks the scope "+metricsScope)
	default:
		call.Of(r.Context()).Actor = actor.Name
		return true
	}
	return false
}
