package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// simulated is what facteur simulate writes with these arguments.
func simulated(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	var c commands
	parser, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"simulate", "--start=2026-03-02", "--out=" + out}, args...)); err != nil {
		t.Fatal(err)
	}
	if err := c.Simulate.Run(&c.Config); err != nil {
		return "", err
	}
	text, err := os.ReadFile(out)
	return string(text), err
}

func TestSimulate_ShowsEachDayAndTheEnd(t *testing.T) {
	text, err := simulated(t, "--recipients=2000", "--shares=google=50,yahoo=50", "--deferrals=0")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"google", "48/50", "475/500", "Campaign 1 ends on Friday, 6 March 2026"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	text, err = simulated(t, "--recipients=2000", "--shares=other=100", "--bounces=12")
	if err != nil || !strings.Contains(text, "step back") || !strings.Contains(text, "does not end within 30 days") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestSimulate_TenMillionPeopleAsJSON(t *testing.T) {
	text, err := simulated(t, "--recipients=10000000", "--growth=1", "--every=7", "--format=json")
	var s simulation
	if err != nil || json.Unmarshal([]byte(text), &s) != nil || len(s.Days) == 0 || s.Sent == 0 {
		t.Errorf("%v: %.200s", err, text)
	}
}

func TestSimulate_DrawsAChart(t *testing.T) {
	text, err := simulated(t, "--recipients=100000", "--format=svg")
	if err != nil || !strings.HasPrefix(text, "<svg") || bytes.Count([]byte(text), []byte("<rect")) < 20 || strings.Contains(text, "NaN") {
		t.Errorf("%v: %.200s", err, text)
	}
}

func TestSimulate_RefusesWhatCannotBe(t *testing.T) {
	for arg, want := range map[string]string{
		"--recipients=0": "--recipients", "--days=0": "--days", "--warmup=50,20": "--warmup", "--warmup=slow": "--warmup", "--shares=nobody=10": "--shares", "--shares=google=80,yahoo=30": "110%",
		"--zone=Nowhere": "--zone", "--start=soon": "--start", "--bounces=101": "--bounces", "--from=9": "", "--until=0": "--from, --until", "--every=-1": "--every",
	} {
		if _, err := simulated(t, arg); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", arg, err, want)
		}
	}
}
