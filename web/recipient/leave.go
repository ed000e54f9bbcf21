package recipient

import (
	"context"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	maxForm     = 64 << 10
	formTimeout = 10 * time.Second
	leaveIn     = 30 * time.Second
)

// leave is the no. Mailbox providers send List-Unsubscribe=One-Click as a form
// of either encoding (RFC 8058 section 3.1), some send nothing at all; the
// page's button says from=page. Whatever it is, and even if the rest of it
// never arrives, the person leaves, and that is durable before the answer.
func (d *door) leave(w http.ResponseWriter, r *http.Request) {
	ref, lists, ok := d.reached(w, r)
	if !ok {
		return
	}
	form := readForm(w, r)
	source := "one_click"
	if form.Get("from") == "page" {
		source = "page"
	}
	// Who has said no may hang up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), leaveIn)
	defer cancel()
	if err := d.OptOut.Leave(ctx, ref.SubscriberID, lists, source); err != nil {
		d.fail(w, r, err)
		return
	}
	if source == "one_click" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "unsubscribed\n")
		return
	}
	names, err := d.names(ctx, ref.SubscriberID, lists, true)
	if err != nil { // it is done all the same
		d.Log.ErrorContext(ctx, "names of lists", "error", err)
	}
	words := d.words.of(r, form.Get("lang"))
	d.show(w, http.StatusOK, page{Kind: "left", W: words, Title: words.LeftTitle, Heading: words.LeftHeading, Lists: names})
}

// readForm is what can be read of a form within bounds; what cannot is left out.
func readForm(w http.ResponseWriter, r *http.Request) url.Values {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(formTimeout)) // not every writer can
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxForm))
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "multipart/form-data" && params["boundary"] != "" {
		form, err := multipart.NewReader(strings.NewReader(string(body)), params["boundary"]).ReadForm(maxForm)
		if err != nil {
			return nil
		}
		return form.Value
	}
	values, _ := url.ParseQuery(string(body)) // as far as it can be read
	return values
}
