package sandbox

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
)

const maxRulesBody = 1 << 20

// Handle lets other processes read and steer the server over HTTP. It asks for no password: serve it on loopback
// or inside a test network only.
//
//	GET  /counts             Counts
//	GET  /deliveries         a Delivery a line; ?recipient=… only those of one
//	GET  /refusals           a Refusal a line; ?recipient=… only those of one
//	GET  /messages           what is kept, without the texts
//	GET  /messages/{number}  one message as it came, message/rfc822
//	GET  /words, /rules      the table of words; the rules that hold
//	POST /rules              an array of Rule replaces them
//	POST /suspend, /resume, /reset
func (s *Server) Handle() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /counts", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Count()) })
	mux.HandleFunc("GET /deliveries", func(w http.ResponseWriter, r *http.Request) {
		if who := r.URL.Query().Get("recipient"); who != "" {
			writeLines(w, slices.Values(s.Of(who)))
			return
		}
		writeLines(w, s.Deliveries)
	})
	mux.HandleFunc("GET /refusals", func(w http.ResponseWriter, r *http.Request) {
		if who := r.URL.Query().Get("recipient"); who != "" {
			writeLines(w, slices.Values(s.RefusalsOf(who)))
			return
		}
		writeLines(w, s.Refusals)
	})
	mux.HandleFunc("GET /messages", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Messages()) })
	mux.HandleFunc("GET /messages/{number}", s.showMessage)
	mux.HandleFunc("GET /words", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, Words()) })
	mux.HandleFunc("GET /rules", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Rules()) })
	mux.HandleFunc("POST /rules", s.takeRules)
	mux.HandleFunc("POST /suspend", func(w http.ResponseWriter, _ *http.Request) {
		s.Suspend()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /resume", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.Resume(); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func (s *Server) showMessage(w http.ResponseWriter, r *http.Request) {
	number, err := strconv.ParseInt(r.PathValue("number"), 10, 64)
	if err != nil {
		http.Error(w, "the number of a message is a whole number", http.StatusBadRequest)
		return
	}
	m, ok := s.Message(number)
	if !ok {
		http.Error(w, fmt.Sprintf("message %d is not kept", number), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "message/rfc822")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(m.Raw) // a reader that has gone is no fault
}

func (s *Server) takeRules(w http.ResponseWriter, r *http.Request) {
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRulesBody))
	in.DisallowUnknownFields()
	var rules []Rule
	err := in.Decode(&rules)
	if err == nil {
		err = s.SetRules(rules)
	}
	if err != nil {
		http.Error(w, "rules: "+err.Error(), http.StatusBadRequest)
		return
	}
	writeJSON(w, s.Rules())
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a reader that has gone is no fault
}

// writeLines streams a sequence as one JSON object a line, until its end or until the reader has gone.
func writeLines[T any](w http.ResponseWriter, each iter.Seq[T]) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := json.NewEncoder(w)
	for v := range each {
		if out.Encode(v) != nil {
			return
		}
	}
}
