package preflight_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// Each code of this package has a line in the docs, and each line a code.
func TestDocs_HaveALineForEachCode(t *testing.T) {
	text, err := os.ReadFile("../docs/preflight.md")
	if err != nil {
		t.Fatal(err)
	}
	var told, given []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllSubmatch(text, -1) {
		told = append(told, string(m[1]))
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(files, "../campaign/jump.go") {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?:Code: +|f\.Code, f\.Severity, f\.Message = )"([a-z_]+)"`).FindAllSubmatch(source, -1) {
			given = append(given, string(m[1]))
		}
	}
	slices.Sort(told)
	slices.Sort(given)
	given = slices.Compact(given)
	if !slices.Equal(told, given) {
		t.Errorf("the docs have %q, the code %q", told, given)
	}
}
