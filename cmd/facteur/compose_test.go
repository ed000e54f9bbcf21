package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"facteur/internal/rig"

	"gopkg.in/yaml.v3"
)

// compose is what this test reads of docker-compose.yml.
type compose struct {
	Services map[string]struct {
		Command     []string          `yaml:"command"`
		Environment map[string]string `yaml:"environment"`
		Ports       []string          `yaml:"ports"`
		Image       string            `yaml:"image"`
		StopGrace   string            `yaml:"stop_grace_period"`
		Deploy      struct {
			Replicas int `yaml:"replicas"`
		} `yaml:"deploy"`
	} `yaml:"services"`
}

// The container files cannot be built here; what they say is held against the
// program: its settings, roles and flags, and how the Makefile builds it.
func TestCompose_SaysWhatTheProgramUnderstands(t *testing.T) {
	var c compose
	if err := yaml.Unmarshal([]byte(read(t, "docker-compose.yml")), &c); err != nil {
		t.Fatal(err)
	}
	binary, err := rig.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	config := exec.Command(binary, "config")
	config.Env = []string{"PATH=" + os.Getenv("PATH")}
	settings, err := config.Output()
	if err != nil {
		t.Fatal(err)
	}
	roles := map[string]int{}
	for name, s := range c.Services {
		for variable := range s.Environment {
			if strings.HasPrefix(variable, "FACTEUR_") && !strings.Contains("\n"+string(settings), "\n"+variable+"=") {
				t.Errorf("%s sets %s, which is no setting", name, variable)
			}
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s is open to others at %s", name, port)
			}
		}
		if s.Image != "facteur" {
			continue
		}
		if out, err := exec.Command(binary, append(slices.Clone(s.Command), "--help")...).CombinedOutput(); err != nil {
			t.Errorf("%s: facteur %v: %v\n%s", name, s.Command, err, out)
		}
		if i := slices.Index(s.Command, "--roles"); i >= 0 {
			roles[s.Command[i+1]] += max(1, s.Deploy.Replicas)
			if s.StopGrace != "30s" {
				t.Errorf("%s gets %q to stop; a drain takes 25 s", name, s.StopGrace)
			}
		}
	}
	if roles["api"] != 1 || roles["scheduler"] != 1 || roles["worker"] != 2 || c.Services["sandbox"].Image != "facteur" {
		t.Errorf("processes by role: %v", roles)
	}
}

func TestDockerfile_BuildsAsTheMakefileDoes(t *testing.T) {
	dockerfile, makefile := read(t, "Dockerfile"), read(t, "Makefile")
	flags := regexp.MustCompile(`CGO_CFLAGS \?= (.+)`).FindStringSubmatch(makefile)
	if flags == nil || !strings.Contains(dockerfile, `CGO_CFLAGS="`+flags[1]+`"`) {
		t.Errorf("the Dockerfile does not compile SQLite with %q", flags)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))
	for _, want := range []string{"golang:" + version[1] + "-", "-trimpath", "-X main.version=", "USER 65532", "./cmd/facteur"} {
		if !strings.Contains(dockerfile, want) {
			t.Errorf("the Dockerfile has no %q", want)
		}
	}
	if _, err := os.Stat(filepath.Join(root, ".env.example")); err != nil {
		t.Error(err)
	}
}
