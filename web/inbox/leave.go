package inbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// errElsewhere is a link that leads off this machine.
var errElsewhere = errors.New("the link leads off this machine, and this inbox calls loopback only")

// newLeaver calls as a mail program does: no cookies, no redirects, not long.
func newLeaver(anywhere bool) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err == nil && !anywhere && !at.Addr().Unmap().IsLoopback() {
			err = errElsewhere
		}
		return err
	}}
	return &http.Client{
		Timeout:       10 * time.Second,
		Transport:     &http.Transport{DialContext: dialer.DialContext},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// exit is the way out that a mail offers.
type exit struct {
	Link string // http or https; empty: none
	// OneClick says that a POST to it is enough (RFC 8058 section 3.1).
	OneClick bool
}

// wayOut reads List-Unsubscribe (RFC 2369 section 3.2) and its companion.
func wayOut(l letter) exit {
	var e exit
	for item := range strings.SplitSeq(l.header.Get("List-Unsubscribe"), ",") {
		item = strings.Trim(strings.TrimSpace(item), "<>")
		if u, err := url.Parse(item); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
			e.Link = item
			break
		}
	}
	e.OneClick = e.Link != "" && strings.EqualFold(strings.TrimSpace(l.header.Get("List-Unsubscribe-Post")), "List-Unsubscribe=One-Click")
	return e
}

// oneClick presses the mail program's button; said is how it went, in words.
func (in *inbox) oneClick(ctx context.Context, e exit) (said string, ok bool) {
	if !e.OneClick {
		return "this mail offers no one-click way out: it needs List-Unsubscribe with a link, and List-Unsubscribe-Post", false
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.Link, strings.NewReader("List-Unsubscribe=One-Click"))
	if err != nil {
		return err.Error(), false
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := in.leaver.Do(req)
	if err != nil {
		return "the sender's server did not answer: " + err.Error(), false
	}
	defer func() { _ = res.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 200))
	said = fmt.Sprintf("the sender's server answered %s", res.Status)
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
		said += ": " + strings.TrimSpace(string(text))
	}
	return said, res.StatusCode == http.StatusOK
}

func (in *inbox) leave(w http.ResponseWriter, r *http.Request) {
	m, ok := in.find(w, r)
	if !ok {
		return
	}
	said, done := in.oneClick(r.Context(), wayOut(read(m.Raw)))
	in.marks.left(m.Number, said, done)
	http.Redirect(w, r, fmt.Sprintf("/mail/%d", m.Number), http.StatusSeeOther)
}
