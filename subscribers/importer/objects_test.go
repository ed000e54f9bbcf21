package importer_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"facteur/subscribers/importer"
)

const people = "\xef\xbb\xbf" + `{"email":"ada@example.org","age":42,"tags":["a",{"b":1}]}
` + "\r\n" + `
not json
{"email":"bob@example.org","email":"later@example.org","q":"\u00e9\n"}
{"open":
["array"]
{"a":1} {"b":2}
` + "{\"nul\":\"\x00\"}\n{\"latin\":\"\xe9\"}\n" + `  {"last":null}`

// objectsFrom reads all objects from a state on, a line each.
func objectsFrom(t testing.TB, text string, s importer.State) (lines []string, states []importer.State) {
	t.Helper()
	o, err := importer.NewObjects(strings.NewReader(text), s)
	if err != nil {
		t.Fatal(err)
	}
	for {
		object, err := o.Next()
		var bad *importer.RecordError
		switch {
		case err == io.EOF:
			return lines, states
		case errors.As(err, &bad):
			lines = append(lines, fmt.Sprintf("%d %s", bad.Line, bad.Reason))
		case err != nil:
			t.Fatal(err)
		default:
			line := fmt.Sprint(object.Line)
			for _, f := range object.Fields {
				line += fmt.Sprintf(" %s=%q", f.Name, f.Text)
			}
			lines = append(lines, line)
		}
		states = append(states, o.State())
	}
}

func TestObjects_ReadsALineEach(t *testing.T) {
	got, _ := objectsFrom(t, people, importer.State{})
	want := []string{
		`1 email="ada@example.org" age="42" tags="[\"a\",{\"b\":1}]"`, "4 not_json", `5 email="later@example.org" q="é\n"`, "6 not_json", "7 not_json", "8 not_json", "9 nul_byte", "10 bad_encoding", `11 last="null"`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestObjects_GoOnFromEveryState(t *testing.T) {
	whole, states := objectsFrom(t, people, importer.State{})
	for i, s := range states {
		text, err := json.Marshal(s)
		var back importer.State
		if err == nil {
			err = json.Unmarshal(text, &back)
		}
		if err != nil || back.Format != importer.JSONL {
			t.Fatal(err, back)
		}
		if rest, _ := objectsFrom(t, people, back); strings.Join(rest, "\n") != strings.Join(whole[i+1:], "\n") {
			t.Errorf("behind object %d: %v", i, rest)
		}
	}
}

func TestObjects_BoundTheirMemory(t *testing.T) {
	long := `{"a":"` + strings.Repeat("x", 300_000) + `"}`
	got, _ := objectsFrom(t, long+"\n{\"b\":1}\n"+long, importer.State{})
	if strings.Join(got, "|") != `1 record_too_long|2 b="1"|3 record_too_long` {
		t.Error(got)
	}
	var wide bytes.Buffer
	wide.WriteByte('{')
	for i := range 600 {
		fmt.Fprintf(&wide, `"k%d":1,`, i)
	}
	wide.WriteString(`"z":1}`)
	if got, _ := objectsFrom(t, wide.String(), importer.State{}); strings.Join(got, "|") != "1 not_json" {
		t.Error(got)
	}
	deep := strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000)
	if got, _ := objectsFrom(t, deep, importer.State{MaxRecord: 1 << 20}); strings.Join(got, "|") != "1 not_json" {
		t.Error(got)
	}
}

func TestIsJSONL_LooksAtTheFirstCharacter(t *testing.T) {
	for head, want := range map[string]bool{"{": true, "\xef\xbb\xbf \n{\"a\"": true, "email\n": false, "": false, "[{": false, "\"{\"": false} {
		if importer.IsJSONL([]byte(head)) != want {
			t.Errorf("%q", head)
		}
	}
}

func FuzzObjects(f *testing.F) {
	f.Add([]byte(people))
	f.Add([]byte(`{"a":{"b":[1,2,{"c":null}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		whole, states := objectsFrom(t, string(text), importer.State{MaxRecord: 1000})
		if len(states) > 1 {
			at := len(states) / 2
			if rest, _ := objectsFrom(t, string(text), states[at]); strings.Join(rest, "\n") != strings.Join(whole[at+1:], "\n") {
				t.Fatalf("behind object %d: %q, whole %q", at, rest, whole)
			}
		}
	})
}

func BenchmarkObjects(b *testing.B) {
	var text bytes.Buffer
	for i := range 10_000 {
		fmt.Fprintf(&text, `{"email":"person.%07d@example.org","name":"Ann Person","city":"Clermont","age":%d}`+"\n", i, i%90)
	}
	for b.Loop() {
		o, err := importer.NewObjects(bytes.NewReader(text.Bytes()), importer.State{})
		if err != nil {
			b.Fatal(err)
		}
		for {
			if _, err := o.Next(); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(10_000*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
}
