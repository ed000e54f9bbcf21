package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"facteur/web/call"

	"github.com/danielgtaylor/huma/v2"
)

// Problem is an answer that says no (RFC 9457).
type Problem struct {
	Title  string  `json:"title" doc:"The status in words."`
	Status int     `json:"status"`
	Code   string  `json:"code" doc:"Stable, for programs: not_found, invalid, wrong_state …"`
	Detail string  `json:"detail" doc:"What is wrong and what to do, for people."`
	Field  string  `json:"field,omitempty" doc:"The field it is about, where known."`
	Call   string  `json:"call,omitempty" doc:"The X-Request-Id under which the log tells more."`
	Errors []Fault `json:"errors,omitempty" doc:"Each thing that is wrong, when there are several or when they have a place."`

	header http.Header
}

// Fault is one of several things that are wrong.
type Fault struct {
	Field    string `json:"field,omitempty"`
	Location string `json:"location,omitempty" doc:"body.to[3], query.limit, or part:line:column of a template."`
	Message  string `json:"message"`
}

func problem(status int, code, detail string) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// on names the field that the problem is about.
func (p *Problem) on(field string) *Problem {
	p.Field = field
	return p
}

// with adds a header field to the answer.
func (p *Problem) with(key, value string) *Problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(key, value)
	return p
}

func (p *Problem) Error() string { return p.Detail }

// GetStatus implements [huma.StatusError].
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements [huma.HeadersError].
func (p *Problem) GetHeaders() http.Header { return p.header }

const problemType = "application/problem+json"

// ContentType implements [huma.ContentTypeFilter].
func (p *Problem) ContentType(string) string { return problemType }

// write answers where huma has no part in it.
func (p *Problem) write(w http.ResponseWriter, r *http.Request) {
	p.Call = call.Of(r.Context()).ID
	h := w.Header()
	for key, values := range p.header {
		h[key] = values
	}
	h.Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_ = json.NewEncoder(w).Encode(p)
	}
}

// restate turns huma's own errors into problems. The values that huma would
// echo are left out: they may be secrets.
func restate(ctx huma.Context, _ string, v any) (any, error) {
	if p, ok := v.(*Problem); ok {
		p.Call = call.Of(ctx.Context()).ID
		return p, nil
	}
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := problem(m.Status, "invalid", m.Detail)
	p.Call = call.Of(ctx.Context()).ID
	for _, e := range m.Errors {
		p.Errors = append(p.Errors, fault(e))
	}
	if len(p.Errors) > 0 {
		p.Field, p.Detail = p.Errors[0].Field, p.Errors[0].Message
		if p.Field != "" {
			p.Detail = p.Field + ": " + p.Detail
		}
	}
	switch m.Status {
	case http.StatusBadRequest:
		p.Code = "bad_json"
	case http.StatusUnsupportedMediaType:
		p.Code, p.Detail = "unsupported_media_type", "send JSON, with Content-Type: application/json"
	}
	return p, nil
}

func fault(e *huma.ErrorDetail) Fault {
	f := Fault{Location: e.Location, Message: e.Message}
	if _, field, ok := strings.Cut(e.Location, "."); ok {
		f.Field = field
	}
	if rest, ok := strings.CutPrefix(e.Message, "expected required property "); ok {
		name, _, _ := strings.Cut(rest, " ")
		f.Field, f.Message = strings.TrimPrefix(f.Field+"."+name, "."), "is missing"
		f.Location += "." + name
	}
	if e.Message == "unexpected property" {
		f.Message = "is not a field of this call"
	}
	return f
}
