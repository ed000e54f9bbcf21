package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The bench itself works: it loses nobody, mails nobody twice, and whoever
// clicks has left. Its figures at this size say nothing.
func TestBench_LosesNobody(t *testing.T) {
	dir := t.TempDir()
	program, file := filepath.Join(dir, "bench"), filepath.Join(dir, "bench.json")
	if out, err := exec.Command("go", "build", "-o", program, "facteur/cmd/bench").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), program, "-recipients", "300", "-networks", "0s+0s", "-runs", "1", "-engines", "sqlite", "-clicks", "50", "-reports", "50", "-imports", "3000", "-json", file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var report struct {
		Rows []struct {
			What        string
			Lost, Twice int64
		}
		Clicks []struct {
			N, Left int64
			Bad     int64 `json:"not_200"`
		} `json:"one_click"`
	}
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &report)
	}
	if err != nil || len(report.Rows) != 4 || len(report.Clicks) != 2 {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, r := range report.Rows {
		if r.Lost != 0 || r.Twice != 0 {
			t.Errorf("%s: %d lost, %d twice", r.What, r.Lost, r.Twice)
		}
	}
	for _, c := range report.Clicks {
		if c.N != 50 || c.Left != 50 || c.Bad != 0 {
			t.Errorf("of %d who clicked %d have left; %d answers were not 200", c.N, c.Left, c.Bad)
		}
	}
}
