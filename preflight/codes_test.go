package preflight_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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

// The table of the deliverability manual names codes that there are.
func TestDocs_TheManualsTableNamesRealCodes(t *testing.T) {
	known := ""
	for _, name := range []string{"preflight.md", "doctor.md"} {
		text, err := os.ReadFile("../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		known += string(text)
	}
	text, err := os.ReadFile("../docs/deliverability.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("`([a-z]+(?:_[a-z0-9]+)+)`").FindAllStringSubmatch(string(text), -1) {
		if code := "`" + m[1] + "`"; !strings.Contains(known, code) && m[1] != "egress_ips" {
			t.Errorf("%s is no code", code)
		}
	}
}
