// Command mutants takes the guards of the laws out of the program, one at a
// time, and looks whether the test that names it fails. Nothing is changed on
// disk: each mutant is an overlay of the build (go help build, -overlay).
//
//	make mutants                all of them, as docs/measured/guards.md
//	make mutants ARGS='law 3:'  those whose law or guard contains the words
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
	"sync"
)

const (
	sqlite   = "SQLite"
	postgres = "PostgreSQL"
	server   = "FACTEUR_TEST_POSTGRES_URL" // names the server of the tests
)

func main() {
	root := flag.String("root", ".", "the project's folder")
	jobs := flag.Int("jobs", 2, "how many mutants are tried at once")
	flag.Parse()
	if err := run(*root, *jobs, strings.Join(flag.Args(), " ")); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// verdict is whether a mutant's test failed.
type verdict struct {
	seen bool
	err  error // it could not be tried
}

func run(root string, jobs int, only string) error {
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
	var list []mutant
	for _, m := range mutants() {
		if strings.Contains("law "+m.law+": "+m.guard, only) {
			list = append(list, m)
		}
	}
	verdicts, places := make([]chan verdict, len(list)), make(chan struct{}, max(1, jobs))
	for i := range list {
		verdicts[i] = make(chan verdict, 1)
	}
	var trying sync.WaitGroup
	defer trying.Wait()
	trying.Go(func() {
		for i, m := range list {
			places <- struct{}{}
			trying.Go(func() {
				defer func() { <-places }()
				seen, err := m.seen(root, filepath.Join(temp, fmt.Sprint(i)))
				verdicts[i] <- verdict{seen, err}
			})
		}
	})
	return report(list, verdicts)
}

// stale says which guards are not there any more as they are listed, before
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

// report prints a row for each mutant, in the order of the list.
func report(list []mutant, verdicts []chan verdict) error {
	fmt.Println("| law | guard that was taken out | in | engine | test | seen |\n|---|---|---|---|---|---|")
	unseen := 0
	for i, m := range list {
		v, word := <-verdicts[i], "yes"
		if v.err != nil {
			fmt.Fprintf(os.Stderr, "mutants: %s: %v\n", m.guard, v.err)
		}
		if !v.seen {
			unseen++
			word = "**no**"
		}
		test := strings.ReplaceAll(strings.Trim(m.test, "^$"), "$/^", "/")
		fmt.Printf("| %s | %s | `%s` | %s | `%s` | %s |\n", m.law, m.guard, m.file, m.where(), test, word)
	}
	fmt.Printf("\n%d guards were taken out, one at a time; %d went unnoticed.\n", len(list), unseen)
	if unseen > 0 {
		return fmt.Errorf("%d of %d went unnoticed", unseen, len(list))
	}
	return nil
}

func (m mutant) where() string {
	if m.engine == "" {
		return sqlite
	}
	return m.engine
}

// seen tells whether the mutant's test fails. That the test passes on the
// program as it is, make test shows.
func (m mutant) seen(root, temp string) (bool, error) {
	overlay, err := m.overlay(root, temp)
	if err != nil {
		return false, err
	}
	pkg := "./" + m.pkg
	if m.pkg == "" {
		pkg = "./" + filepath.Dir(m.file)
	}
	test := exec.Command("go", "test", "-overlay="+overlay, "-count=1", "-vet=off", "-timeout=5m", "-run", m.test, pkg)
	test.Dir = root
	if test.Env = os.Environ(); m.where() == sqlite {
		test.Env = append(test.Env, server+"=", "CI=")
	} else if os.Getenv(server) == "" {
		return false, fmt.Errorf("this guard shows on PostgreSQL, and %s names no server: use make mutants", server)
	}
	out, err := test.CombinedOutput()
	switch {
	case strings.Contains(string(out), "[build failed]") || strings.Contains(string(out), "[setup failed]"):
		return false, fmt.Errorf("the mutant does not compile:\n%s", out)
	case strings.Contains(string(out), "no tests to run"):
		return false, fmt.Errorf("no test is named %s", m.test)
	}
	return err != nil, nil
}

// overlay writes the file without its guard, and returns what lays it over.
func (m mutant) overlay(root, temp string) (string, error) {
	path := filepath.Join(root, m.file)
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(temp, 0o700); err != nil {
		return "", err
	}
	changed, overlay := filepath.Join(temp, "mutant.go"), filepath.Join(temp, "overlay.json")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		return "", err
	}
	return overlay, os.WriteFile(overlay, list, 0o600)
}
