package dkim

import (
	"bytes"
	"hash"
)

func blank(b byte) bool { return b == ' ' || b == '\t' }

// relaxBody writes a body in its relaxed form (RFC 6376 section 3.4.4): blanks
// at the ends of lines and empty lines at the end are gone, others are one
// space each; it ends with a line break unless it is empty.
func relaxBody(h hash.Hash, body []byte, buffer []byte) []byte {
	empty := 0 // lines that are written once something follows
	for len(body) > 0 {
		line := body
		if end := bytes.Index(body, crlf); end >= 0 {
			line, body = body[:end], body[end+2:]
		} else {
			body = nil
		}
		for len(line) > 0 && blank(line[len(line)-1]) {
			line = line[:len(line)-1]
		}
		if len(line) == 0 {
			empty++
			continue
		}
		for ; empty > 0; empty-- {
			buffer = append(buffer, crlf...)
		}
		buffer = appendRelaxed(buffer, line)
		if buffer = append(buffer, crlf...); len(buffer) > 4096 {
			h.Write(buffer)
			buffer = buffer[:0]
		}
	}
	h.Write(buffer)
	return buffer[:0]
}

// appendRelaxed writes a line with one space for each run of blanks.
func appendRelaxed(dst, line []byte) []byte {
	if bytes.IndexByte(line, '\t') < 0 && !bytes.Contains(line, twoSpaces) {
		return append(dst, line...)
	}
	before := false
	for _, b := range line {
		if blank(b) {
			if !before {
				dst = append(dst, ' ')
			}
			before = true
			continue
		}
		dst, before = append(dst, b), false
	}
	return dst
}

// appendHeader writes a header field in its relaxed form (section 3.4.2),
// without a line break at its end.
func appendHeader(dst []byte, name string, value []byte) []byte {
	dst = append(append(dst, name...), ':')
	start, before := len(dst), true
	for _, b := range value {
		switch {
		case b == '\r' || b == '\n':
		case blank(b):
			if !before {
				dst = append(dst, ' ')
			}
			before = true
		default:
			dst, before = append(dst, b), false
		}
	}
	for len(dst) > start && dst[len(dst)-1] == ' ' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

var (
	crlf      = []byte("\r\n")
	twoSpaces = []byte("  ")
)
