package web

import "net/http"

// Health is the handler of a process without the API: /healthz, /readyz and
// /metrics alone.
func Health(opt Options) http.Handler {
	registry, counted := opt.registry()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", opt.ready)
	mux.HandleFunc("/metrics", opt.metrics(registry))
	return watched(opt.Log, counted, mux)
}
