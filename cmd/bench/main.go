// Command bench measures a campaign from outside, whole process, beside
// senders made by hand for speed that keep no books. All talk to one sandbox
// in the same run: read the ratios, not the seconds.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"facteur/internal/rig"
)

type options struct {
	recipients  string
	networks    string
	runs        int
	connections int
	engines     string
	clicks      int
	imports     int
	reports     int
	jsonFile    string
	be          string
	to          string
	n           int
}

func main() {
	var o options
	flag.StringVar(&o.recipients, "recipients", "100000,10000,1000000", "sizes of the campaigns, the main one first; empty: none")
	flag.StringVar(&o.networks, "networks", "0s+0s,5ms+0s,0s+20ms", "round trip + thinking time of the relay; those after the first with the main size only")
	flag.IntVar(&o.runs, "runs", 3, "runs of the main campaign on the first network; the table has medians")
	flag.IntVar(&o.connections, "connections", 50, "connections to the relay")
	flag.StringVar(&o.engines, "engines", "sqlite,postgres", "which to measure; PostgreSQL with the main size only")
	flag.IntVar(&o.clicks, "clicks", 20000, "one-click leaves, on SQLite, idle and as many while a campaign is sent; 0: none")
	flag.IntVar(&o.imports, "imports", 1_000_000, "people of an import that is measured by itself, on each engine; 0: none")
	flag.IntVar(&o.reports, "reports", 10000, "delivery reports by SMTP, on SQLite, idle and as many while a campaign is sent; 0: none")
	flag.StringVar(&o.jsonFile, "json", "", "also write the rows to this file")
	flag.StringVar(&o.be, "be", "", "be a sender made by hand, or who clicks (used by the bench itself)")
	flag.StringVar(&o.to, "to", "", "its address, or the file with its links")
	flag.IntVar(&o.n, "n", 0, "how many messages")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	run := bench
	switch o.be {
	case "":
	case clicker:
		run = func(ctx context.Context, o options) error { return click(ctx, o.to, o.connections) }
	case reporter:
		run = func(ctx context.Context, o options) error { return reportEach(ctx, o.to, o.connections) }
	case plainSQL:
		run = func(ctx context.Context, o options) error { return plain(ctx, o.to, o.n) }
	default:
		run = func(context.Context, options) error { return handmade(o.be, o.to, o.n, o.connections) }
	}
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// row is a line of the table.
type row struct {
	What       string  `json:"what"`
	Recipients int     `json:"recipients"`
	Network    string  `json:"network"`
	Import     float64 `json:"import_rows_per_s,omitempty"`
	Rate       float64 `json:"messages_per_s"`
	CPU        float64 `json:"cpu_s_per_1000"`
	PeakMB     float64 `json:"peak_mb"`
	Lost       int64   `json:"lost"`
	Twice      int64   `json:"twice"`
	RateRatio  float64 `json:"rate_to_by_hand,omitempty"`
	CPURatio   float64 `json:"cpu_to_by_hand,omitempty"`
}

func (r row) String() string {
	imported, ratios := "", " | "
	if r.Import > 0 {
		imported = fmt.Sprintf("%.0f", r.Import)
	}
	if r.RateRatio > 0 {
		ratios = fmt.Sprintf("%.2f | %.2f", r.RateRatio, r.CPURatio)
	}
	return fmt.Sprintf("| %s | %d | %s | %s | %.0f | %.4f | %s | %.0f | %d | %d |", r.What, r.Recipients, r.Network, imported, r.Rate, r.CPU, ratios, r.PeakMB, r.Lost, r.Twice)
}

// report is all that a run has found, as JSON.
type report struct {
	Commit  string     `json:"commit"`
	Date    string     `json:"date"`
	Machine string     `json:"machine"`
	Rows    []row      `json:"rows"`
	Clicks  []leave    `json:"one_click,omitempty"`
	Imports []intake   `json:"imports,omitempty"`
	Reports []returned `json:"delivery_reports,omitempty"`
	Goals   []goal     `json:"goals"`
}

func bench(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "facteur-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	binary, err := rig.Build(ctx, dir)
	if err != nil {
		return err
	}
	r := report{Commit: rig.Commit(), Date: time.Now().UTC().Format(time.DateOnly), Machine: fmt.Sprintf("%d cores, %s, a durable write of 4 KB takes %d µs", runtime.NumCPU(), runtime.Version(), syncTime(dir).Microseconds())}
	fmt.Printf("# make bench, commit %s, %s\n\n%s; %d connections; sender, database and sandbox share this machine.\n\n", r.Commit, r.Date, r.Machine, o.connections)
	fmt.Println(`All send the same mail: HTML of 10 KB with six variables and a condition, and a text part of four lines. Rate: from launch (by hand: from the start of the process) to the last message that the sandbox took; so ours includes planning.
CPU: user and system of the whole sending process, until the books are closed. Ratios: to the sender by hand of the same run; of several runs the medians.`)
	fmt.Println("\n| sender | people | network | import rows/s | messages/s | CPU s/1,000 | rate ratio | CPU ratio | peak MB | lost | twice |\n|---|---|---|---|---|---|---|---|---|---|---|")
	if o.recipients != "" {
		if err := campaigns(ctx, o, binary, dir, &r); err != nil {
			return err
		}
	}
	if o.imports > 0 {
		if r.Imports, err = intakes(ctx, o, binary, dir); err != nil {
			return err
		}
	}
	if o.clicks > 0 {
		if r.Clicks, err = clicks(ctx, o, binary, dir); err != nil {
			return err
		}
	}
	if o.reports > 0 {
		if r.Reports, err = reports(ctx, o, binary, dir); err != nil {
			return err
		}
	}
	r.judge()
	if o.jsonFile == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.jsonFile, append(text, '\n'), 0o644)
}

