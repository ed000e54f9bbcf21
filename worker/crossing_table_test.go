package worker_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"facteur/campaign"
)

// answer is what is right in a cell, in a few words; the two rules that it
// follows from are above the table.
func answer(k kind, d disturbance) string {
	switch {
	case d.ends == campaign.Cancelled && k.canary.Percent > 0:
		return "cancelled; who had begun; never passes"
	case d.ends == campaign.Cancelled:
		return "cancelled; who had begun"
	case d.name == "opt-out" && k.name == "lists":
		return "sent; all whom a list still reaches"
	case d.chooses:
		return "sent; all but those who went first"
	case d.extras > 0:
		return fmt.Sprintf("sent; all, at most %d twice", d.extras)
	case d.lift != nil:
		return "sent; all, none between"
	}
	return "sent; all, " + d.atMost
}

// crossings is the table as docs/crossings.md has it.
func crossings() string {
	var b strings.Builder
	b.WriteString("| campaign | what it is | what holds for it, whatever happens |\n|---|---|---|\n")
	for _, k := range kinds() {
		fmt.Fprintf(&b, "| **%s** | %s | %s |\n", k.name, k.is, k.holds)
	}
	b.WriteString("\n| disturbance | what happens | what is right |\n|---|---|---|\n")
	for _, d := range disturbances() {
		fmt.Fprintf(&b, "| **%s** | %s | %s |\n", d.name, d.is, d.answer)
	}
	b.WriteString("\n| |")
	for _, d := range disturbances() {
		b.WriteString(" " + d.name + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(disturbances())) + "\n")
	for _, k := range kinds() {
		b.WriteString("| **" + k.name + "** |")
		for _, d := range disturbances() {
			b.WriteString(" " + answer(k, d) + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestCrossings_DocumentShowsTheTable(t *testing.T) {
	text, err := os.ReadFile("../docs/crossings.md")
	if err != nil {
		t.Fatal(err)
	}
	const from, to = "<!-- crossings -->\n", "<!-- end -->"
	_, shown, ok := strings.Cut(string(text), from)
	shown, _, ended := strings.Cut(shown, to)
	if want := crossings(); !ok || !ended || shown != want {
		t.Errorf("docs/crossings.md does not show the table between %q and %q. It is:\n%s", from, to, want)
	}
}
