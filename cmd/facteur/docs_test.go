package main_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"facteur/internal/rig"
)

// The documents are true: the README's quick start and then the commands of
// docs/operating.md are run word by word, on other ports, and the table of
// settings is the one that the program prints.
func TestDocs_SayWhatTheProgramDoes(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "bin/facteur")
	if out, err := exec.Command("go", "build", "-o", binary, "facteur/cmd/facteur").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	t.Run("quick start", func(t *testing.T) { quickStart(t, dir) })
	t.Run("settings", func(t *testing.T) { settings(t, binary) })
}

// Every link from a document to a file of ours leads somewhere.
func TestDocs_LinksLeadSomewhere(t *testing.T) {
	files := []string{"README.md", "CHANGELOG.md"}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			rel, _ := filepath.Rel(root, path) // both begin alike
			files = append(files, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`) // no colon: what has a scheme is not ours
	code := regexp.MustCompile("`[^`\n]*`")                  // and what is code is no link
	for _, file := range files {
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(read(t, file), "``"), -1) {
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(file), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", file, m[1], err)
			}
		}
	}
}

// quickStart follows the README in dir, where bin/facteur is, and goes on with
// docs/operating.md.
func quickStart(t *testing.T, dir string) {
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
	defer cancel()
	readme, operating := read(t, "README.md"), read(t, "docs/operating.md")
	ports := map[string]int{}
	for _, documented := range []string{"8080", "2525", "2580"} {
		port, err := rig.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		ports[documented] = port
		for _, text := range []*string{&readme, &operating} {
			*text = strings.ReplaceAll(*text, "127.0.0.1:"+documented, "127.0.0.1:"+strconv.Itoa(port))
		}
	}
	readme = strings.ReplaceAll(readme, `"port": 2525`, fmt.Sprintf(`"port": %d`, ports["2525"]))
	readme = strings.ReplaceAll(readme, "bin/facteur sandbox\n", fmt.Sprintf("bin/facteur sandbox --addr 127.0.0.1:%d --control 127.0.0.1:%d\n", ports["2525"], ports["2580"]))

	background := blocks(readme, "tested, left running")
	if len(background) != 2 {
		t.Fatalf("the README leaves %d commands running, want 2", len(background))
	}
	for _, script := range background {
		leaveRunning(t, dir, script, fmt.Sprintf("FACTEUR_HTTP_ADDR=127.0.0.1:%d", ports["8080"]))
	}
	await(t, ctx, fmt.Sprintf("http://127.0.0.1:%d/counts", ports["2580"]))
	await(t, ctx, fmt.Sprintf("http://127.0.0.1:%d/readyz", ports["8080"]))

	follow(t, ctx, dir, "README.md", readme)
	follow(t, ctx, dir, "docs/operating.md", operating, fmt.Sprintf("FACTEUR_HTTP_ADDR=127.0.0.1:%d", ports["8080"]))
}

// follow runs the commands of a document in one shell and looks for what it
// says that they print.
func follow(t *testing.T, ctx context.Context, dir, name, document string, env ...string) {
	t.Helper()
	cmd := shell(ctx, dir, "set -eu\n"+strings.Join(blocks(document, "tested"), "\n"))
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the commands of %s ended with %v:\n%s", name, err, out)
	}
	for _, text := range blocks(document, "printed") {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); !bytes.Contains(out, []byte(line)) {
				t.Errorf("%s shows %s; the commands printed:\n%s", name, line, out)
			}
		}
	}
}

// settings compares the table in docs/operating.md with facteur config.
func settings(t *testing.T, binary string) {
	cmd := exec.Command(binary, "config")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var real, shown []string
	for _, m := range regexp.MustCompile(`(?m)^(FACTEUR_\w+)=.*\n.*\n    default: (.*); unit: `).FindAllStringSubmatch(string(out), -1) {
		real = append(real, m[1]+" "+m[2])
	}
	table := section(t, read(t, "docs/operating.md"), "settings")
	for _, m := range regexp.MustCompile("(?m)^\\| `(FACTEUR_\\w+)` \\| `?([^|`]+)`? \\|").FindAllStringSubmatch(table, -1) {
		shown = append(shown, m[1]+" "+strings.TrimSpace(m[2]))
	}
	if len(real) == 0 || !slices.Equal(real, shown) {
		t.Errorf("facteur config prints\n%s\n\ndocs/operating.md has\n%s", strings.Join(real, "\n"), strings.Join(shown, "\n"))
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks are the contents of the fenced blocks under <!-- mark -->.
func blocks(text, mark string) []string {
	var found []string
	for _, part := range strings.Split(text, "<!-- "+mark+" -->\n```")[1:] {
		part, _, _ = strings.Cut(part, "\n```")
		_, part, _ = strings.Cut(part, "\n")
		found = append(found, part+"\n")
	}
	return found
}

// shell runs a script as its reader would, who has set nothing.
func shell(ctx context.Context, dir, script string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + dir, "no_proxy=127.0.0.1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// leaveRunning starts a script and ends it with the test, by SIGTERM.
func leaveRunning(t *testing.T, dir, script, env string) {
	t.Helper()
	cmd := shell(context.Background(), dir, script)
	cmd.Env = append(cmd.Env, env)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		_ = cmd.Wait() // of a signal
		if t.Failed() {
			t.Logf("%s printed:\n%s", strings.TrimSpace(script), out.String())
		}
	})
}

// await waits until an address answers with success.
func await(t *testing.T, ctx context.Context, url string) {
	t.Helper()
	for {
		if res, err := http.Get(url); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", url, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
