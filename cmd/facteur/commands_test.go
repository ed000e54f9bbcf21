package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"facteur/internal/database/databasetest"
	"facteur/internal/rig"
)

// operator runs commands as one who has set only what env says.
type operator struct {
	binary, dir string
	env         []string
}

// run runs a command and returns what it printed and its exit code.
func (o operator) run(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, o.binary, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = o.dir, append([]string{"PATH=" + os.Getenv("PATH")}, o.env...), strings.NewReader(stdin)
	var out, diagnosis bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnosis
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), diagnosis.String(), cmd.ProcessState.ExitCode()
}

// refused is a command that must fail and say so.
func (o operator) refused(t *testing.T, says string, args ...string) {
	t.Helper()
	if out, diagnosis, code := o.run(t, "", args...); code == 0 || !strings.Contains(diagnosis, says) {
		t.Errorf("facteur %s ended with %d and does not say %q:\n%s%s", strings.Join(args, " "), code, says, out, diagnosis)
	}
}

// done is a command that must succeed; it returns what it printed.
func (o operator) done(t *testing.T, args ...string) string {
	t.Helper()
	out, diagnosis, code := o.run(t, "", args...)
	if code != 0 {
		t.Fatalf("facteur %s ended with %d:\n%s%s", strings.Join(args, " "), code, out, diagnosis)
	}
	return out
}

// with is the operator with more settings.
func (o operator) with(env ...string) operator {
	o.env = append(append([]string{}, o.env...), env...)
	return o
}

// status is what a call with a token is answered with.
func statusOf(t *testing.T, p *rig.Process, path, token string) int {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.Addr+"/api/v1"+path, nil)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func TestCommands_OfAnOperator(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "facteur")
	if out, err := exec.Command("go", "build", "-o", binary, "facteur/cmd/facteur").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	t.Run("first token", func(t *testing.T) { firstToken(t, binary) })
	t.Run("PostgreSQL", func(t *testing.T) { tokensBesideAServer(t, binary) })

	p, o := start(t, binary, nil)
	admin := o.with("FACTEUR_ADMIN_TOKEN=" + rig.Token)
	t.Run("status", func(t *testing.T) { status(t, p, o, admin) })
	t.Run("tokens", func(t *testing.T) { tokens(t, p, o, admin) })
	t.Run("import", func(t *testing.T) { importing(t, p, o, admin) })
}

// start starts a server and returns it with an operator on its host, who has no token.
func start(t *testing.T, binary string, env []string) (*rig.Process, operator) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	p, err := rig.New(binary, dir, env, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	return p, operator{binary, t.TempDir(), append([]string{"FACTEUR_DATA_DIR=" + dir, "FACTEUR_HTTP_ADDR=" + p.Addr}, env...)}
}

// firstToken makes a token before any server has run, and starts one that has
// no token of the settings.
func firstToken(t *testing.T, binary string) {
	dir := filepath.Join(t.TempDir(), "data")
	p, err := rig.New(binary, dir, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	o := operator{binary, t.TempDir(), []string{"FACTEUR_DATA_DIR=" + dir, "FACTEUR_HTTP_ADDR=" + p.Addr}}
	secret := strings.TrimSpace(o.done(t, "token", "--name", "website", "--scopes", "lists:read,subscribers:write"))
	if !regexp.MustCompile(`^fct_\S{43}$`).MatchString(secret) {
		t.Fatalf("%q is no secret", secret)
	}
	o.refused(t, "is unknown", "token", "--name", "x", "--scopes", "everything")
	o.refused(t, "missing flags: --name", "token", "--scopes", "*")
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Kill() }()
	if a, b := statusOf(t, p, "/lists", secret), statusOf(t, p, "/relays", secret); a != 200 || b != 403 {
		t.Errorf("the token got %d for lists and %d for relays", a, b)
	}
	o.refused(t, "a server has the database", "token", "--name", "x", "--scopes", "*")
	o.refused(t, "lacks the scope tokens:write", "token", "--name", "x", "--scopes", "*", "--token", secret)
}

// tokensBesideAServer makes one on PostgreSQL without a token, while a server runs.
func tokensBesideAServer(t *testing.T, binary string) {
	p, o := start(t, binary, []string{"FACTEUR_DATABASE_URL=" + databasetest.Postgres(t)})
	secret := strings.TrimSpace(o.done(t, "token", "--name", "all", "--scopes", "*"))
	if code := statusOf(t, p, "/relays", secret); code != 200 {
		t.Error(code)
	}
	if out := o.done(t, "status", "--token", secret); strings.Count(out, " pid ") != 1 {
		t.Errorf("a process that only made a token still shows:\n%s", out)
	}
}

func tokens(t *testing.T, p *rig.Process, o, admin operator) {
	secret := strings.TrimSpace(admin.done(t, "token", "make", "--name", "reader", "--scopes", "lists:read"))
	if code := statusOf(t, p, "/lists", secret); code != 200 {
		t.Fatal(code)
	}
	row := regexp.MustCompile(`(?m)^(\d+) +reader +lists:read +\S+Z +-$`).FindStringSubmatch(admin.done(t, "token", "list"))
	if row == nil {
		t.Fatal(admin.done(t, "token", "list"))
	}
	admin.refused(t, "is no token's id", "token", "revoke", "reader")
	admin.refused(t, "not_found", "token", "revoke", "7")
	admin.done(t, "token", "revoke", row[1])
	if code := statusOf(t, p, "/lists", secret); code != 401 {
		t.Error("a revoked token got", code)
	}
	o.refused(t, "does not know this token", "token", "list", "--token", secret)
}

