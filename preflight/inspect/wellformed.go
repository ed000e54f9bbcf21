package inspect

import (
	"bytes"
	"fmt"
	"net/mail"
	"strings"
	"unicode/utf8"
)

// maxLine is how long a line may be, its CR LF apart (RFC 5322 2.1.1).
const maxLine = 998

// lines reads the raw bytes: how lines end, and how long they are.
func (i *inspection) lines() {
	var long, loose []string
	nul, n := 0, 0
	for rest := i.raw; len(rest) > 0; {
		n++
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		rest = after
		body, crlf := bytes.CutSuffix(line, []byte{'\r'})
		switch {
		case bytes.IndexByte(body, '\r') >= 0, ended && !crlf:
			loose = append(loose, fmt.Sprintf("line %d", n))
		case !ended:
			loose = append(loose, fmt.Sprintf("line %d, the last one, has no end", n))
		}
		if len(body) > maxLine {
			long = append(long, fmt.Sprintf("line %d has %d bytes: %s", n, len(body), excerpt(string(body[:60]))))
		}
		if bytes.IndexByte(body, 0) >= 0 {
			nul = n
		}
	}
	if len(long) > 0 {
		i.add("line_too_long", Error, fmt.Sprintf("%s longer than the %d bytes that RFC 5322 allows", count(len(long), "line is", "lines are"), maxLine), long...)
	}
	if len(loose) > 0 {
		i.add("line_endings", Error, count(len(loose), "line does", "lines do")+" not end with CR LF, or a lone CR is within", loose...)
	}
	if nul > 0 {
		i.fault(fmt.Sprintf("line %d has a NUL byte", nul))
	}
}

// headers reads the raw head: which fields there are, and of what bytes.
func (i *inspection) headers() {
	head, _, _ := bytes.Cut(bytes.ReplaceAll(i.raw, []byte("\r\n"), []byte("\n")), []byte("\n\n"))
	seen := map[string]int{}
	name := ""
	for line := range bytes.Lines(head) {
		if line[0] != ' ' && line[0] != '\t' {
			field, _, _ := bytes.Cut(line, []byte{':'})
			name = strings.ToLower(string(bytes.TrimSpace(field)))
			seen[name]++
		}
		// Addresses may be UTF-8 (RFC 6532); names and words of ours are not.
		mailbox := name == "to" || name == "cc" || name == "reply-to"
		if bytes.IndexFunc(line, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 && (!mailbox || !utf8.Valid(line)) {
			i.add("header_8bit", Error, "a header has bytes that are not ASCII", excerpt(string(line)))
		}
	}
	for _, field := range []string{"From", "Date", "Message-ID"} {
		if seen[strings.ToLower(field)] == 0 {
			i.add("header_missing", Error, "a header that every mail must have is missing", field)
		}
	}
	for _, field := range []string{"From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "List-Unsubscribe", "List-Unsubscribe-Post"} {
		if n := seen[strings.ToLower(field)]; n > 1 {
			i.add("header_duplicate", Error, "a header that may stand once stands several times", fmt.Sprintf("%s: %d times", field, n))
		}
	}
	if _, err := i.header.Date(); err != nil && seen["date"] > 0 {
		i.fault("the Date cannot be read: " + excerpt(i.header.Get("Date")))
	}
	if seen["from"] > 0 && i.from() == nil {
		i.fault("the From cannot be read: " + excerpt(i.header.Get("From")))
	}
}

// structure says what could not be taken apart.
func (i *inspection) structure() {
	if i.text == nil && i.html == nil {
		i.fault("it has neither a text nor an HTML part")
	}
	if len(i.faults) > 0 {
		i.add("malformed", Error, "the message is not built as MIME wants it: "+i.faults[0], i.faults...)
	}
}

// from is the sender; nil if it cannot be read.
func (m *message) from() *mail.Address { return m.mailbox("From") }

// mailbox is the first address of a header; nil if there is none.
func (m *message) mailbox(header string) *mail.Address {
	parser := mail.AddressParser{WordDecoder: wordDecoder()}
	list, err := parser.ParseList(m.header.Get(header))
	if err != nil || len(list) == 0 {
		return nil
	}
	return list[0]
}

// count says "1 line is" or "3 lines are".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
