package inbox

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"facteur/sending/sandbox"
)

// maxReports bounds the reports that are kept.
const maxReports = 100

// mark is what was done with a mail here.
type mark struct {
	Left, Spam bool
	Said       string // how the leaving went
	Report     int    // number of the report; 0: none
	Told       bool   // the sender's facteur has the report
	Untold     string // why not
}

// marks remember it. The zero value is ready.
type marks struct {
	mu      sync.Mutex
	by      map[int64]mark
	count   int
	reports []kept // the latest
}

type kept struct {
	Number int
	Mail   int64
	At     int64
	Raw    []byte
}

func (m *marks) of(number int64) mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.by[number]
}

func (m *marks) change(number int64, change func(*mark)) {
	if m.by == nil {
		m.by = map[int64]mark{}
	}
	now := m.by[number]
	change(&now)
	m.by[number] = now
}

func (m *marks) left(number int64, said string, done bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.change(number, func(k *mark) { k.Left, k.Said = k.Left || done, said })
}

func (m *marks) spam(number, at int64, raw []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count++
	m.reports = append(m.reports, kept{m.count, number, at, raw})
	if len(m.reports) > maxReports {
		m.reports = slices.Delete(m.reports, 0, 1)
	}
	m.change(number, func(k *mark) { k.Spam, k.Report = true, m.count })
}

// told notes how the report was handed over.
func (m *marks) told(number int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.change(number, func(k *mark) {
		if k.Told = err == nil; err != nil {
			k.Untold = err.Error()
		}
	})
}

func (m *marks) reported() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.count
}

func (m *marks) kept() []kept {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.reports)
}

// spam plays the provider of somebody who presses "Report spam": it writes the
// report, and leaves as well if that was ticked, as large providers offer.
func (in *inbox) spam(w http.ResponseWriter, r *http.Request) {
	m, ok := in.find(w, r)
	if !ok {
		return
	}
	if !in.marks.of(m.Number).Spam { // one report for a mail
		at := time.Now()
		raw := report(m, at)
		in.marks.spam(m.Number, at.UnixMilli(), raw)
		if in.Report != nil {
			in.marks.told(m.Number, in.Report(r.Context(), raw))
		}
	}
	if r.FormValue("leave") != "" {
		said, done := in.oneClick(r.Context(), wayOut(read(m.Raw)))
		in.marks.left(m.Number, said, done)
	}
	http.Redirect(w, r, fmt.Sprintf("/mail/%d", m.Number), http.StatusSeeOther)
}

// report is a complaint about a mail in the Abuse Reporting Format (RFC 5965).
func report(m sandbox.Message, at time.Time) []byte {
	boundary := fmt.Sprintf("report-%d-%d", m.Number, at.UnixNano())
	to := strings.Join(m.To, ", ")
	var b bytes.Buffer
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	say("From: <feedback@sandbox.test>")
	say("To: <feedback@sandbox.test>")
	say("Subject: Complaint about a message to %s", to)
	say("Date: %s", at.Format(time.RFC1123Z))
	say("Message-ID: <%s@sandbox.test>", boundary)
	say("MIME-Version: 1.0")
	say("Content-Type: multipart/report; report-type=feedback-report;\r\n boundary=%q\r\n", boundary)
	say("--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n", boundary)
	say("A recipient of the message below reports it as spam. The sandbox plays this; nobody complained.\r\n")
	say("--%s\r\nContent-Type: message/feedback-report\r\n", boundary)
	say("Feedback-Type: abuse\r\nUser-Agent: facteur-sandbox/1\r\nVersion: 1")
	say("Original-Mail-From: <%s>", m.From)
	for _, rcpt := range m.To {
		say("Original-Rcpt-To: <%s>", rcpt)
	}
	say("Arrival-Date: %s", time.UnixMilli(m.At).UTC().Format(time.RFC1123Z))
	say("Reported-Domain: %s\r\n", m.From[strings.LastIndexByte(m.From, '@')+1:])
	say("--%s\r\nContent-Type: message/rfc822\r\n", boundary)
	b.Write(m.Raw)
	say("\r\n--%s--", boundary)
	return b.Bytes()
}

func (in *inbox) reports(w http.ResponseWriter, _ *http.Request) {
	list := in.marks.kept()
	slices.Reverse(list)
	in.show(w, http.StatusOK, "reports", map[string]any{"Title": "Reports", "Reports": list})
}

func (in *inbox) report(w http.ResponseWriter, r *http.Request) {
	number, _ := strconv.Atoi(r.PathValue("number"))
	for _, k := range in.marks.kept() {
		if k.Number == number {
			w.Header().Set("Content-Type", "message/rfc822")
			w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="report-%d.eml"`, number))
			w.Header().Set("X-Content-Type-Options", "nosniff")
			_, _ = w.Write(k.Raw) // a reader that has gone is no fault
			return
		}
	}
	in.show(w, http.StatusNotFound, "missing", map[string]any{"Title": "No such report", "Number": r.PathValue("number")})
}