func status(t *testing.T, p *rig.Process, o, admin operator) {
	out := admin.done(t, "status")
	for _, want := range []string{p.Addr, "ready", "SQLite", "api,scheduler,worker", "alive", "leads", "relays: none", "campaigns under way: none"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	api := p.API()
	s, err := api.SetUp(t.Context(), "127.0.0.1", 9, 1) // nobody listens there
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.ImportCSV(t.Context(), s.List, rig.CSV(20)); err != nil {
		t.Fatal(err)
	}
	id, err := api.Launch(t.Context(), s, "<p>x</p>", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := api.Call(t.Context(), http.MethodPost, "/stop", map[string]string{"reason": "wrong price"}, nil); err != nil {
		t.Fatal(err)
	}
	out = admin.done(t, "status")
	for _, want := range []string{"STOPPED by admin since", "wrong price", "sandbox", "Drill", id, "sending, 0 of 20 sent, queued 20"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	var answer struct {
		Campaigns []struct {
			ID     string
			Counts struct{ Queued int }
		}
	}
	if err := json.Unmarshal([]byte(admin.done(t, "status", "--json")), &answer); err != nil || len(answer.Campaigns) != 1 || answer.Campaigns[0].ID != id || answer.Campaigns[0].Counts.Queued != 20 {
		t.Errorf("%+v, %v", answer, err)
	}
	o.refused(t, "wants an API token", "status")
	o.refused(t, "does not know this token", "status", "--token", "fct_wrong")
	free, err := rig.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	if _, diagnosis, code := admin.run(t, "", "status", "--url", fmt.Sprintf("http://127.0.0.1:%d", free)); code != 1 || !strings.Contains(diagnosis, "no server answers at http://127.0.0.1:") {
		t.Errorf("without a server: %d %s", code, diagnosis)
	}
}

func importing(t *testing.T, p *rig.Process, o, admin operator) {
	api := p.API()
	var list struct{ ID string }
	if err := api.Call(t.Context(), http.MethodPost, "/lists", map[string]string{"name": "Fair"}, &list); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.dir, "people.csv"), []byte("email,name\nada@example.org,Ada\nnobody,X\ngrace@example.org,Grace\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	said := []string{"--basis", "opt_in", "--source", "fair in Lyon", "--at", "2026-01-31"}
	out := admin.done(t, append([]string{"import", "people.csv", "--list-name", "Fair"}, said...)...)
	for _, want := range []string{"done: 3 rows: 2 created, 0 updated, 1 refused", "line 3, column email: ", "(no_at)"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if out := admin.done(t, append([]string{"import", "people.csv", "--list", list.ID}, said...)...); !strings.Contains(out, "0 created, 2 updated, 1 refused") {
		t.Errorf("the second time:\n%s", out)
	}
	if out, diagnosis, code := admin.run(t, "email\nedsger@example.org\n", append([]string{"import", "-", "--list", list.ID}, said...)...); code != 0 || !strings.Contains(out, "1 created") {
		t.Errorf("from standard input: %d\n%s%s", code, out, diagnosis)
	}
	admin.refused(t, `no list is called "Market"`, append([]string{"import", "people.csv", "--list-name", "Market"}, said...)...)
	admin.refused(t, "not_found", append([]string{"import", "people.csv", "--list", "7"}, said...)...)
	admin.refused(t, "none.csv: no such file", append([]string{"import", "none.csv", "--list", list.ID}, said...)...)
	admin.refused(t, "--basis", "import", "people.csv", "--list", list.ID, "--source", "x", "--at", "2026-01-31")
	if out := admin.done(t, "import", "people.csv", "--list", list.ID, "--confirm", "--source", "old cards", "--dry-run", "--column", "name:nickname"); !strings.Contains(out, "dry run ") || !strings.Contains(out, "0 created, 2 updated, 1 refused") {
		t.Errorf("a dry run:\n%s", out)
	}
	admin.refused(t, "--basis must be one of", "import", "people.csv", "--list", list.ID, "--basis", "hope", "--source", "x", "--at", "2026-01-31")
	admin.refused(t, "want a day such as", "import", "people.csv", "--list", list.ID, "--basis", "opt_in", "--source", "x", "--at", "yesterday")
	admin.refused(t, "the server at", "import", "people.csv", "--list", list.ID, "--basis", "opt_in", "--source", "x", "--at", "2999-01-31")
	o.refused(t, "wants an API token", append([]string{"import", "people.csv", "--list", list.ID}, said...)...)
	if err := api.Call(t.Context(), http.MethodPost, "/lists", map[string]string{"name": "Fair"}, nil); err != nil {
		t.Fatal(err)
	}
	admin.refused(t, "2 lists are called", append([]string{"import", "people.csv", "--list-name", "Fair"}, said...)...)
}
