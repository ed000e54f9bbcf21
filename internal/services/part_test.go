package services_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"facteur/internal/services"
)

func TestParts_StartEachOneThatIsFoundAndGiveItsURL(t *testing.T) {
	for _, part := range services.Parts() {
		t.Run(part.Name, func(t *testing.T) {
			missing(t, part.Find())
			server, err := part.Start(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			url := server.URL()
			if _, err := exec.LookPath(url); err != nil && !strings.Contains(url, "127.0.0.1:") {
				t.Errorf("URL is %q, want one on loopback, or a program", url)
			}
			if err := server.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestStartRedis_SaysMissingWhenItIsNotOnThePath(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := services.StartRedis(t.Context(), services.RedisOptions{}); !errors.Is(err, services.ErrMissing) {
		t.Errorf("start without redis-server on PATH: %v, want ErrMissing", err)
	}
}

func TestStart_RemovesTheFolderOfAKilledMakerAndNoOther(t *testing.T) {
	dir := t.TempDir()
	live := start(t, func() (*services.Redis, error) {
		return services.StartRedis(t.Context(), services.RedisOptions{Dir: dir})
	})
	defer live.Stop()
	for _, name := range []string{"facteur-redis-dead", "facteur-redis-young", "facteur-redis-other"} {
		if err := os.Mkdir(dir+"/"+name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-time.Hour)
	for name, made := range map[string]time.Time{"dead": long, "young": time.Now()} {
		lock := dir + "/facteur-redis-" + name + "/lock"
		if err := errors.Join(os.WriteFile(lock, nil, 0o600), os.Chtimes(lock, made, made)); err != nil {
			t.Fatal(err)
		}
	}
	liveLock := lockBesides(t, dir, "dead", "young", "other")
	if err := os.Chtimes(liveLock, long, long); err != nil {
		t.Fatal(err)
	}

	next := start(t, func() (*services.Redis, error) {
		return services.StartRedis(t.Context(), services.RedisOptions{Dir: dir})
	})
	defer next.Stop()

	for name, want := range map[string]bool{
		dir + "/facteur-redis-dead": false, dir + "/facteur-redis-young": true, dir + "/facteur-redis-other": true, liveLock: true,
	} {
		if _, err := os.Stat(name); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", name, err == nil, want)
		}
	}
}

// lockBesides is the one lock file in dir whose folder does not end in any of
// the names.
func lockBesides(t *testing.T, dir string, names ...string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
next:
	for _, entry := range entries {
		for _, name := range names {
			if strings.HasSuffix(entry.Name(), "-"+name) {
				continue next
			}
		}
		return dir + "/" + entry.Name() + "/lock"
	}
	t.Fatal("no other folder")
	return ""
}

// start returns a server that the test stops itself.
func start[S any](t *testing.T, how func() (S, error)) S {
	t.Helper()
	server, err := how()
	missing(t, err)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// missing skips the test when err says that a server is not installed; with
// CI=true it fails.
func missing(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, services.ErrMissing) {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip("skipped:", err)
}

func wantText(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error is %v, want one that says %q", err, text)
	}
}
