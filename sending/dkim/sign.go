package dkim

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"sync"
	"time"
)

// signed are the headers that are signed where a message has them, and those
// that nobody may add: they are named once more than they occur (RFC 6376
// section 5.4.2). RFC 8058 section 4 demands both List-Unsubscribe headers,
// the feedback loops theirs.
var signed = [...]struct {
	name   string
	sealed bool
}{
	{"from", true},
	{"reply-to", true},
	{"to", true},
	{"subject", true},
	{"date", true},
	{"message-id", false},
	{"mime-version", false},
	{"content-type", false},
	{"content-transfer-encoding", false},
	{"list-unsubscribe", true},
	{"list-unsubscribe-post", true},
	{"list-id", false},
	{"feedback-id", false},
	{"cfbl-address", false},
	{"cfbl-feedback-id", false},
	{"auto-submitted", false},
}

// Signer signs for one domain.
type Signer struct {
	domain string
	keys   []Key
	work   sync.Pool // of *scratch
}

// scratch is what one signing needs; used again.
type scratch struct{ relaxed, names []byte }

// NewSigner signs with each of the keys as domain, an A-label.
func NewSigner(domain string, keys ...Key) *Signer {
	return &Signer{domain: domain, keys: keys, work: sync.Pool{New: func() any { return &scratch{} }}}
}

// errNoFrom is a message that cannot be signed.
var errNoFrom = errors.New("DKIM: the message has no From")

// field is a header of a message.
type field struct {
	name  []byte
	value []byte // behind the colon, with its folds
}

// Append writes a DKIM-Signature header for each key behind dst, each with its
// line break. The message is whole and as it goes to DATA, but for the doubled
// dots; the headers belong before it.
func (s *Signer) Append(dst, message []byte, at time.Time) ([]byte, error) {
	head, body := message, []byte(nil)
	if end := bytes.Index(message, []byte("\r\n\r\n")); end >= 0 {
		head, body = message[:end+2], message[end+4:]
	}
	var room [32]field
	fields := fieldsOf(room[:0], head)
	w := s.work.Get().(*scratch)
	defer s.work.Put(w)
	sum := sha256.New()
	w.relaxed = relaxBody(sum, body, w.relaxed[:0])
	bodyHash := base64.StdEncoding.AppendEncode(nil, sum.Sum(nil))

	w.names, w.relaxed = w.names[:0], w.relaxed[:0]
	for i, h := range signed {
		last := len(fields)
		for { // from the last to the first: section 5.4.2
			at := lastOf(fields[:last], h.name)
			if at < 0 {
				break
			}
			w.name(h.name)
			w.relaxed = append(appendHeader(w.relaxed, h.name, fields[at].value), crlf...)
			last = at
		}
		if i == 0 && last == len(fields) {
			return dst, errNoFrom
		}
		if h.sealed {
			w.name(h.name)
		}
	}
	start := len(dst)
	for _, k := range s.keys {
		var err error
		if dst, err = s.sign(dst, k, w, bodyHash, at); err != nil {
			return dst[:start], err
		}
	}
	return dst, nil
}

// name adds a name to the h= tag, which is folded now and then.
func (w *scratch) name(name string) {
	if len(w.names) > 0 {
		w.names = append(w.names, ':')
		if len(w.names)-bytes.LastIndexByte(w.names, '\n') > 50 {
			w.names = append(w.names, "\r\n\t"...)
		}
	}
	w.names = append(w.names, name...)
}

// sign writes the signature header of one key.
func (s *Signer) sign(dst []byte, k Key, w *scratch, bodyHash []byte, at time.Time) ([]byte, error) {
	const name = "DKIM-Signature:"
	start := len(dst)
	dst = append(dst, name+" v=1; a="...)
	dst = append(append(dst, k.Algorithm()...), "-sha256; c=relaxed/relaxed; d="...)
	dst = append(append(dst, s.domain...), ";\r\n\ts="...)
	dst = append(append(dst, k.Selector...), "; t="...)
	dst = append(strconv.AppendInt(dst, at.Unix(), 10), ";\r\n\th="...)
	dst = append(append(dst, w.names...), ";\r\n\tbh="...)
	dst = append(append(dst, bodyHash...), ";\r\n\tb="...)
	headers := len(w.relaxed)
	w.relaxed = appendHeader(w.relaxed, "dkim-signature", dst[start+len(name):])
	sum := sha256.Sum256(w.relaxed)
	w.relaxed = w.relaxed[:headers]
	signature, err := k.sign(sum)
	if err != nil {
		return dst, err
	}
	text := base64.StdEncoding.AppendEncode(nil, signature)
	for line := 70; len(text) > line; line = 72 {
		dst = append(append(dst, text[:line]...), "\r\n\t"...)
		text = text[line:]
	}
	return append(append(dst, text...), crlf...), nil
}

// fieldsOf lists the headers of a message's head.
func fieldsOf(fields []field, head []byte) []field {
	for len(head) > 0 {
		end := 0
		for { // the lines that begin with a blank belong to it
			n := bytes.Index(head[end:], crlf)
			if n < 0 {
				end = len(head)
				break
			}
			if end += n + 2; end >= len(head) || !blank(head[end]) {
				break
			}
		}
		if name, value, ok := bytes.Cut(head[:end], []byte(":")); ok {
			fields = append(fields, field{bytes.TrimRight(name, " \t"), value})
		}
		head = head[end:]
	}
	return fields
}

// lastOf is the last header of a name, in lower case; -1: none.
func lastOf(fields []field, name string) int {
	for i := len(fields) - 1; i >= 0; i-- {
		if len(fields[i].name) == len(name) && bytes.EqualFold(fields[i].name, []byte(name)) {
			return i
		}
	}
	return -1
}