// campaigns measures every size and network.
func campaigns(ctx context.Context, o options, binary, dir string, r *report) error {
	for i, network := range strings.Split(o.networks, ",") {
		for j, size := range strings.Split(o.recipients, ",") {
			n, err := strconv.Atoi(size)
			if err != nil {
				return fmt.Errorf("-recipients: %w", err)
			}
			main := j == 0
			if i > 0 && !main {
				continue
			}
			runs, engines := 1, []string{"sqlite"}
			if main {
				engines = strings.Split(o.engines, ",")
			}
			if main && i == 0 {
				runs = o.runs
			}
			rows, err := compare(ctx, o, binary, fmt.Sprintf("%s/%s-%d", dir, network, n), network, n, runs, engines, main && i == 0)
			if err != nil {
				return err
			}
			r.Rows = append(r.Rows, rows...)
		}
	}
	return nil
}

// compare measures a sender by hand and then each engine, turn about, and
// gives the median of each. floors adds the other senders by hand, once.
func compare(ctx context.Context, o options, binary, dir, network string, n, runs int, engines []string, floors bool) ([]row, error) {
	box, err := startSandbox(ctx, binary, network, 0)
	if err != nil {
		return nil, err
	}
	defer box.stop()
	all := map[string][]row{}
	for run := range runs {
		hand, err := box.byHand(ctx, o, byHand, n, network)
		if err != nil {
			return nil, err
		}
		all[byHand] = append(all[byHand], hand)
		for _, engine := range engines {
			if engine == "postgres" && run > 0 {
				continue
			}
			one, err := box.engine(ctx, o, engine, binary, fmt.Sprintf("%s/%d", dir, run), n)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", engine, err)
			}
			one.Network, one.RateRatio, one.CPURatio = network, one.Rate/hand.Rate, one.CPU/hand.CPU
			all[engine] = append(all[engine], one)
		}
	}
	var rows []row
	if floors {
		for what, n := range map[string]int{ready: n, signed: n / 10} {
			floor, err := box.byHand(ctx, o, what, n, network)
			if err != nil {
				return nil, err
			}
			rows = append(rows, floor)
		}
		slices.SortFunc(rows, func(a, b row) int { return strings.Compare(b.What, a.What) })
	}
	for _, what := range append([]string{byHand}, engines...) {
		rows = append(rows, median(all[what]))
	}
	for _, r := range rows {
		fmt.Println(r)
	}
	return rows, nil
}

// median takes each figure's median, and the worst of what must not happen.
func median(rows []row) row {
	m := rows[0]
	of := func(figure func(row) float64) float64 {
		values := make([]float64, len(rows))
		for i, r := range rows {
			values[i] = figure(r)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	m.Import, m.Rate, m.CPU = of(func(r row) float64 { return r.Import }), of(func(r row) float64 { return r.Rate }), of(func(r row) float64 { return r.CPU })
	m.RateRatio, m.CPURatio = of(func(r row) float64 { return r.RateRatio }), of(func(r row) float64 { return r.CPURatio })
	for _, r := range rows {
		m.PeakMB, m.Lost, m.Twice = max(m.PeakMB, r.PeakMB), max(m.Lost, r.Lost), max(m.Twice, r.Twice)
	}
	return m
}

// syncTime is how long a small durable write takes here.
func syncTime(dir string) time.Duration {
	f, err := os.Create(dir + "/sync")
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	block := make([]byte, 4096)
	const times = 300
	begin := time.Now()
	for i := range times {
		if _, err := f.WriteAt(block, int64(i%50)*4096); err != nil || f.Sync() != nil {
			return 0
		}
	}
	return time.Since(begin) / times
}
