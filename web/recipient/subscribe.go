package recipient

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/subscribers"
)

// listOf is the list of a sign-up form; it has answered when ok is false.
func (d *door) listOf(w http.ResponseWriter, r *http.Request) (l subscribers.List, ok bool) {
	id, err := strconv.ParseInt(r.PathValue("list"), 10, 64)
	if err == nil {
		l, err = d.People.List(r.Context(), id)
	}
	switch {
	case err != nil && !errors.Is(err, database.ErrNotFound) && id > 0:
		d.fail(w, r, err)
		return l, false
	case err != nil:
		d.missing(w, r)
		return l, false
	case !l.Form || d.Greeter == nil || d.LettersReady(r.Context(), nil, l) != nil:
		words := d.words.of(r, "")
		d.show(w, http.StatusNotFound, page{Kind: "note", W: words, Title: l.Name, Heading: l.Name, Text: words["subscribe_closed"]})
		return l, false
	}
	return l, true
}

// formPolicy lets other sites show the form in a frame; nothing can be done
// there in anybody's name.
const formPolicy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors *"

// form shows the sign-up form of a list.
func (d *door) form(w http.ResponseWriter, r *http.Request) {
	l, ok := d.listOf(w, r)
	if !ok {
		return
	}
	d.showForm(w, r, l, http.StatusOK, d.words.of(r, r.URL.Query().Get("lang")), "", "")
}

func (d *door) showForm(w http.ResponseWriter, r *http.Request, l subscribers.List, status int, words words, email, fault string) {
	wording, err := d.wording(r, l, words, 0)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	policy := formPolicy
	if d.Captcha.Widget != "" {
		policy = captchaPolicy
	}
	w.Header().Set("Content-Security-Policy", policy)
	d.show(w, status, page{
		Kind: "subscribe", W: words, Other: d.words.other(words.lang()), Title: words.with("subscribe_title", "list", l.Name), Heading: l.Name,
		Text: wording.Text, Version: wording.Version, Email: email, Error: fault, Widget: d.Captcha.Widget,
	})
}

// wording is the version of the list's words that was shown, or else would be.
func (d *door) wording(r *http.Request, l subscribers.List, words words, version int64) (subscribers.Wording, error) {
	if version > 0 {
		all, err := d.People.Wordings(r.Context(), l.ID)
		if err != nil {
			return subscribers.Wording{}, err
		}
		for _, w := range all {
			if w.Version == version {
				return w, nil
			}
		}
	}
	wording, err := d.People.WordingFor(r.Context(), l.ID, words.lang())
	if err == nil && wording.Version == 0 {
		wording = subscribers.Wording{Locale: words.lang(), Text: words.with("subscribe_words", "list", l.Name)}
	}
	return wording, err
}

// subscribe takes a sign-up. Whether the address is known makes no difference
// to the answer, nor to what is done before it.
func (d *door) subscribe(w http.ResponseWriter, r *http.Request) {
	l, ok := d.listOf(w, r)
	if !ok {
		return
	}
	in := readForm(w, r)
	words := d.words.of(r, in.Get("lang"))
	if in.Get("website") != "" { // a field that only machines see and fill in
		d.subscribed(w, words)
		return
	}
	if err := d.Captcha.Check(r.Context(), in, d.Origin.Address(r).String()); err != nil {
		d.Log.InfoContext(r.Context(), "captcha refused a sign-up", "list", l.ID, "error", err)
		d.showForm(w, r, l, http.StatusUnprocessableEntity, words, in.Get("email"), words["bad_captcha"])
		return
	}
	version, _ := strconv.ParseInt(in.Get("version"), 10, 64) // none: an embedded form
	wording, err := d.wording(r, l, words, version)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	err = d.Greeter.Accept(r.Context(), subscribers.Form{
		ListID: l.ID, Email: in.Get("email"), Name: in.Get("name"), Locale: words.lang(), Wording: wording,
		Page: cameBy(r, in), IP: d.Origin.Address(r).String(), UserAgent: r.UserAgent(),
	})
	var wrong *address.Invalid
	switch {
	case errors.As(err, &wrong):
		d.showForm(w, r, l, http.StatusUnprocessableEntity, words, in.Get("email"), words.with("bad_address", "reason", wrong.Detail))
	case errors.Is(err, subscribers.ErrSignupLimit):
		w.Header().Set("Retry-After", strconv.Itoa(int(time.Hour.Seconds())))
		d.show(w, http.StatusTooManyRequests, page{Kind: "note", W: words, Title: words["later_title"], Heading: words["later_title"], Text: words["too_many"]})
	case err != nil:
		d.fail(w, r, err)
	default:
		d.subscribed(w, words)
	}
}

func (d *door) subscribed(w http.ResponseWriter, words words) {
	w.Header().Set("Content-Security-Policy", formPolicy)
	d.show(w, http.StatusOK, page{
		Kind: "note", W: words, Title: words["subscribed_title"], Heading: words["subscribed_heading"], Text: words["subscribed_text"] + " " + words["subscribed_none"],
	})
}

// cameBy is by which page a form came: the site that embeds it, without what
// stands behind the path.
func cameBy(r *http.Request, in url.Values) string {
	for _, from := range []string{r.Header.Get("Referer"), r.Header.Get("Origin"), in.Get("page")} {
		if u, err := url.Parse(from); err == nil && u.Host != "" {
			return strings.TrimSuffix(u.Scheme+"://"+u.Host+u.Path, "/")
		}
	}
	return r.URL.Path
}
