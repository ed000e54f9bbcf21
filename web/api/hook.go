package api

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"facteur/feedback/provider"
	"facteur/internal/database"
	"facteur/web/call"
)

// maxHook is how long a webhook may be; SendGrid gathers events into bodies of some MiB.
const maxHook = 8 << 20

// hook answers the webhooks of providers: POST /feedback/{provider}/{secret}.
// The secret stands for the token. It is false for any other call.
func (c *calls) hook(w http.ResponseWriter, r *http.Request) bool {
	rest, ok := strings.CutPrefix(r.URL.Path, Prefix+"/feedback/")
	name, secret, two := strings.Cut(rest, "/")
	if !ok || !two || name == "hooks" || strings.Contains(secret, "/") {
		return false
	}
	call.Of(r.Context()).Route = "POST " + Prefix + "/feedback/" + "{provider}/{secret}"
	if p := c.takeHook(w, r, name, secret); p != nil {
		p.write(w, r)
	}
	return true
}

func (c *calls) takeHook(w http.ResponseWriter, r *http.Request, name, secret string) *Problem {
	if r.Method != http.MethodPost {
		return problem(http.StatusMethodNotAllowed, "method_not_allowed", r.Method+" is not possible here: want POST").with("Allow", http.MethodPost)
	}
	from := c.Origin.Address(r)
	if wait, ok := c.wrong.Look(from); !ok {
		return problem(http.StatusTooManyRequests, "too_many_wrong_tokens", "too many wrong secrets came from this address; wait a little").with("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) // not every writer can
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxHook))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return typed(large)
		}
		return problem(http.StatusBadRequest, "incomplete", "the body did not arrive whole").with("Connection", "close")
	}
	events, err := c.Feedback.Hook(r.Context(), name, secret, r.Header, body)
	switch {
	case errors.Is(err, database.ErrNotFound):
		c.wrong.Take(from)
		return problem(http.StatusNotFound, "not_found", "there is no such door")
	case errors.Is(err, provider.ErrSignature):
		c.wrong.Take(from)
		c.Log.WarnContext(r.Context(), "a webhook is not signed as it must be", "provider", name, "error", err)
		return problem(http.StatusForbidden, "wrong_signature", err.Error())
	case errors.Is(err, provider.ErrBody):
		return problem(http.StatusUnprocessableEntity, "invalid", err.Error())
	case err != nil:
		return c.explain(r.Context(), err)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(causedBy(events)) // who hung up comes again
	return nil
}
