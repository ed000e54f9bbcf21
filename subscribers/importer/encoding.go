package importer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// headSize is how much of a file is looked at before the first record is read.
const headSize = 64 << 10

// widest is the longest UTF-8 form of one character of the source.
const widest = utf8.UTFMax

type encoding string

const (
	utf8Text encoding = "utf-8"
	utf16LE  encoding = "utf-16le"
	utf16BE  encoding = "utf-16be"
	latin1   encoding = "latin1" // read as Windows-1252, which is what people meant; its five empty places become U+FFFD
)

// chooseEncoding settles the encoding and the length of the byte order mark.
func chooseEncoding(head []byte, asked string) (_ encoding, mark int, _ error) {
	wanted, err := namedEncoding(asked)
	if err != nil {
		return "", 0, err
	}
	for _, magic := range []string{"PK\x03\x04", "\xd0\xcf\x11\xe0", "\x1f\x8b", "%PDF-", "\xff\xfe\x00\x00"} {
		if bytes.HasPrefix(head, []byte(magic)) { // xlsx and ods, xls, gzip, PDF, UTF-32
			return "", 0, ErrNotText
		}
	}
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		return utf8Text, 3, nil
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		return utf16LE, 2, nil
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		return utf16BE, 2, nil
	case wanted != "":
		return wanted, 0, nil
	}
	return guessEncoding(head), 0, nil
}

func namedEncoding(name string) (encoding, error) {
	switch strings.ToLower(name) {
	case "":
		return "", nil
	case "utf-8", "utf8":
		return utf8Text, nil
	case "utf-16", "utf16", "utf-16le", "utf16le":
		return utf16LE, nil
	case "utf-16be", "utf16be":
		return utf16BE, nil
	case "latin1", "latin-1", "iso-8859-1", "windows-1252", "cp1252":
		return latin1, nil
	}
	return "", fmt.Errorf("unknown encoding %q: use utf-8, utf-16le, utf-16be or latin1", name)
}

// guessEncoding decides without a byte order mark. In UTF-16 every second byte of
// Latin text is NUL. Latin-1 text makes valid UTF-8 sequences by the rarest chance,
// so one broken byte does not turn a UTF-8 file into Latin-1.
func guessEncoding(head []byte) encoding {
	whole := len(head) < headSize
	var nul [2]int
	for i, b := range head {
		if b == 0 {
			nul[i&1]++
		}
	}
	if half := len(head) / 2; half > 0 {
		switch {
		case nul[1]*10 > half*4 && nul[0]*10 < half:
			return utf16LE
		case nul[0]*10 > half*4 && nul[1]*10 < half:
			return utf16BE
		}
	}
	valid, invalid := 0, 0
	for len(head) > 0 && (whole || utf8.FullRune(head)) {
		r, n := utf8.DecodeRune(head)
		switch {
		case r == utf8.RuneError && n == 1:
			invalid++
		case n > 1:
			valid++
		}
		head = head[n:]
	}
	if invalid > valid {
		return latin1
	}
	return utf8Text
}

// width is how many bytes of the source stand behind decoded text. It looks at the
// first byte of each character, as half a surrogate pair is kept as three bytes.
func (e encoding) width(decoded []byte) (n int64) {
	if e == utf8Text {
		return int64(len(decoded))
	}
	for _, b := range decoded {
		switch {
		case b&0xc0 == 0x80:
		case e == latin1, b == broken:
			n++
		case b >= 0xf0:
			n += 4
		default:
			n += 2
		}
	}
	return n
}

// invalid is what is said of text that does not decode.
func (e encoding) invalid() string {
	if e == utf8Text {
		return "not valid UTF-8; save the file as UTF-8 or pass encoding=latin1"
	}
	return "not valid UTF-16; save the file as UTF-8"
}

// broken stands for the last byte of a UTF-16 source that ends in half a unit.
const broken = 0xff

// decoder turns its source into UTF-8. What cannot be decoded becomes bytes that
// are no UTF-8, so that the record they are in is refused.
type decoder struct {
	source   io.Reader
	step     func(dst, src []byte, final bool) (written, read int)
	raw      []byte
	from, to int
	err      error
}

func newDecoder(source io.Reader, enc encoding) io.Reader {
	d := &decoder{source: source, raw: make([]byte, 32<<10)}
	switch enc {
	case latin1:
		d.step = decodeLatin1
	case utf16LE:
		d.step = decodeUTF16(binary.LittleEndian)
	case utf16BE:
		d.step = decodeUTF16(binary.BigEndian)
	default:
		return source
	}
	return d
}

func (d *decoder) Read(dst []byte) (int, error) {
	for {
		written, read := d.step(dst, d.raw[d.from:d.to], d.err != nil)
		if d.from += read; written > 0 {
			return written, nil
		}
		if d.err != nil {
			return 0, d.err
		}
		d.to = copy(d.raw, d.raw[d.from:d.to])
		d.from = 0
		var n int
		n, d.err = d.source.Read(d.raw[d.to:])
		if d.to += n; n == 0 && d.err == nil {
			return 0, nil
		}
	}
}

func decodeLatin1(dst, src []byte, _ bool) (written, read int) {
	for read < len(src) && len(dst)-written >= widest {
		written += utf8.EncodeRune(dst[written:], charmap.Windows1252.DecodeByte(src[read]))
		read++
	}
	return written, read
}

func decodeUTF16(order binary.ByteOrder) func(dst, src []byte, final bool) (written, read int) {
	return func(dst, src []byte, final bool) (written, read int) {
		for len(dst)-written >= widest {
			rest := src[read:]
			switch {
			case len(rest) == 0 || len(rest) == 1 && !final:
				return written, read
			case len(rest) == 1:
				dst[written] = broken
				return written + 1, read + 1
			}
			r := rune(order.Uint16(rest))
			n := 2
			if utf16.IsSurrogate(r) {
				if len(rest) < 4 && !final {
					return written, read
				}
				if len(rest) >= 4 {
					if pair := utf16.DecodeRune(r, rune(order.Uint16(rest[2:]))); pair != utf8.RuneError {
						r, n = pair, 4
					}
				}
			}
			if utf16.IsSurrogate(r) { // what UTF-8 forbids, spelled out
				written += copy(dst[written:], []byte{0xe0 | byte(r>>12), 0x80 | byte(r>>6)&0xbf, 0x80 | byte(r)&0xbf})
			} else {
				written += utf8.EncodeRune(dst[written:], r)
			}
			read += n
		}
		return written, read
	}
}
