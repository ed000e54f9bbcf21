package recipient

import (
	"bytes"
	_ "embed"
	"html/template"
	"math"
	"net/http"
	"strconv"
	"time"
)

//go:embed page.html
var pageText string

// page is what the template shows.
type page struct {
	Kind    string // leave, left, subscribe, confirm, ask, choices, note
	W       words
	Other   string // language
	Title   string
	Heading string
	Text    string
	Error   string // or what was done
	Lists   []listed

	CanWrite bool          // letters can be sent
	Undo     bool          // the leaving can be taken back
	Email    string        // as it was typed
	Version  int64         // of the wording
	Widget   template.HTML // of the captcha

	Self        string // the page's own path
	Complained  bool
	Tracks      bool
	PausedUntil string
	Often       []option
	Languages   []option
}

// listed is a list as a page shows it.
type listed struct {
	ID   int64
	Name string
	Why  string // since when and by what the person is on it
	Only string // the button that leaves this one alone
	On   bool
}

type option struct {
	Value, Text string
	Chosen      bool
}

// pagePolicy: our own style and our own form, nothing else.
const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (d *door) show(w http.ResponseWriter, status int, p page) {
	var b bytes.Buffer
	if err := d.template.Execute(&b, p); err != nil {
		panic(err) // page.html is wrong
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", p.W.lang())
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // net/http leaves it out for HEAD
}

// note shows a page that only says something.
func (d *door) note(w http.ResponseWriter, status int, words words, name string) {
	d.show(w, status, page{Kind: "note", W: words, Title: words[name+"_title"], Heading: words[name+"_heading"], Text: words[name+"_text"]})
}

// missing is the same for whatever we did not sign or do not have.
func (d *door) missing(w http.ResponseWriter, r *http.Request) {
	d.note(w, http.StatusNotFound, d.words.of(r, ""), "missing")
}

// later is for when we cannot answer now.
func (d *door) later(w http.ResponseWriter, r *http.Request, status int, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	d.note(w, status, d.words.of(r, ""), "later")
}

func newTemplate() *template.Template { return template.Must(template.New("page").Parse(pageText)) }
