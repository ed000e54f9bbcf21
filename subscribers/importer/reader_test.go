package importer_test

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"facteur/subscribers/importer"
)

// read gives each record as "line: field|field" and each error as "line! reason".
func read(t *testing.T, r *importer.Reader) (lines []string) {
	t.Helper()
	for range 10_000_000 {
		record, err := r.Next()
		var refused *importer.RecordError
		switch {
		case err == io.EOF:
			if _, again := r.Next(); again != io.EOF {
				t.Fatalf("after the end came %v", again)
			}
			return lines
		case errors.As(err, &refused):
			lines = append(lines, fmt.Sprintf("%d! %s", refused.Line, refused.Reason))
		case err != nil:
			t.Fatal(err)
		default:
			lines = append(lines, show(record))
		}
	}
	t.Fatal("the reader does not end")
	return nil
}

func show(record importer.Record) string {
	var fields []string
	for _, f := range record.Fields {
		fields = append(fields, string(f))
	}
	return fmt.Sprintf("%d: %s", record.Line, strings.Join(fields, "|"))
}

func newReader(t *testing.T, text string, opt importer.Options) *importer.Reader {
	t.Helper()
	r, err := importer.NewReader(strings.NewReader(text), opt)
	if err != nil {
		t.Fatalf("NewReader(%.80q): %v", text, err)
	}
	return r
}

func expect(t *testing.T, why, text string, opt importer.Options, want ...string) {
	t.Helper()
	if got := read(t, newReader(t, text, opt)); !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %.200q\n got %q\nwant %q", why, text, got, want)
	}
}

func TestReader_ReadsWhatProgramsWrite(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		why, text string
		want      []string
	}{
		{"plain", "email,name\na@b.fr,Ann\nc@d.fr,Bob\n", []string{"2: a@b.fr|Ann", "3: c@d.fr|Bob"}},
		{"no last line end", "email,name\na@b.fr,Ann", []string{"2: a@b.fr|Ann"}},
		{"CRLF", "email,name\r\na@b.fr,Ann\r\n", []string{"2: a@b.fr|Ann"}},
		{"CR", "email,name\ra@b.fr,Ann\rc@d.fr,Bob\r", []string{"2: a@b.fr|Ann", "3: c@d.fr|Bob"}},
		{"mixed line ends", "email,name\r\na,1\nb,2\rc,3\r\n", []string{"2: a|1", "3: b|2", "4: c|3"}},
		{"empty lines", "\n\r\nemail,name\n\n\r\r\na,1\n\n\nb,2\n\n", []string{"7: a|1", "10: b|2"}},
		{"quotes", `email,name` + "\n" + `"a","Ann, ""the"" one"` + "\n", []string{`2: a|Ann, "the" one`}},
		{"empty quotes", "email,name\n\"\",\"\"\n", []string{"2: |"}},
		{"only doubled quotes", "email,name\n\"\"\"\",\"\"\"\"\"\"\n", []string{`2: "|""`}},
		{"line ends in quotes", "email,name\na,\"1\n2\r\n3\r4\"\nb,2\n", []string{"2: a|1\n2\r\n3\r4", "6: b|2"}},
		{"quote inside a field", "email,name\na,5\" disk\nb,\"x\"\n", []string{`2: a|5" disk`, "3: b|x"}},
		{"space around quotes", "email,name\na, \"Ann, B\" \n \"b\" ,2\n", []string{"2: a|Ann, B", "3: b|2"}},
		{"space is kept elsewhere", "email, name \n a , b \n", []string{"2:  a | b "}},
		{"missing fields are empty", "email,name,city\na\nb,2\n", []string{"2: a||", "3: b|2|"}},
		{"empty fields too many", "email,name\na,1,,\nb,2,\"\"\n", []string{"2: a|1", "3: b|2"}},
		{"delimiters only", "email,name\n,\n", []string{"2: |"}},
		{"header only", "email,name\n", nil},
		{"header without line end", "email,name", nil},
		{"one column", "email\na@b.fr\nc@d.fr\n", []string{"2: a@b.fr", "3: c@d.fr"}},
		{"quoted header over two lines", "email,\"na\nme\"\na,1\n", []string{"3: a|1"}},
		{"quote right before the end", "email,name\na,\"1\"", []string{"2: a|1"}},
		{"long field", "email,name\na," + long + "\n", []string{"2: a|" + long}},
	} {
		expect(t, c.why, c.text, importer.Options{}, c.want...)
		r, err := importer.NewReader(iotest.OneByteReader(strings.NewReader(c.text)), importer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, r); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s, byte by byte: got %q", c.why, got)
		}
	}
}

