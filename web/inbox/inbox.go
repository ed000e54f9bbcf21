package inbox

import (
	"context"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"facteur/sending/sandbox"
)

// Options of [New].
type Options struct {
	Box *sandbox.Server
	// Anywhere lets Leave call links that lead off this machine. A mail in the
	// box may hold any link, so only loopback is called otherwise.
	Anywhere bool
	// Note is shown on each page.
	Note string
	// Report hands a complaint (RFC 5965) to the sender's facteur; nil: it is kept here only.
	Report func(ctx context.Context, report []byte) error
}

// perPage is how many mails a page of the list shows.
const perPage = 50

type inbox struct {
	Options
	pages    *template.Template
	messages http.Handler // of the box
	leaver   *http.Client
	marks    marks
}

//go:embed pages.html
var files embed.FS

// New serves the mailbox at /, and under it all that the box's own handler does.
func New(o Options) http.Handler {
	in := &inbox{Options: o, messages: o.Box.Handle(), leaver: newLeaver(o.Anywhere)}
	in.pages = template.Must(template.New("").Funcs(template.FuncMap{"clock": clock, "initial": initial}).ParseFS(files, "pages.html"))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", in.list)
	mux.HandleFunc("GET /mail/{number}", in.mail)
	mux.HandleFunc("GET /mail/{number}/html", in.html)
	mux.HandleFunc("POST /mail/{number}/leave", in.leave)
	mux.HandleFunc("POST /mail/{number}/spam", in.spam)
	mux.HandleFunc("GET /reports", in.reports)
	mux.HandleFunc("GET /reports/{number}", in.report)
	mux.Handle("/", in.messages)
	return http.NewCrossOriginProtection().Handler(mux)
}

// line is a mail as a line of the list.
type line struct {
	sandbox.Message
	FromName, Subject string
	Mark              mark
}

func (in *inbox) list(w http.ResponseWriter, r *http.Request) {
	all := in.Box.Messages()
	slices.Reverse(all)
	query := strings.TrimSpace(r.URL.Query().Get("q"))
	if query != "" {
		all = slices.DeleteFunc(all, func(m sandbox.Message) bool { return !about(m, query) })
	}
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	pages := max(1, (len(all)+perPage-1)/perPage)
	page = min(max(page, 1), pages)
	shown := all[min((page-1)*perPage, len(all)):min(page*perPage, len(all))]
	lines := make([]line, len(shown))
	for i, m := range shown {
		lines[i] = in.line(m)
	}
	in.show(w, http.StatusOK, "list", map[string]any{
		"Title": "Inbox", "Lines": lines, "Query": query, "Found": len(all), "Counts": in.Box.Count(), "Reports": in.marks.reported(),
		"Newer": link(query, page-1, page > 1), "Older": link(query, page+1, page < pages), "Page": page, "Pages": pages,
	})
}

func link(query string, page int, there bool) string {
	if !there {
		return ""
	}
	v := url.Values{"page": {strconv.Itoa(page)}}
	if query != "" {
		v.Set("q", query)
	}
	return "/?" + v.Encode()
}

// about tells whether a mail's recipient, sender or subject holds the words.
func about(m sandbox.Message, query string) bool {
	query = strings.ToLower(query)
	if strings.Contains(strings.ToLower(strings.Join(m.To, " ")+" "+m.From), query) {
		return true
	}
	return strings.Contains(strings.ToLower(headerOf(m.Raw).Subject), query)
}

func (in *inbox) line(m sandbox.Message) line {
	h := headerOf(m.Raw)
	return line{Message: m, FromName: h.FromName, Subject: h.Subject, Mark: in.marks.of(m.Number)}
}

// find is the mail that the path names; it has answered when ok is false.
func (in *inbox) find(w http.ResponseWriter, r *http.Request) (m sandbox.Message, ok bool) {
	number, err := strconv.ParseInt(r.PathValue("number"), 10, 64)
	if err == nil {
		m, ok = in.Box.Message(number)
	}
	if !ok {
		in.show(w, http.StatusNotFound, "missing", map[string]any{"Title": "No such mail", "Number": r.PathValue("number")})
	}
	return m, ok
}

func (in *inbox) mail(w http.ResponseWriter, r *http.Request) {
	m, ok := in.find(w, r)
	if !ok {
		return
	}
	l := read(m.Raw)
	view := r.URL.Query().Get("view")
	if view != "text" && view != "source" && (view != "html" || l.HTML == "") {
		view = "html"
		if l.HTML == "" {
			view = "text"
		}
	}
	in.show(w, http.StatusOK, "mail", map[string]any{
		"Title": l.Subject, "Mail": m, "Letter": l, "View": view, "Source": string(m.Raw), "Mark": in.marks.of(m.Number), "Exit": wayOut(l),
	})
}

// letterPolicy lets a mail show its styles and the pictures that it carries, and nothing else.
const letterPolicy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"

func (in *inbox) html(w http.ResponseWriter, r *http.Request) {
	m, ok := in.find(w, r)
	if !ok {
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", letterPolicy)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	_, _ = fmt.Fprint(w, `<base target="_blank">`+read(m.Raw).HTML)
}

// pagePolicy is for our own pages.
const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (in *inbox) show(w http.ResponseWriter, status int, page string, data map[string]any) {
	h := w.Header()
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	data["Note"], data["Kind"] = in.Note, page
	if err := in.pages.ExecuteTemplate(w, "page", data); err != nil {
		_, _ = fmt.Fprintf(w, "<p>%s", template.HTMLEscapeString(err.Error()))
	}
}

func clock(ms int64) string { return time.UnixMilli(ms).Local().Format("15:04:05") }

// initial is what stands in a sender's round sign.
func initial(name string) string {
	for _, r := range name {
		return strings.ToUpper(string(r))
	}
	return "?"
}
