package main_test

import (
	"bytes"
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facteur/internal/services"
)

func TestServices(t *testing.T) {
	program := filepath.Join(t.TempDir(), "services")
	if said, err := exec.Command("go", "build", "-buildvcs=false", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	bare := bareMachine(t)
	for name, test := range map[string]func(*testing.T, run){
		"RunsTheCommandBesideTheServersAndStopsThem":    besideServers,
		"PassesTheExitCode":                             exitCodes,
		"KeepsAVariableThatIsSet":                       keepsVariable,
		"NamesWhatIsMissingAndRunsTheCommandAllTheSame": missingIsNamed,
		"FailsInCIWhenSomethingIsMissing":               missingFailsInCI,
		"RefusesToWorkWithoutACCompiler":                noCompiler,
		"TakesTheServersAlongWhenKilled":                killed,
	} {
		t.Run(name, func(t *testing.T) {
			test(t, run{t: t, program: program, bare: bare, temp: reachable(t)})
		})
	}
}

func besideServers(t *testing.T, r run) {
	needAll(t)
	code, out, errors := r.services(nil, "--", "sh", "-c", `echo "$FACTEUR_TEST_POSTGRES_URL"; echo "$FACTEUR_TEST_REDIS_URL"`)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, errors)
	}
	urls := strings.Fields(out)
	if len(urls) != 2 || !strings.HasPrefix(urls[0], "postgres://") || !strings.HasPrefix(urls[1], "redis://") {
		t.Fatalf("the command saw %q, want a URL of PostgreSQL and one of Redis", out)
	}
	for _, u := range urls {
		if listens(t, u) {
			t.Errorf("%s still runs", u)
		}
	}
	if left, err := os.ReadDir(r.temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func exitCodes(t *testing.T, r run) {
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -9 $$": 128 + 9} {
		if code, _, errors := r.services(nil, "--need", "", "--", "sh", "-c", script); code != want {
			t.Errorf("%q: exit code %d, want %d: %s", script, code, want, errors)
		}
	}
	if code, _, _ := r.services(nil, "--need", "", "--", "no-such-command"); code != 127 {
		t.Errorf("a command that is not there: exit code %d, want 127", code)
	}
	code, _, errors := r.services(nil, "--need", "oracle", "--", "true")
	if code != 2 || !strings.Contains(errors, `"oracle"`) {
		t.Errorf("an unknown server: exit code %d, %q; want 2 and its name", code, errors)
	}
}

func keepsVariable(t *testing.T, r run) {
	environment := []string{"FACTEUR_TEST_REDIS_URL=redis://127.0.0.1:1/0", "CI=true"}
	// Nothing to look for on the bare machine, so nothing is missing.
	code, out, errors := r.onBareMachine(environment, "--need", "redis", "--", "sh", "-c", `echo "$FACTEUR_TEST_REDIS_URL"`)
	if code != 0 || out != "redis://127.0.0.1:1/0\n" {
		t.Errorf("exit code %d, the command saw %q: %s", code, out, errors)
	}
}

func missingIsNamed(t *testing.T, r run) {
	code, out, errors := r.onBareMachine(nil, "--need", "redis", "--", "sh", "-c", `echo "ran with '$FACTEUR_TEST_REDIS_URL'"`)
	if code != 0 || out != "ran with ''\n" {
		t.Errorf("exit code %d, the command said %q", code, out)
	}
	if want := "skipped: Redis tests; apt-get install redis-server\n"; errors != want {
		t.Errorf("it said %q, want %q", errors, want)
	}
}

func missingFailsInCI(t *testing.T, r run) {
	code, out, errors := r.onBareMachine([]string{"CI=true"}, "--need", "redis", "--", "echo", "ran")
	if code != 1 || out != "" || !strings.Contains(errors, "apt-get install redis-server") {
		t.Errorf("exit code %d, the command said %q, we said %q; want 1, nothing, and what is missing", code, out, errors)
	}
}

func noCompiler(t *testing.T, r run) {
	for variable, want := range map[string]string{"CC=no-such-cc -m64": "build-essential", "CGO_ENABLED=0": "CGO_ENABLED"} {
		code, out, errors := r.services([]string{variable}, "--need", "", "--", "echo", "ran")
		if code != 1 || out != "" || !strings.Contains(errors, want) {
			t.Errorf("%s: exit code %d, the command said %q, we said %q; want 1, nothing, and %s", variable, code, out, errors, want)
		}
	}
}

func killed(t *testing.T, r run) {
	needAll(t)
	_, out, _ := r.services(nil, "--", "sh", "-c", `echo "$FACTEUR_TEST_POSTGRES_URL $FACTEUR_TEST_REDIS_URL"; kill -9 $PPID`)
	urls := strings.Fields(out)
	if len(urls) != 2 {
		t.Fatalf("the command saw %q", out)
	}
	deadline := time.Now().Add(20 * time.Second)
	for _, u := range urls {
		for listens(t, u) {
			if time.Now().After(deadline) {
				t.Fatalf("%s outlived its parent", u)
			}
		}
	}
}

// run starts the program under test.
type run struct {
	t                   *testing.T
	program, bare, temp string
}

func (r run) services(environment []string, arguments ...string) (code int, out, errs string) {
	r.t.Helper()
	cmd := exec.Command(r.program, append([]string{"--no-install"}, arguments...)...)
	cmd.Env = append(os.Environ(), "CI=", "FACTEUR_TEST_POSTGRES_URL=", "FACTEUR_TEST_REDIS_URL=", "TMPDIR="+r.temp)
	cmd.Env = append(cmd.Env, environment...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

func (r run) onBareMachine(environment []string, arguments ...string) (code int, out, errs string) {
	r.t.Helper()
	return r.services(append(environment, "PATH="+r.bare), arguments...)
}

// bareMachine is a PATH with little more than a shell on it.
func bareMachine(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"sh", "echo"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// needAll skips the test where a server is not installed; with CI=true it fails.
func needAll(t *testing.T) {
	t.Helper()
	for _, part := range services.Parts() {
		if err := part.Find(); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip("skipped:", err)
		}
	}
}

// reachable is a folder that the account of PostgreSQL can get to.
func reachable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "services-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func listens(t *testing.T, server string) bool {
	t.Helper()
	at, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", at.Host)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
