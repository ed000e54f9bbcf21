package web

import "net/http"

// Health is the handler of a process without the API: /healthz and /readyz alone.
func Health(opt Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", opt.ready)
	return watched(opt.Log, mux)
}