func TestReader_DetectsTheDelimiter(t *testing.T) {
	for text, want := range map[string]rune{
		"email,name\na,b\n":                       ',',
		"email;name\na;b,c\n":                     ';',
		"email\tname\na\tb, c\n":                  '\t',
		"email|name\na|b\n":                       '|',
		"email\na,b\n":                            ',',
		"email;\"last, first\"\na;b\n":            ';',
		"email;name;last,first\na;b;c\nd;e;f\n":   ';',
		"email,name;x\na,b\nc,d\n":                ',',
		"email;price;city\na;1,5;x\nb;2,5;y\n":    ';',
		"sep=|\nemail,x|name\na|b\n":              '|',
		"email;name":                              ';',
		"email;name\n\"a\";\"x\ny;z\"\nb;c\n":     ';',
		"a,b;c\n1,2;3\n4,5;6\n":                   ',', // as good as ; and more usual
		"a;b;c,d\n1;2;3,4\n":                      ';', // more columns
		"\n\nemail;name\na;b\n":                   ';',
		"\"email\";\"name\"\n\"a\";\"b;;;,,,\"\n": ';',
	} {
		if got := newReader(t, text, importer.Options{}).Delimiter(); got != want {
			t.Errorf("%q: delimiter %q, want %q", text, got, want)
		}
	}
	expect(t, "asked for", "email:name;x\na:b\n", importer.Options{Delimiter: ':'}, "2: a|b")
	expect(t, "told by the file", "sep=;\r\nemail;name\r\na,x;b\r\n", importer.Options{}, "3: a,x|b")
	expect(t, "space", "email name\na  \"b c\"\n", importer.Options{Delimiter: ' '}, "2! too_many_fields")
}

func TestReader_GivesColumnsTrimmed(t *testing.T) {
	r := newReader(t, "\ufeff Email ,\"First \"\"name\"\"\",,city \n", importer.Options{})
	if want := []string{"Email", `First "name"`, "", "city"}; !reflect.DeepEqual(r.Columns(), want) {
		t.Errorf("columns %q, want %q", r.Columns(), want)
	}
	expect(t, "columns from outside", "a@b.fr;Ann\n", importer.Options{Columns: []string{"email", "name"}}, "1: a@b.fr|Ann")
}

func TestNewReader_RefusesFilesThatAreNoTable(t *testing.T) {
	for text, want := range map[string]error{
		"":                      importer.ErrEmpty,
		"\n\r\n\n":              importer.ErrEmpty,
		"\xef\xbb\xbf":          importer.ErrEmpty,
		"a@b.fr\nc@d.fr\n":      importer.ErrNoHeader,
		"Ann, a@b.fr \nBob,c\n": importer.ErrNoHeader,
		"PK\x03\x04rest":        importer.ErrNotText,
		"\xff\xfe\x00\x00e\x00": importer.ErrNotText,
		"\xd0\xcf\x11\xe0\xa1":  importer.ErrNotText,
	} {
		if _, err := importer.NewReader(strings.NewReader(text), importer.Options{}); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
	var refused *importer.RecordError
	if _, err := importer.NewReader(strings.NewReader("email,\"name\n"), importer.Options{}); !errors.As(err, &refused) || refused.Line != 1 {
		t.Errorf("open quote in the header: %v", err)
	}
	for _, opt := range []importer.Options{{Encoding: "ebcdic"}, {Delimiter: '"'}, {Delimiter: '\n'}, {Delimiter: 'é'}, {Delimiter: -1}, {MaxRecord: -1}} {
		if _, err := importer.NewReader(strings.NewReader("email\na\n"), opt); err == nil {
			t.Errorf("%+v was taken", opt)
		}
	}
}

func TestReader_PassesOnWhatTheSourceFailedWith(t *testing.T) {
	broken := errors.New("connection lost")
	r, err := importer.NewReader(io.MultiReader(
		strings.NewReader("email,name\n"+strings.Repeat("a@b.fr,Ann\n", 20_000)+"c@d.fr,half"),
		iotest.ErrReader(broken)), importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; err == nil; n++ {
		_, err = r.Next()
	}
	if n != 20_001 || !errors.Is(err, broken) {
		t.Errorf("%d calls, then %v; half a record must not be given", n, err)
	}
	if _, err = importer.NewReader(iotest.ErrReader(broken), importer.Options{}); !errors.Is(err, broken) {
		t.Errorf("at the head: %v", err)
	}
}

func BenchmarkReader(b *testing.B) {
	const rows = 100_000
	for name, row := range map[string]string{
		"plain":  "marie.dupont%06d@example.com,Marie,Paris\n",
		"quoted": "\"marie.dupont%06d@example.com\",\"Marie\",\"Paris, \"\"la\"\"\"\n",
		"utf8":   "marie.dupont%06d@example.com,Zoé,Besançon\n",
	} {
		var text strings.Builder
		text.WriteString("email,name,city\n")
		for i := range rows {
			fmt.Fprintf(&text, row, i)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(text.Len()))
			for b.Loop() {
				r, err := importer.NewReader(strings.NewReader(text.String()), importer.Options{})
				n := 0
				for ; err == nil; n++ {
					_, err = r.Next()
				}
				if n != rows+1 || err != io.EOF {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
