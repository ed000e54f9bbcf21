package recipient

import (
	"context"
	"errors"
	"net/http"

	"facteur/internal/database"
	"facteur/subscribers"
	"facteur/subscribers/consent"
	"facteur/unsubscribe"
)

// asked shows the button that says yes. It changes nothing.
func (d *door) asked(w http.ResponseWriter, r *http.Request) {
	req, l, ok := d.request(w, r)
	if !ok {
		return
	}
	words := d.words.of(r, r.URL.Query().Get("lang"))
	text := ""
	if wording, err := d.wording(r, l, words, 0); err == nil {
		text = wording.Text
	}
	late, err := d.People.Late(r.Context(), subscribers.Confirmation{ListID: req.ListID, SubscriberID: req.SubscriberID, AskedAt: req.AskedAt})
	if err != nil {
		d.fail(w, r, err)
		return
	}
	if late {
		d.note(w, http.StatusGone, words, "gone")
		return
	}
	d.show(w, http.StatusOK, page{
		Kind: "confirm", W: words, Other: d.words.other(words.lang()), Title: words.with("confirm_title", "list", l.Name), Heading: words["confirm_heading"],
		Text: text, Lists: []listed{{ID: l.ID, Name: l.Name}},
	})
}

// request reads the token; it has answered when ok is false.
func (d *door) request(w http.ResponseWriter, r *http.Request) (req unsubscribe.Request, l subscribers.List, ok bool) {
	req, err := unsubscribe.ParseConfirmToken(d.Keys, r.PathValue("token"))
	if err == nil {
		l, err = d.People.List(r.Context(), req.ListID)
	} else {
		err = database.ErrNotFound
	}
	switch {
	case errors.Is(err, database.ErrNotFound):
		d.missing(w, r)
	case err != nil:
		d.fail(w, r, err)
	}
	return req, l, err == nil
}

// confirm is the yes.
func (d *door) confirm(w http.ResponseWriter, r *http.Request) {
	req, l, ok := d.request(w, r)
	if !ok {
		return
	}
	form := readForm(w, r)
	words := d.words.of(r, form.Get("lang"))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), leaveIn)
	defer cancel()
	became := ""
	err := d.write(ctx, func(ctx context.Context, tx *database.Tx) error {
		var err error
		became, err = d.People.Confirm(ctx, tx, subscribers.Confirmation{
			ListID: req.ListID, SubscriberID: req.SubscriberID, AskedAt: req.AskedAt,
			Evidence: consent.Evidence{IP: d.Origin.Address(r).String(), UserAgent: clipped(r.UserAgent(), 300), Form: "/c/"},
		})
		return err
	})
	switch {
	case err != nil:
		d.fail(w, r, err)
	case became == subscribers.NotAwaited:
		d.note(w, http.StatusGone, words, "gone")
	default:
		d.show(w, http.StatusOK, page{
			Kind: "note", W: words, Title: words["confirmed_title"], Heading: words["confirmed_heading"], Text: words["confirmed_text"], Lists: []listed{{Name: l.Name}},
		})
	}
}

// clipped cuts a text to so many bytes.
func clipped(text string, most int) string { return text[:min(len(text), most)] }
