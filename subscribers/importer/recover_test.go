package importer_test

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"facteur/subscribers/importer"
)

func TestReader_GivesUpOneLineForEachFault(t *testing.T) {
	small := importer.Options{MaxRecord: 40}
	long := strings.Repeat("x", 100)
	for _, c := range []struct {
		why, text string
		opt       importer.Options
		want      []string
	}{
		{"too many fields", "email,name\na,1,2\nb,2\n", importer.Options{}, []string{"2! too_many_fields", "3: b|2"}},
		{"too many fields over two lines", "email,name\na,\"1\n\",2\nb,2\n", importer.Options{}, []string{"2! too_many_fields", "4: b|2"}},
		{"text after a quote", "email,name\na,\"1\"x\nb,2\n", importer.Options{}, []string{"2! text_after_quote", "3: b|2"}},
		{"open quote up to the end", "email,name\na,\"1\nb,2\nc,3\n", importer.Options{}, []string{"2! open_quote", "3: b|2", "4: c|3"}},
		{"open quote met by another", "email,name\na,\"1\nb,\"2\"\nc,3\n", importer.Options{}, []string{"2! text_after_quote", "3: b|2", "4: c|3"}},
		{"open quote, then a good quoted line", "email,name\na,\"1\n\"b\",\"2\"\nc,3\n", importer.Options{}, []string{"2! text_after_quote", "3: b|2", "4: c|3"}},
		{"two open quotes", "email,name\na,\"1\nb,2\nc,\"3\nd,4\n", importer.Options{}, []string{"2! text_after_quote", "3: b|2", "4! open_quote", "5: d|4"}},
		{
			"open quote beyond the longest record", "email,name\na,\"1\nb,2\nc,3\nd," + long[:20] + "\ne,5\nf,\"6\n6\"\n", small,
			[]string{"2! record_too_long", "3: b|2", "4: c|3", "5: d|" + long[:20], "6: e|5", "7: f|6\n6"},
		},
		{"too long a line", "email,name\na," + long + "\nb,2\n", small, []string{"2! record_too_long", "3: b|2"}},
		{"too long a line in CR", "email,name\ra," + long + "\rb,2\r", small, []string{"2! record_too_long", "3: b|2"}},
		{"too long a line in CRLF", "email,name\r\na," + long + "\r\nb,2\r\n", small, []string{"2! record_too_long", "3: b|2"}},
		{"too long a last line", "email,name\na," + long, small, []string{"2! record_too_long"}},
		{"too long a quoted field", "email,name\na,\"" + long + "\"\nb,2\n", small, []string{"2! record_too_long", "3: b|2"}},
		{"just long enough", "email,name\na," + long[:38] + "\r\nb," + long[:38], small, []string{"2: a|" + long[:38], "3: b|" + long[:38]}},
		{"one byte too long", "email,name\na," + long[:39] + "\nb," + long[:39], small, []string{"2! record_too_long", "3! record_too_long"}},
		{"every line at fault", "email,name\n" + strings.Repeat("\"x\n", 3), importer.Options{}, []string{"2! text_after_quote", "3! open_quote", "4! open_quote"}},
	} {
		expect(t, c.why, c.text, c.opt, c.want...)
	}
}

func TestRecordError_SaysWhereAndWhat(t *testing.T) {
	r := newReader(t, "email;name\na;1;2\n", importer.Options{})
	_, err := r.Next()
	const want = `line 2: 3 fields, but there are 2 columns; a field that holds ';' needs quotes`
	var refused *importer.RecordError
	if !errors.As(err, &refused) || err.Error() != want || refused.Excerpt != "a;1;2" {
		t.Errorf("got %v, excerpt %q\nwant %s", err, refused.Excerpt, want)
	}
	r = newReader(t, "email\n\""+strings.Repeat("é", 300)+"\n", importer.Options{})
	if _, err = r.Next(); !errors.As(err, &refused) || len(refused.Excerpt) > 210 || !strings.HasSuffix(refused.Excerpt, "…") {
		t.Errorf("excerpt %q", refused.Excerpt)
	}
}

// endless is a line that never ends within n bytes, made as it is read.
func endless(n int64) io.Reader { return io.LimitReader(repeat('x'), n) }

type repeat byte

func (c repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c)
	}
	return len(p), nil
}

func TestReader_SkipsAHugeLineInBoundedMemory(t *testing.T) {
	const size = 64 << 20
	r, err := importer.NewReader(io.MultiReader(
		strings.NewReader("email,name\na,1\nb,\""), endless(size), strings.NewReader("\"\nc,3\n")), importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := read(t, r)
	runtime.ReadMemStats(&after)
	if want := "2: a|1 3! record_too_long 4: c|3"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %s", got, want)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("%d bytes were allocated on the way", grown)
	}
}

// Lines that leave a quote open whether they are read from their start or from
// within quotes would be scanned again and again, up to the longest record each.
func TestReader_TakesLinearTimeOnHostileQuotes(t *testing.T) {
	for _, line := range []string{"a\",\"c\n", "\"\n", "\"\"\"\n", "a,\"\"\n\"", "\"a\n\n\n\n"} {
		text := "email,name\n" + strings.Repeat(line, 4<<20/len(line))
		start := time.Now()
		read(t, newReader(t, text, importer.Options{}))
		// 4 MiB take well under a second; in square they would take many minutes.
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%q: %v", line, took)
		}
	}
}
