package main

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"facteur/internal/database/databasetest"
	"facteur/internal/services"
	"facteur/internal/services/servicestest"

	"github.com/prometheus/client_golang/prometheus"
)

// scrape is what /metrics of a process says: the type of each metric, and its
// series with their values.
type scrape struct {
	types  map[string]string
	series map[string]float64 // by name{label="value",…}
}

func scraped(t *testing.T, a *App) scrape {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.Addr()+"/metrics", nil)
	req.Header.Set("Authorization", "Bearer "+testToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("/metrics: %d %s", res.StatusCode, text)
	}
	s := scrape{map[string]string{}, map[string]float64{}}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if words := strings.Fields(line); strings.HasPrefix(line, "# TYPE ") {
			s.types[words[2]] = words[3]
		} else if at := strings.LastIndexByte(line, ' '); !strings.HasPrefix(line, "#") {
			if s.series[line[:at]], err = strconv.ParseFloat(line[at+1:], 64); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
	}
	return s
}

// sum adds up the series of a name that have these labels, given as name="value".
func (s scrape) sum(name string, labels ...string) (total float64) {
	for series, value := range s.series {
		of, rest, _ := strings.Cut(series, "{")
		if of == name && !slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(rest, l) }) {
			total += value
		}
	}
	return total
}

// labels are the names of a metric's labels, but that of a histogram's buckets.
func (s scrape) labels(name string) map[string]bool {
	for series := range s.series {
		of, rest, _ := strings.Cut(series, "{")
		if of != name && of != name+"_count" {
			continue
		}
		found := map[string]bool{}
		for _, m := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(rest, -1) {
			found[m[1]] = true
		}
		return found
	}
	return nil
}

func TestMetrics_AgreeWithTheBooks(t *testing.T) {
	a := serve(t, t.TempDir())
	var people []string
	for i := range 40 {
		people = append(people, fmt.Sprintf("anne%d@gmail.com", i), fmt.Sprintf("bob%d@example.org", i))
	}
	people = append(people, "unknown@example.org", "full@example.org", "greylist@gmail.com", "anne")
	books, _ := sent(t, a, launched(t, a, playing(t), people...))["counts"].(map[string]any)
	m := scraped(t, a)
	for what, n := range map[string][2]float64{
		"sent":            {m.sum("facteur_messages_settled_total", `outcome="sent"`), books["sent"].(float64)},
		"sent by Google":  {m.sum("facteur_messages_settled_total", `outcome="sent"`, `provider="google"`), 41},
		"failed":          {m.sum("facteur_messages_settled_total", `outcome="failed"`), books["failed"].(float64)},
		"dead":            {m.sum("facteur_messages_settled_total", `class="dead_address"`), 1},
		"deferred once":   {m.sum("facteur_messages_settled_total", `outcome="deferred"`), 1},
		"begun":           {m.sum("facteur_messages_begun_total"), books["sent"].(float64)}, // the others were refused at their envelope
		"dialogues":       {m.sum("facteur_dialogue_seconds_count"), books["sent"].(float64)},
		"answers 2xx":     {m.sum("facteur_smtp_answers_total", `stage="body"`, `code="2xx"`), books["sent"].(float64)},
		"answers at RCPT": {m.sum("facteur_smtp_answers_total", `stage="rcpt"`), 3},
		"rows created":    {m.sum("facteur_import_rows_total", `outcome="created"`), books["recipients"].(float64)},
		"rows refused":    {m.sum("facteur_import_rows_total", `outcome="refused"`), 1},
		"planned":         {m.sum("facteur_scheduler_planned_total"), books["recipients"].(float64)},
		"leads":           {m.sum("facteur_scheduler_leads"), 1},
		"ready":           {m.sum("facteur_ready"), 1},
		"launches":        {m.sum("facteur_http_requests_total", `route="POST /api/v1/campaigns/{id}/launch"`, `status="202"`), 1},
		"relay ok":        {m.sum("facteur_relay_state", `state="ok"`, `name="box"`), 1},
		"under way":       {m.sum("facteur_deliveries"), 0},
		"live batches":    {m.sum("facteur_batches"), 0},
	} {
		if n[0] != n[1] {
			t.Errorf("%s: the metrics say %v, the books %v", what, n[0], n[1])
		}
	}
	if m.sum("facteur_recorder_commit_turns_count") == 0 || m.sum("facteur_database_ping_seconds") <= 0 {
		t.Error("no commits, or no ping")
	}
	made(t, a, "/stop", `{"reason":"test"}`)
	if m := scraped(t, a); m.sum("facteur_stopped") != 1 {
		t.Error("the stop does not show")
	}
	documented(t, a, m)
}

