package importer_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"facteur/subscribers/importer"

	"golang.org/x/text/encoding/charmap"
)

// inUTF16 spells text in UTF-16, low byte first or last.
func inUTF16(text string, low int) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(text)) {
		pair := [2]byte{}
		pair[low], pair[1-low] = byte(u), byte(u>>8)
		b = append(b, pair[:]...)
	}
	return string(b)
}

func inLatin1(t *testing.T, text string) string {
	t.Helper()
	s, err := charmap.Windows1252.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReader_DetectsTheEncoding(t *testing.T) {
	const text = "email;prénom\nzoé@b.fr;Zoé\na@b.fr;\"Œdipe “le roi”\n€\"\n"
	want := []string{"2: zoé@b.fr|Zoé", "3: a@b.fr|Œdipe “le roi”\n€"}
	for _, c := range []struct{ why, source, encoding string }{
		{"UTF-8", text, "utf-8"},
		{"UTF-8 with mark", "\ufeff" + text, "utf-8"},
		{"UTF-16 low byte first with mark", "\xff\xfe" + inUTF16(text, 0), "utf-16le"},
		{"UTF-16 high byte first with mark", "\xfe\xff" + inUTF16(text, 1), "utf-16be"},
		{"UTF-16 low byte first", inUTF16(text, 0), "utf-16le"},
		{"UTF-16 high byte first", inUTF16(text, 1), "utf-16be"},
		{"Latin-1", inLatin1(t, text), "latin1"},
		{"Latin-1 byte by byte", inLatin1(t, text), "latin1"},
	} {
		r, err := importer.NewReader(iotest.OneByteReader(strings.NewReader(c.source)), importer.Options{})
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		if r.Encoding() != c.encoding || !reflect.DeepEqual(r.Columns(), []string{"email", "prénom"}) {
			t.Errorf("%s: encoding %q, columns %q", c.why, r.Encoding(), r.Columns())
		}
		if got := read(t, r); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %q", c.why, got)
		}
		if got := r.State().Offset; got != int64(len(c.source)) {
			t.Errorf("%s: offset %d at the end of %d bytes", c.why, got, len(c.source))
		}
	}
}

func TestReader_DetectsLatin1AtTheVeryEnd(t *testing.T) {
	expect(t, "last byte", "email,name\na,Zo\xe9", importer.Options{}, "2: a|Zoé")
}

func TestReader_AByteOrderMarkOutweighsTheOption(t *testing.T) {
	expect(t, "mark", "\ufeffemail,name\na,é\n", importer.Options{Encoding: "latin1"}, "2: a|é")
	expect(t, "no mark", "email,name\na,é\n", importer.Options{Encoding: "ISO-8859-1"}, "2: a|Ã©")
}

func TestReader_NamesTheLineThatIsNotUTF8(t *testing.T) {
	filler := strings.Repeat("a@b.fr,Ann\n", 10_000)
	r := newReader(t, "email,name\n"+filler+"c@d.fr,Zo\xe9\ne@f.fr,Bob\n", importer.Options{})
	for range 10_000 {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	_, err := r.Next()
	const want = `line 10002, column "name": not valid UTF-8; save the file as UTF-8 or pass encoding=latin1`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if got := read(t, r); !reflect.DeepEqual(got, []string{"10003: e@f.fr|Bob"}) {
		t.Errorf("after it: %q", got)
	}
}

func TestReader_OneBrokenByteDoesNotMakeUTF8Latin1(t *testing.T) {
	text := "email,name\na,Zoé\nb,Zo\xe9\nc,Zoë\n"
	expect(t, "mostly UTF-8", text, importer.Options{}, "2: a|Zoé", "3! bad_encoding", "4: c|Zoë")
}

func TestReader_RefusesBrokenUTF16(t *testing.T) {
	half := string([]byte{0x3d, 0xd8}) // the first half of a pair, low byte first
	text := "\xff\xfe" + inUTF16("email,name\na,🦄\nb,", 0) + half + inUTF16("x\nc,", 0) + half + inUTF16("\nd,4\n", 0)
	expect(t, "half a pair", text, importer.Options{}, "2: a|🦄", "3! bad_encoding", "4! bad_encoding", "5: d|4")
	expect(t, "half a unit at the end", text+"x", importer.Options{}, "2: a|🦄", "3! bad_encoding", "4! bad_encoding", "5: d|4", "6! bad_encoding")
}

func TestReader_RefusesNULBytes(t *testing.T) {
	r := newReader(t, "email,name\na,1\nb,x\x00y\nc,3\n", importer.Options{})
	r.Next()
	_, err := r.Next()
	var refused *importer.RecordError
	if !errors.As(err, &refused) || refused.Reason != importer.NUL || refused.Line != 3 || refused.Column != "name" || refused.Excerpt != "b,x\ufffdy" {
		t.Errorf("got %#v", err)
	}
	if got := read(t, r); !reflect.DeepEqual(got, []string{"4: c|3"}) {
		t.Errorf("after it: %q", got)
	}
}
