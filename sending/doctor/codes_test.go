package doctor_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs/doctor.md lists exactly the codes that there are.
func TestCodes_AreThoseOfTheDocument(t *testing.T) {
	var real []string
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	prefixes := map[string][]string{"prefix": {"mx_", "return_path_"}, "code": {"mta_sts", "tls_rpt"}}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?:add\([\w.]+, |unlearned\()(?:(\w+)\+)?"([a-z_]+)"`).FindAllStringSubmatch(string(text), -1) {
			if m[1] == "" {
				real = append(real, m[2])
			}
			for _, prefix := range prefixes[m[1]] {
				real = append(real, prefix+m[2])
			}
		}
	}
	text, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "<!-- codes -->")
	var shown []string
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[1], -1) {
				shown = append(shown, m[1])
			}
		}
	}
	for _, list := range []*[]string{&real, &shown} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	if len(real) < 60 || !slices.Equal(real, shown) {
		t.Errorf("the code has  %s\nthe document %s", real, shown)
	}
}
