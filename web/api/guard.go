package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"facteur/access"
	"facteur/internal/journal"
	"facteur/web/call"
)

const (
	maxBody     = 2 << 20
	bodyTimeout = 30 * time.Second
)

// asked is what the handlers may need to know about the call itself.
type asked struct {
	actor    access.Actor
	key      string // the Idempotency-Key, "" if there is none
	call     string // method, path and query
	bodyHash string // "" where the body is streamed
	body     io.Reader
}

type askedKey struct{}

func askedBy(ctx context.Context) asked {
	a, _ := ctx.Value(askedKey{}).(asked)
	return a
}

// serve lets a call through to its route, or says why not.
func (c *calls) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if !strings.HasPrefix(r.URL.Path, Prefix+"/") {
		problem(http.StatusNotFound, "not_found", "there is no such call: they begin with "+Prefix).write(w, r)
		return
	}
	if c.hook(w, r) {
		return
	}
	keepScope(r.URL)
	actor, p := c.authenticate(r)
	if p != nil {
		p.write(w, r)
		return
	}
	call.Of(r.Context()).Actor = actor.Name
	to, p := c.find(r)
	if p == nil && !readable(r.URL) {
		p = problem(http.StatusUnprocessableEntity, "invalid", "the address of the call holds what is not UTF-8 text")
	}
	if p == nil && !actor.May(to.scope) {
		p = problem(http.StatusForbidden, "scope_missing", "this token lacks the scope "+to.scope)
	}
	if p != nil {
		p.write(w, r)
		return
	}
	call.Of(r.Context()).Route = to.method + " " + Prefix + to.path
	a := asked{actor: actor, call: r.Method + " " + r.URL.RequestURI()}
	if p = a.takeKey(r.Header); p == nil {
		if to.streams() {
			p = a.takeStream(r)
		} else {
			p = a.takeBody(w, r)
		}
	}
	if p != nil {
		p.write(w, r)
		return
	}
	ctx := journal.WithActor(context.WithValue(r.Context(), askedKey{}, a), actor.Name)
	c.mux.ServeHTTP(w, r.WithContext(ctx))
}

// authenticate finds out who calls. Who came with too many wrong tokens is
// not even heard for a while.
func (c *calls) authenticate(r *http.Request) (access.Actor, *Problem) {
	from := c.Origin.Address(r)
	if wait, ok := c.wrong.Look(from); !ok {
		return access.Actor{}, problem(http.StatusTooManyRequests, "too_many_wrong_tokens", "too many wrong tokens came from this address; wait a little").
			with("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	refuse := func(detail string) *Problem {
		return problem(http.StatusUnauthorized, "unauthorized", detail).with("WWW-Authenticate", `Bearer realm="facteur"`)
	}
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if bearer = strings.TrimSpace(bearer); !strings.EqualFold(scheme, "Bearer") || bearer == "" {
		return access.Actor{}, refuse("send a token: Authorization: Bearer …")
	}
	actor, err := c.Access.Check(r.Context(), bearer)
	switch {
	case errors.Is(err, access.ErrToken):
		c.wrong.Take(from)
		return access.Actor{}, refuse("this token is not valid")
	case err != nil:
		return access.Actor{}, c.explain(r.Context(), err)
	}
	return actor, nil
}

// find is the route of a call, or the problem that there is none.
func (c *calls) find(r *http.Request) (route, *Problem) {
	handler, pattern := c.mux.Handler(r)
	if to, ok := c.routes[pattern]; ok {
		return to, nil
	}
	var said refusal
	handler.ServeHTTP(&said, r)
	if said.status == http.StatusMethodNotAllowed {
		allow := said.Header().Get("Allow")
		return route{}, problem(http.StatusMethodNotAllowed, "method_not_allowed", fmt.Sprintf("%s is not possible here: want %s", r.Method, allow)).with("Allow", allow)
	}
	return route{}, problem(http.StatusNotFound, "not_found", "there is no such call; /docs lists them")
}

// refusal catches what the mux says about a call that fits no route.
type refusal struct {
	header http.Header
	status int
}

func (n *refusal) Header() http.Header {
	if n.header == nil {
		n.header = http.Header{}
	}
	return n.header
}
func (n *refusal) Write(b []byte) (int, error) { return len(b), nil }
func (n *refusal) WriteHeader(status int)      { n.status = status }

var printable = regexp.MustCompile(`^[ -~]{1,200}$`)

func (a *asked) takeKey(h http.Header) *Problem {
	values, ok := h[keyHeader]
	if !ok {
		return nil
	}
	if len(values) != 1 || !printable.MatchString(values[0]) {
		return problem(http.StatusUnprocessableEntity, "invalid", keyHeader+": want 1 to 200 printable ASCII characters").on(keyHeader)
	}
	a.key = values[0]
	return nil
}

// readable tells that path and query are text, as the database wants it.
func readable(u *url.URL) bool {
	query, err := url.QueryUnescape(u.RawQuery)
	return err == nil && utf8.ValidString(u.Path) && utf8.ValidString(query) && !strings.Contains(u.Path+query, "\x00")
}

// takeStream leaves the body to the handler.
func (a *asked) takeStream(r *http.Request) *Problem {
	if r.ContentLength > maxImport {
		return typed(&http.MaxBytesError{Limit: maxImport}).with("Connection", "close")
	}
	a.body = r.Body
	return nil
}

// nul finds a NUL character in JSON, which no text of ours may hold.
var nul = regexp.MustCompile(`(^|[^\\])(\\\\)*\\u0000`)

// takeBody reads the body, so that its hash is known before the call is done.
func (a *asked) takeBody(w http.ResponseWriter, r *http.Request) *Problem {
	deadline := http.NewResponseController(w)
	_ = deadline.SetReadDeadline(time.Now().Add(bodyTimeout)) // not every writer can
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return typed(err)
	case err != nil:
		return problem(http.StatusBadRequest, "incomplete", "the body did not arrive whole").with("Connection", "close")
	case nul.Match(body):
		return problem(http.StatusUnprocessableEntity, "invalid", "the body holds a NUL character (\\u0000); take it out")
	}
	_ = deadline.SetReadDeadline(time.Time{}) // it would end a call that takes longer
	body = bytes.TrimSpace(body)
	sum := sha256.Sum256(body)
	a.bodyHash = hex.EncodeToString(sum[:])
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// keepScope lets a scope such as lane:a.example/google be one part of a path,
// whether its slash is escaped or not.
func keepScope(u *url.URL) {
	for _, at := range []string{Prefix + "/throttles/", Prefix + "/breakers/"} {
		scope, ok := strings.CutPrefix(u.EscapedPath(), at)
		if !ok {
			continue
		}
		verb := ""
		if before, found := strings.CutSuffix(scope, "/resume"); found {
			scope, verb = before, "/resume"
		}
		u.RawPath = at + strings.ReplaceAll(scope, "/", "%2F") + verb
	}
}
