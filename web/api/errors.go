package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"facteur/access"
	"facteur/campaign"
	"facteur/campaign/content"
	"facteur/feedback"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/sending"
	"facteur/subscribers"
	"facteur/throttle"
	"facteur/web/call"
)

// answers are the errors of the lower packages that callers may tell apart.
// The first that fits is taken. The detail is the error's own text.
var answers = [...]struct {
	err    error
	status int
	code   string
}{
	{database.ErrUnavailable, http.StatusServiceUnavailable, "unavailable"},
	{database.ErrNotFound, http.StatusNotFound, "not_found"},
	{database.ErrUnsteady, http.StatusConflict, "clock_unsteady"},
	{database.ErrConflict, http.StatusConflict, "already_exists"},
	{campaign.ErrState, http.StatusConflict, "wrong_state"},
	{sending.ErrInUse, http.StatusConflict, "in_use"},
	{subscribers.ErrSuppressed, http.StatusConflict, "suppressed"},
	{subscribers.ErrLeft, http.StatusConflict, "left"},
	{subscribers.ErrNoSender, http.StatusConflict, "no_sender"},
	{subscribers.ErrSignupLimit, http.StatusTooManyRequests, "signup_limit"},
	{subscribers.ErrBadFile, http.StatusUnprocessableEntity, "bad_file"},
	{throttle.ErrReason, http.StatusUnprocessableEntity, "reason_needed"},
	{throttle.ErrScope, http.StatusUnprocessableEntity, "unknown_scope"},
	{access.ErrKeyReused, http.StatusUnprocessableEntity, "idempotency_key_reused"},
	{access.ErrKeyBusy, http.StatusConflict, "idempotency_key_busy"},
}

// texts replace what an error says where that is for the log.
var texts = map[string]string{
	"unavailable":    "the database cannot be written now; nothing was changed, or it cannot be told whether it was: try again, with an Idempotency-Key",
	"already_exists": "there is one of this name already",
}

// fielded is an error about one field of the call.
type fielded struct {
	field string
	err   error
}

func (e *fielded) Error() string { return e.err.Error() }
func (e *fielded) Unwrap() error { return e.err }

// onField says which field an error is about.
func onField(field string, err error) error {
	if err == nil {
		return nil
	}
	return &fielded{field, err}
}

// explain maps an error to its problem. What is not in the tables is logged
// whole and shown as "internal error".
func (c *calls) explain(ctx context.Context, err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	if p = typed(err); p == nil {
		p = listed(err)
	}
	if p == nil {
		if ctx.Err() != nil { // nobody is there to read this
			return problem(499, "gone", "the call was given up")
		}
		c.Log.ErrorContext(ctx, "call failed", "request", call.Of(ctx).ID, "route", call.Of(ctx).Route, "error", err)
		return problem(http.StatusInternalServerError, "internal", "internal error")
	}
	if p.Status == http.StatusServiceUnavailable {
		c.Log.WarnContext(ctx, "database unavailable", "request", call.Of(ctx).ID, "route", call.Of(ctx).Route, "error", err)
		p.with("Retry-After", "1")
	}
	var f *fielded
	if p.Field == "" && errors.As(err, &f) {
		p.Field = f.field
	}
	return p
}

func listed(err error) *Problem {
	for _, a := range answers {
		if !errors.Is(err, a.err) {
			continue
		}
		detail, ok := texts[a.code]
		if !ok {
			detail = err.Error()
		}
		return problem(a.status, a.code, detail)
	}
	return nil
}

// typed maps the errors that carry more than their kind.
func typed(err error) *Problem {
	var (
		ofCampaign *campaign.Invalid
		ofSending  *sending.Invalid
		ofPeople   *subscribers.Invalid
		ofAccess   *access.Invalid
		ofFeedback *feedback.Invalid
		ofJournal  *journal.Invalid
		ofAddress  *address.Invalid
		ofContent  *content.Error
		tooLarge   *subscribers.ImportTooLarge
		overLimit  *http.MaxBytesError
	)
	var notCleared *campaign.Refused
	switch {
	case errors.As(err, &notCleared):
		return refused(notCleared)
	case errors.As(err, &ofCampaign):
		return invalid(ofCampaign.Field, ofCampaign.Reason)
	case errors.As(err, &ofSending):
		return invalid(ofSending.Field, ofSending.Reason)
	case errors.As(err, &ofPeople):
		return invalid(ofPeople.Field, ofPeople.Reason)
	case errors.As(err, &ofJournal):
		return invalid(ofJournal.Field, ofJournal.Reason)
	case errors.As(err, &ofFeedback):
		return invalid(ofFeedback.Field, ofFeedback.Reason)
	case errors.As(err, &ofAccess):
		return invalid(ofAccess.Field, ofAccess.Reason)
	case errors.As(err, &ofAddress):
		p := problem(http.StatusUnprocessableEntity, "invalid_address", ofAddress.Error())
		p.Errors = []Fault{{Field: "email", Message: string(ofAddress.Reason)}}
		return p
	case errors.As(err, &ofContent):
		p := problem(http.StatusUnprocessableEntity, "invalid_content", ofContent.Error()).on(ofContent.Part)
		p.Errors = contentFaults(err)
		return p
	case errors.As(err, &tooLarge):
		return problem(http.StatusRequestEntityTooLarge, "too_large", tooLarge.Error())
	case errors.As(err, &overLimit):
		return problem(http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("the body is larger than %d bytes", overLimit.Limit))
	}
	return nil
}

// contentFaults are all the faults that compiling a template joined.
func contentFaults(err error) []Fault {
	var faults []Fault
	switch e := err.(type) {
	case *content.Error:
		f := Fault{Field: e.Part, Message: e.Message}
		if e.Line > 0 {
			f.Location = fmt.Sprintf("%s:%d:%d", e.Part, e.Line, e.Column)
		}
		return []Fault{f}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			faults = append(faults, contentFaults(inner)...)
		}
	case interface{ Unwrap() error }:
		return contentFaults(e.Unwrap())
	}
	return faults
}

// invalid is a value that cannot be used, with the field it came in.
func invalid(field, reason string) *Problem {
	return problem(http.StatusUnprocessableEntity, "invalid", field+": "+reason).on(field)
}
