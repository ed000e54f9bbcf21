package recipient

import (
	"bytes"
	"context"
	_ "embed"
	"html/template"
	"math"
	"net/http"
	"strconv"
	"time"

	"facteur/subscribers"
)

//go:embed page.html
var pageText string

// page is what the template shows.
type page struct {
	Kind    string // leave, left, note
	W       words
	Other   string // language
	Title   string
	Heading string
	Text    string
	Lists   []string // names
}

// pagePolicy: our own style and our own form, nothing else.
const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (d *door) show(w http.ResponseWriter, status int, p page) {
	var b bytes.Buffer
	if err := d.template.Execute(&b, p); err != nil {
		panic(err) // page.html is wrong
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", p.W.Lang)
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // net/http leaves it out for HEAD
}

// missing is the same for whatever we did not sign or do not have.
func (d *door) missing(w http.ResponseWriter, r *http.Request) {
	words := d.words.of(r, "")
	d.show(w, http.StatusNotFound, page{Kind: "note", W: words, Title: words.MissingTitle, Heading: words.MissingHeading, Text: words.MissingText})
}

// later is for when we cannot answer now.
func (d *door) later(w http.ResponseWriter, r *http.Request, status int, wait time.Duration) {
	words := d.words.of(r, "")
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	d.show(w, status, page{Kind: "note", W: words, Title: words.LaterTitle, Heading: words.LaterHeading, Text: words.LaterText})
}

// open shows the button. It changes nothing: link checkers and previews of
// mail programs come here too.
func (d *door) open(w http.ResponseWriter, r *http.Request) {
	ref, lists, ok := d.reached(w, r)
	if !ok {
		return
	}
	names, err := d.names(r.Context(), ref.SubscriberID, lists, false)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	words := d.words.of(r, r.URL.Query().Get("lang"))
	d.show(w, http.StatusOK, page{Kind: "leave", W: words, Other: d.words.other(words.Lang), Title: words.Title, Heading: words.Heading, Lists: names})
}

// names are the names of those of the lists that the person is on, or has left.
func (d *door) names(ctx context.Context, subscriberID int64, lists []int64, left bool) ([]string, error) {
	subs, err := d.People.Subscriptions(ctx, subscriberID)
	if err != nil {
		return nil, err
	}
	status := map[int64]subscribers.Status{}
	for _, s := range subs {
		status[s.ListID] = s.Status
	}
	var names []string
	for _, id := range lists {
		if s, known := status[id]; !known || (s == subscribers.Unsubscribed) != left {
			continue
		}
		l, err := d.People.List(ctx, id)
		if err != nil {
			return nil, err
		}
		names = append(names, l.Name)
	}
	return names, nil
}

func newTemplate() *template.Template { return template.Must(template.New("page").Parse(pageText)) }
