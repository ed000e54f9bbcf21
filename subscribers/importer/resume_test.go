package importer_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"facteur/subscribers/importer"

	"pgregory.net/rapid"
)

// failer is what tests, fuzzing and rapid have in common.
type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// outcome is what one call of Next gave, and the state behind it.
type outcome struct {
	said  string
	state importer.State
}

func outcomes(t failer, r *importer.Reader) (all []outcome) {
	t.Helper()
	for last := r.State().Offset; ; {
		record, err := r.Next()
		state := r.State()
		var refused *importer.RecordError
		switch {
		case err == io.EOF:
			return all
		case errors.As(err, &refused):
			all = append(all, outcome{fmt.Sprintf("%+v", *refused), state})
		case err != nil:
			t.Fatal(err)
		default:
			if record.Offset != state.Offset {
				t.Fatalf("the record ends at %d, the state is at %d", record.Offset, state.Offset)
			}
			all = append(all, outcome{show(record), state})
		}
		if state.Offset <= last {
			t.Fatalf("the offset went from %d to %d", last, state.Offset)
		}
		last = state.Offset
	}
}

// resumeEverywhere reads source to the end, then again from each state on the way.
func resumeEverywhere(t failer, source []byte, r *importer.Reader) []outcome {
	t.Helper()
	states := []importer.State{r.State()}
	all := outcomes(t, r)
	for _, o := range all {
		states = append(states, o.state)
	}
	step := 1 + len(states)/40
	for i := 0; i < len(states); i += step {
		kept, err := json.Marshal(states[i])
		if err != nil {
			t.Fatal(err)
		}
		var state importer.State
		if err := json.Unmarshal(kept, &state); err != nil {
			t.Fatal(err)
		}
		resumed, err := importer.Resume(bytes.NewReader(source), state)
		if err != nil {
			t.Fatal(err)
		}
		if got := outcomes(t, resumed); len(got) != len(all)-i || len(got) > 0 && !reflect.DeepEqual(got, all[i:]) {
			t.Fatalf("resumed from %s:\n got %+v\nwant %+v", kept, got, all[i:])
		}
	}
	return all
}

func TestReader_ReadsBackWhatWasWritten(t *testing.T) {
	field := rapid.OneOf(
		rapid.StringOfN(rapid.SampledFrom([]rune("ab\"\n\r,;é🦄 \t|'")), 0, 12, -1),
		rapid.StringMatching(`[a-z]{1,8}@[a-z]{1,8}\.fr`),
		rapid.Just(strings.Repeat("long\r\n", 30)),
	)
	rapid.Check(t, func(t *rapid.T) {
		columns := rapid.IntRange(2, 5).Draw(t, "columns")
		records := rapid.SliceOfN(rapid.SliceOfN(field, columns, columns), 0, 20).Draw(t, "records")
		var text bytes.Buffer
		w := csv.NewWriter(&text)
		w.Comma = rapid.SampledFrom([]rune(",;\t|")).Draw(t, "delimiter")
		w.Write([]string{"email", "b", "c", "d", "e"}[:columns])
		w.WriteAll(records)

		source := text.Bytes()
		switch rapid.IntRange(0, 3).Draw(t, "encoding") {
		case 1:
			source = []byte("\xff\xfe" + inUTF16(text.String(), 0))
		case 2:
			source = []byte("\xfe\xff" + inUTF16(text.String(), 1))
		case 3:
			source = []byte("\ufeff" + text.String())
		}
		r, err := importer.NewReader(bytes.NewReader(source), importer.Options{Delimiter: w.Comma})
		if err != nil {
			t.Fatal(err)
		}
		all := resumeEverywhere(t, source, r)
		if len(all) != len(records) {
			t.Fatalf("%d records were written, %d read: %q", len(records), len(all), text.String())
		}
		for i, record := range records {
			if _, fields, _ := strings.Cut(all[i].said, ": "); fields != strings.Join(record, "|") {
				t.Fatalf("record %d: wrote %q, read %q", i, record, fields)
			}
		}
	})
}

func TestResume_GoesOnBehindFaults(t *testing.T) {
	text := "email,name\na,1\nb,\"open\nc,3\nd,\"4\ne,5,6\n\nf,\"6\n6\"x\ng,\"7\"\n" + strings.Repeat("y", 90) + "\nh,\"8\nopen"
	for _, maxRecord := range []int{30, 60, 1000} {
		r := newReader(t, text, importer.Options{MaxRecord: maxRecord})
		if all := resumeEverywhere(t, []byte(text), r); len(all) < 8 {
			t.Errorf("with %d: %+v", maxRecord, all)
		}
	}
}

func TestResume_RefusesAStateThatIsNone(t *testing.T) {
	good := newReader(t, "email\na\n", importer.Options{}).State()
	for why, spoil := range map[string]func(*importer.State){
		"encoding":  func(s *importer.State) { s.Encoding = "" },
		"delimiter": func(s *importer.State) { s.Delimiter = "" },
		"columns":   func(s *importer.State) { s.Columns = nil },
		"offset":    func(s *importer.State) { s.Offset = -1 },
		"line":      func(s *importer.State) { s.Line = 0 },
	} {
		state := good
		spoil(&state)
		if _, err := importer.Resume(strings.NewReader("email\na\n"), state); err == nil {
			t.Errorf("a state without %s was taken", why)
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range []string{
		"email,name\na@b.fr,Ann\n", "email;name\r\n\"a\";\"b\"\"c\"\r\n", "email,name\ra,\"1\n2\"\r\n\r\nb", "sep=;\na;b\n1;2;3\n",
		"email,name\na,\"1\nb,\"2\"\nc,3", "a\",\"c\na\",\"c\n", "\xff\xfe" + inUTF16("email,name\na,🦄\n", 0), inUTF16("email;x\n1;2\n", 1) + "y",
		"email,name\na,Zo\xe9\n", "\ufeffemail\nx\x00\n", "email,name\n" + strings.Repeat("z", 99) + "\na, \"b\" ,\n",
	} {
		f.Add([]byte(s), uint16(20))
	}
	f.Fuzz(func(t *testing.T, source []byte, maxRecord uint16) {
		r, err := importer.NewReader(bytes.NewReader(source), importer.Options{MaxRecord: int(maxRecord)})
		if err != nil {
			return
		}
		resumeEverywhere(t, source, r)
		if end := r.State().Offset; end < int64(len(source)) {
			t.Fatalf("the reader ended at %d of %d bytes", end, len(source))
		}
	})
}
