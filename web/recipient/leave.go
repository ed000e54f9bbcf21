package recipient

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"facteur/internal/database"
	"facteur/subscribers"
	"facteur/subscribers/consent"
	"facteur/unsubscribe"
)

const (
	maxForm     = 64 << 10
	formTimeout = 10 * time.Second
	leaveIn     = 30 * time.Second
)

// open shows the button. It changes nothing: link checkers and previews of
// mail programs come here too.
func (d *door) open(w http.ResponseWriter, r *http.Request) {
	ref, lists, ok := d.reached(w, r)
	if !ok {
		return
	}
	words := d.words.of(r, r.URL.Query().Get("lang"))
	shown, err := d.shown(r.Context(), words, ref.SubscriberID, lists)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	shown = slices.DeleteFunc(shown, func(l listed) bool { return !l.On })
	d.show(w, http.StatusOK, page{
		Kind: "leave", W: words, Other: d.words.other(words.lang()), Title: words["title"], Heading: words["heading"], Lists: shown, CanWrite: d.Greeter != nil,
	})
}

// shown are those of the lists that the person has something to do with.
func (d *door) shown(ctx context.Context, words words, subscriberID int64, lists []int64) ([]listed, error) {
	subs, err := d.People.Subscriptions(ctx, subscriberID)
	if err != nil {
		return nil, err
	}
	acts, err := consent.Of(ctx, d.DB, subscriberID)
	if err != nil {
		return nil, err
	}
	var shown []listed
	for _, id := range lists {
		at := slices.IndexFunc(subs, func(s subscribers.Subscription) bool { return s.ListID == id })
		if at < 0 {
			continue
		}
		l, err := d.People.List(ctx, id)
		if err != nil {
			return nil, err
		}
		one := listed{ID: id, Name: l.Name, On: subs[at].Status != subscribers.Unsubscribed, Only: words.with("leave_one", "list", l.Name)}
		if subs[at].Status == subscribers.Confirmed {
			one.Why = why(words, subs[at], acts)
		}
		shown = append(shown, one)
	}
	return shown, nil
}

// why says since when, and by what, somebody is on a list.
func why(words words, sub subscribers.Subscription, acts []consent.Recorded) string {
	source := words["source_other"]
	for _, a := range acts {
		if a.ListID != sub.ListID || a.Act != consent.Given {
			continue
		}
		switch {
		case a.Basis == consent.DoubleOptIn && a.Said.Source == "form":
			source = words["source_form"]
		case a.Said.Source == "api":
			source = words["source_api"]
		default:
			source = words["source_other"] + " (" + a.Said.Source + ")"
		}
	}
	return words.with("why", "date", words.date(sub.ConfirmedAt), "source", source)
}

// leave is the no. Mailbox providers send List-Unsubscribe=One-Click as a form
// of either encoding (RFC 8058 section 3.1), some send nothing at all; the
// page's buttons say from=page and what they do. Whatever else it is, and even
// if the rest of it never arrives, the person leaves, and that is durable
// before the answer.
func (d *door) leave(w http.ResponseWriter, r *http.Request) {
	ref, lists, ok := d.reached(w, r)
	if !ok {
		return
	}
	form := readForm(w, r)
	// Who has said no may hang up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), leaveIn)
	defer cancel()
	if form.Get("from") != "page" {
		if err := d.OptOut.Leave(ctx, unsubscribe.Word{Reference: ref, Source: "one_click"}, lists); err != nil {
			d.fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "unsubscribed\n")
		return
	}
	words := d.words.of(r, form.Get("lang"))
	next, err := d.choose(ctx, r, words, ref, lists, form)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	next.W = words
	d.show(w, http.StatusOK, next)
}

// choose does what a button of the page says, and returns the page that
// follows. A button that is not known is the one that leaves.
func (d *door) choose(ctx context.Context, r *http.Request, words words, ref unsubscribe.Reference, lists []int64, form url.Values) (page, error) {
	do, which, _ := strings.Cut(form.Get("do"), ":")
	word := unsubscribe.Word{Reference: ref, Source: "page"}
	switch do {
	case "pause":
		err := d.OptOut.Pause(ctx, ref.SubscriberID, lists)
		until := words.date(d.DB.Now().Add(subscribers.PauseFor).UnixMilli())
		return page{Kind: "note", Title: words["paused_title"], Heading: words["paused_heading"], Text: words.with("paused_text", "date", until)}, err
	case "undo":
		return d.undo(ctx, words, ref)
	case "reason":
		err := d.OptOut.Explain(ctx, ref, form.Get("reason"), form.Get("note"))
		if errors.Is(err, database.ErrNotFound) {
			err = nil // too late to be noted; nobody needs to care
		}
		return page{Kind: "note", Title: words["thanks_title"], Heading: words["thanks_heading"], Text: words["thanks_text"]}, err
	case "access":
		p, err := d.People.Subscriber(ctx, ref.SubscriberID)
		if err == nil {
			err = d.sendAccess(r, p.Email)
		}
		if errors.Is(err, database.ErrNotFound) || errors.Is(err, subscribers.ErrSignupLimit) {
			err = nil // erased, or asked often enough: the answer is the same
		}
		return page{Kind: "note", Title: words["access_title"], Heading: words["access_heading"], Text: words["access_text"]}, err
	case "all":
		word.All = true
	case "list":
		if id, err := strconv.ParseInt(which, 10, 64); err == nil && slices.Contains(lists, id) {
			lists = []int64{id}
		}
	}
	if err := d.OptOut.Leave(ctx, word, lists); err != nil {
		return page{}, err
	}
	shown, err := d.shown(ctx, words, ref.SubscriberID, lists)
	if err != nil { // it is done all the same
		d.Log.ErrorContext(ctx, "names of lists", "error", err)
	}
	next := page{Kind: "left", Title: words["left_title"], Heading: words["left_heading"], Text: words["left_text"], Lists: shown, Undo: true}
	switch {
	case word.All:
		next.Text, next.Lists = words["left_all_text"], nil
	case len(shown) == 0:
		next.Text = words["left_text_bare"]
	}
	return next, nil
}

func (d *door) undo(ctx context.Context, words words, ref unsubscribe.Reference) (page, error) {
	back, err := d.OptOut.Undo(ctx, ref)
	if errors.Is(err, database.ErrNotFound) {
		return page{Kind: "note", Title: words["gone_title"], Heading: words["gone_title"], Text: words["undo_gone"]}, nil
	}
	if err != nil {
		return page{}, err
	}
	shown, err := d.shown(ctx, words, ref.SubscriberID, back)
	return page{Kind: "note", Title: words["undone_title"], Heading: words["undone_heading"], Text: words["undone_text"], Lists: shown}, err
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
