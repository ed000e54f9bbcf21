package inspect

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Spamd is a SpamAssassin daemon that is asked for its opinion.
type Spamd struct {
	Addr string // host:port, or the path of a socket
}

// Opinion is what SpamAssassin says of a message.
type Opinion struct {
	Score, Threshold float64
	Spam             bool
	Rules            []Rule // as the report has them; none if its template was changed
}

// Rule is one that fits the message.
type Rule struct {
	Name        string
	Score       float64
	Description string
}

// Bounds of an answer, and of the patience with it where the context has none.
const (
	maxReport     = 256 << 10
	spamdPatience = 30 * time.Second
)

// Ask has a message judged, by the SPAMC protocol. The message is not changed
// and nothing is learned from it.
func (s Spamd) Ask(ctx context.Context, raw []byte) (Opinion, error) {
	ctx, cancel := context.WithTimeout(ctx, spamdPatience)
	defer cancel()
	o, err := s.ask(ctx, raw)
	if err != nil {
		return Opinion{}, fmt.Errorf("ask spamd at %s: %w", s.Addr, errors.Join(err, context.Cause(ctx)))
	}
	return o, nil
}

func (s Spamd) ask(ctx context.Context, raw []byte) (Opinion, error) {
	network := "tcp"
	if strings.HasPrefix(s.Addr, "/") {
		network = "unix"
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, s.Addr)
	if err != nil {
		return Opinion{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() }) // ends what waits
	defer stop()
	if _, err := fmt.Fprintf(conn, "REPORT SPAMC/1.5\r\nContent-length: %d\r\n\r\n", len(raw)); err != nil {
		return Opinion{}, err
	}
	if _, err := conn.Write(raw); err != nil {
		return Opinion{}, err
	}
	answer, err := io.ReadAll(io.LimitReader(conn, maxReport+1))
	if err != nil {
		return Opinion{}, err
	}
	if len(answer) > maxReport {
		return Opinion{}, fmt.Errorf("the answer is longer than %d bytes", maxReport)
	}
	return parseReport(answer)
}

var (
	verdict  = regexp.MustCompile(`(?i)^(true|yes|false|no) *; *(-?[0-9.]+) */ *(-?[0-9.]+)$`)
	ruleLine = regexp.MustCompile(`^ *(-?[0-9]+(?:\.[0-9]+)?) ([A-Z][A-Z0-9_]{2,}) +(.*)$`)
)

// parseReport reads the answer to REPORT.
func parseReport(answer []byte) (Opinion, error) {
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(answer)))
	first, err := r.ReadLine()
	if err != nil {
		return Opinion{}, fmt.Errorf("it did not answer: %w", err)
	}
	if f := strings.Fields(first); len(f) < 3 || !strings.HasPrefix(f[0], "SPAMD/") || f[1] != "0" {
		return Opinion{}, fmt.Errorf("it answered %q", excerpt(first))
	}
	header, err := r.ReadMIMEHeader()
	if err != nil {
		return Opinion{}, fmt.Errorf("its answer is cut off: %w", err)
	}
	m := verdict.FindStringSubmatch(strings.TrimSpace(header.Get("Spam")))
	if m == nil {
		return Opinion{}, fmt.Errorf("it answered without a score: %q", excerpt(header.Get("Spam")))
	}
	var o Opinion
	o.Spam = strings.EqualFold(m[1], "true") || strings.EqualFold(m[1], "yes")
	if o.Score, err = strconv.ParseFloat(m[2], 64); err == nil {
		o.Threshold, err = strconv.ParseFloat(m[3], 64)
	}
	if err != nil {
		return Opinion{}, fmt.Errorf("its score is no number: %w", err)
	}
	body, err := io.ReadAll(r.R)
	if err != nil {
		return Opinion{}, err
	}
	if length, err := strconv.Atoi(header.Get("Content-Length")); err == nil && len(body) < length {
		return Opinion{}, fmt.Errorf("its answer is cut off after %d of %d bytes", len(body), length)
	}
	o.Rules = parseRules(string(body))
	return o, nil
}

// parseRules reads the table at the end of a report. The report quotes the
// message before it, which must not be taken for the table.
func parseRules(report string) []Rule {
	const head = "\n pts rule name"
	at := strings.LastIndex(strings.ReplaceAll("\n"+report, "\r", ""), head)
	if at < 0 {
		return nil
	}
	var rules []Rule
	for line := range strings.Lines(strings.ReplaceAll("\n"+report, "\r", "")[at+len(head):]) {
		line = strings.ToValidUTF8(strings.TrimRight(line, "\n"), "�")
		if m := ruleLine.FindStringSubmatch(line); m != nil {
			score, err := strconv.ParseFloat(m[1], 64)
			if err == nil {
				rules = append(rules, Rule{m[2], score, strings.TrimSpace(m[3])})
			}
		} else if more := strings.TrimSpace(line); len(rules) > 0 && more != "" && strings.HasPrefix(line, "        ") {
			rules[len(rules)-1].Description += " " + more
		}
	}
	return rules
}

// Findings is the opinion as a finding: an error where SpamAssassin calls it
// spam, a warning within two points of that.
func (o Opinion) Findings() []Finding {
	severity := Info
	switch {
	case o.Spam || o.Score >= o.Threshold:
		severity = Error
	case o.Score >= o.Threshold-2:
		severity = Warning
	}
	heavy := slices.Clone(o.Rules)
	slices.SortStableFunc(heavy, func(a, b Rule) int { return cmp.Compare(b.Score, a.Score) })
	var places []string
	for _, r := range heavy {
		if r.Score >= 0.1 {
			places = append(places, fmt.Sprintf("%s (%g)", r.Name, r.Score))
		}
	}
	var r report
	r.add("spam_score", severity, fmt.Sprintf("SpamAssassin gives it %g points; from %g on it is spam", o.Score, o.Threshold), places...)
	return r.findings()
}
