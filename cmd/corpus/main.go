// Command corpus measures how well mails that came back are understood: it
// reads a folder of them with an expected.json beside, and prints what was
// missed, what was taken for worse than it is, and whom it could not name.
//
//	go run ./cmd/corpus FOLDER
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"facteur/feedback/parse"
)

// fact is what is known of one recipient.
type fact struct {
	Index  int    `json:"index"`
	Hard   bool   `json:"hard"`
	Reason string `json:"reason"`
	Reply  string `json:"reply"`
	Status string `json:"status"`
}

// tally is what was found over all.
type tally struct {
	dead, missed      int // recipients gone for good; of them not seen as such
	others, wronged   int // all others; of them called dead
	strange, mistaken int // complaints and automatic answers; of them taken for something else
	mails, nameless   int // bounces; of them without a recipient
}

func main() {
	verbose := flag.Bool("v", false, "print every report")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: corpus [-v] FOLDER   (of .eml files, with expected.json)")
		os.Exit(2)
	}
	if err := measure(flag.Arg(0), *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(1)
	}
}

func measure(dir string, verbose bool) error {
	text, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if err != nil {
		return err
	}
	expected := map[string][]fact{}
	if err := json.Unmarshal(text, &expected); err != nil {
		return fmt.Errorf("expected.json: %w", err)
	}
	var names []string
	for name := range expected {
		names = append(names, name)
	}
	slices.Sort(names)
	var t tally
	for _, name := range names {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		got := parse.Message(f).Reports
		if err := f.Close(); err != nil {
			return err
		}
		t.add(name, expected[name], got, verbose)
	}
	fmt.Printf("| what | of | found | wanted |\n|---|---|---|---|\n")
	fmt.Printf("| dead addresses missed | %d | %d | at most %d (1 in 40) |\n", t.dead, t.missed, t.dead/40)
	fmt.Printf("| others called dead | %d | %d | at most %d (1 in 50) |\n", t.others, t.wronged, t.others/50)
	fmt.Printf("| complaints and automatic answers taken for bounces | %d | %d | 0 |\n", t.strange, t.mistaken)
	fmt.Printf("| bounces without a recipient | %d | %d | at most %d (3%%) |\n", t.mails, t.nameless, t.mails*3/100)
	return nil
}

// add compares one mail with its facts. A mail whose facts differ from
// recipient to recipient is compared one by one where the numbers agree.
func (t *tally) add(name string, want []fact, got []parse.Report, verbose bool) {
	say := func(format string, args ...any) { fmt.Printf("%-32s %s\n", name, fmt.Sprintf(format, args...)) }
	if verbose {
		for _, r := range got {
			say("%s %s %s %d %s | %.160s", r.Kind, r.Recipient, r.Status, r.Code, r.Class, r.Diagnostic)
		}
	}
	if reason := want[0].Reason; reason == "feedback" || reason == "vacation" {
		t.strange++
		if kind := got[0].Kind; reason == "feedback" && kind != parse.Complaint || reason == "vacation" && kind != parse.AutoReply {
			t.mistaken++
			say("%s is taken for %s", reason, kind)
		}
		return
	}
	t.mails++
	if got[0].Recipient == "" {
		t.nameless++
		say("nobody is named (%s)", got[0].Kind)
	}
	for i, w := range want {
		r := got[min(i, len(got)-1)]
		switch {
		case w.Hard:
			if t.dead++; !r.Hard() {
				t.missed++
				say("missed: %s %s %s is %s %s %s | %.200s", w.Reason, w.Status, w.Reply, r.Kind, r.Class, r.Status, strings.ReplaceAll(r.Diagnostic, "\n", " "))
			}
		default:
			if t.others++; r.Hard() {
				t.wronged++
				say("wronged: %s %s %s is %s %s | %.200s", w.Reason, w.Status, w.Reply, r.Class, r.Status, strings.ReplaceAll(r.Diagnostic, "\n", " "))
			}
		}
	}
}