// With several processes, the sums are right: what is about the whole
// installation is shown by one of them, and each counts what it has done.
func TestMetrics_OfSeveralProcessesAddUp(t *testing.T) {
	shared := Config{DatabaseURL: databasetest.Postgres(t), RedisURL: servicestest.Redis(t, services.RedisOptions{}).URL(), SecretKey: "0123456789abcdef"}
	start := func(roles ...Role) *App {
		c := shared
		c.DataDir = t.TempDir()
		return serveAs(t, c, roles, slog.New(slog.DiscardHandler))
	}
	front, second, third := start(API, Scheduler), start(Worker), start(Worker)
	var people []string
	for i := range 900 {
		people = append(people, fmt.Sprintf("anne%d@gmail.com", i))
	}
	books, _ := sent(t, front, launched(t, front, playing(t), people...))["counts"].(map[string]any)
	total := map[string]float64{}
	for _, a := range []*App{front, second, third} {
		m := scraped(t, a)
		for _, name := range []string{"facteur_scheduler_leads", "facteur_ready", "facteur_stopped", "facteur_messages_settled_total", "facteur_messages_begun_total"} {
			total[name] += m.sum(name)
		}
		if _, shown := m.types["facteur_deliveries"]; shown != (a == front) {
			t.Errorf("%v shows the whole installation: %t", a.roles, shown)
		}
	}
	want := map[string]float64{
		"facteur_scheduler_leads": 1, "facteur_ready": 3, "facteur_stopped": 0,
		"facteur_messages_settled_total": books["sent"].(float64), "facteur_messages_begun_total": books["sent"].(float64),
	}
	if !maps.Equal(total, want) || books["sent"] != 900.0 {
		t.Errorf("the sums are %v, want %v", total, want)
	}
	_, status := ask(t, front, http.MethodGet, "/status", "")
	var roles []string
	for _, p := range status["processes"].([]any) {
		process, _ := p.(map[string]any)
		roles = append(roles, fmt.Sprint(process["roles"], process["alive"], process["leads"]))
	}
	if got := fmt.Sprint(roles); got != "[[api scheduler] true true [worker] true false [worker] true false]" {
		t.Error(got)
	}
}

// documented compares the metrics of a process with docs/metrics.md: each has
// a line, each line is one, and types and labels are those that are served.
func documented(t *testing.T, a *App, served scrape) {
	t.Helper()
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "<!-- metrics -->")
	table, _, _ = strings.Cut(table, "<!-- end -->")
	lines := map[string][2]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\| (.+?) \\|.+\\|$").FindAllStringSubmatch(table, -1) {
		lines[m[1]] = [2]string{m[2], strings.ReplaceAll(strings.ReplaceAll(m[3], "`", ""), "–", "")}
	}
	descriptions := make(chan *prometheus.Desc)
	go func() { a.metrics.Describe(descriptions); close(descriptions) }()
	described := map[string]bool{}
	for d := range descriptions {
		name := regexp.MustCompile(`fqName: "(\w+)"`).FindStringSubmatch(d.String())[1]
		if !strings.HasPrefix(name, "facteur_") {
			continue
		}
		described[name] = true
		if _, ok := lines[name]; !ok {
			t.Errorf("docs/metrics.md has no line for %s", name)
		}
	}
	for name := range lines {
		if !described[name] {
			t.Errorf("docs/metrics.md has a line for %s, which is not served", name)
		}
	}
	for name, kind := range served.types {
		if !strings.HasPrefix(name, "facteur_") {
			continue
		}
		want := map[string]bool{}
		for label := range strings.SplitSeq(lines[name][1], ", ") {
			if label != "" {
				want[label] = true
			}
		}
		if labels := served.labels(name); kind != lines[name][0] || !maps.Equal(labels, want) {
			t.Errorf("%s is a %s with the labels %v; docs/metrics.md says %v", name, kind, slices.Sorted(maps.Keys(labels)), lines[name])
		}
	}
}
