// Command mutants takes the guards of the laws out of the program, one at a
// time, and looks whether the test that names it fails. Nothing is changed on
// disk: each mutant is an overlay of the build (go help build, -overlay).
//
//	make mutants            all of them, as docs/measured/guards.md
//	make mutants ARGS=cap   those whose guard or law contains a word
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	root := flag.String("root", ".", "the project's folder")
	flag.Parse()
	if err := run(*root, strings.Join(flag.Args(), " ")); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(root, only string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := stale(root); err != nil {
		return err
	}
	fmt.Println("| law | guard that was taken out | in | test | seen |\n|---|---|---|---|---|")
	unseen, tried := 0, 0
	for _, m := range mutants() {
		if !strings.Contains(m.law+" "+m.guard, only) {
			continue
		}
		tried++
		seen, err := m.seen(root, temp)
		if err != nil {
			return fmt.Errorf("%s: %w", m.guard, err)
		}
		word := "yes"
		if !seen {
			unseen++
			word = "**no**"
		}
		fmt.Printf("| %s | %s | `%s` | `%s` | %s |\n", m.law, m.guard, m.file, strings.Trim(m.test, "^$"), word)
	}
	fmt.Printf("\n%d guards were taken out, one at a time; %d went unnoticed.\n", tried, unseen)
	if unseen > 0 {
		return fmt.Errorf("%d of %d went unnoticed", unseen, tried)
	}
	return nil
}

// stale says which guards are not there any more as they were listed, before
// the first is tried.
func stale(root string) (err error) {
	for _, m := range mutants() {
		text, e := os.ReadFile(filepath.Join(root, m.file))
		if e == nil && !strings.Contains(string(text), m.old) {
			e = fmt.Errorf("%s: %s has no %q any more: say what the guard is now", m.guard, m.file, m.old)
		}
		err = errors.Join(err, e)
	}
	return err
}

// seen tells whether the mutant's test fails. That the test passes on the
// program as it is, make test shows.
func (m mutant) seen(root, temp string) (bool, error) {
	path := filepath.Join(root, m.file)
	text, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	changed, overlay := filepath.Join(temp, "mutant.go"), filepath.Join(temp, "overlay.json")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600); err != nil {
		return false, err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		return false, err
	}
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		return false, err
	}
	pkg := "./" + m.pkg
	if m.pkg == "" {
		pkg = "./" + filepath.Dir(m.file)
	}
	test := exec.Command("go", "test", "-overlay="+overlay, "-count=1", "-vet=off", "-timeout=5m", "-run", m.test, pkg)
	test.Dir = root
	out, err := test.CombinedOutput()
	switch {
	case strings.Contains(string(out), "[build failed]") || strings.Contains(string(out), "[setup failed]"):
		return false, fmt.Errorf("the mutant does not compile:\n%s", out)
	case strings.Contains(string(out), "no tests to run"):
		return false, fmt.Errorf("no test is named %s", m.test)
	}
	return err != nil, nil
}
