// Command bench measures a campaign from outside, whole process, beside a
// sender made by hand for speed that keeps no books. Both talk to the same
// sandbox in the same run: read the ratios, not the seconds.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"facteur/internal/rig"
	"facteur/internal/services"
)

type options struct {
	recipients  string
	connections int
	engines     string
	rtt         string
	handAddr    string
	handN       int
	jsonFile    string
}

func main() {
	var o options
	flag.StringVar(&o.recipients, "recipients", "100000,1000000", "sizes of the campaigns, separated by commas")
	flag.IntVar(&o.connections, "connections", 50, "connections to the relay")
	flag.StringVar(&o.engines, "engines", "sqlite,postgres", "which to measure")
	flag.StringVar(&o.rtt, "rtt", "0s,5ms", "round trips of the network to the relay; those above 0 with the smallest campaign only")
	flag.StringVar(&o.jsonFile, "json", "", "also write the rows to this file")
	flag.StringVar(&o.handAddr, "hand", "", "be the sender made by hand, to this address (used by the bench itself)")
	flag.IntVar(&o.handN, "n", 0, "messages of the sender made by hand")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	run := bench
	if o.handAddr != "" {
		run = func(context.Context, options) error { return handmade(o.handAddr, o.handN, o.connections) }
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
	RTT        string  `json:"rtt"`
	Import     float64 `json:"import_rows_per_s,omitempty"`
	Rate       float64 `json:"messages_per_s"`
	CPU        float64 `json:"cpu_s_per_1000"`
	PeakMB     float64 `json:"peak_mb"`
	Lost       int64   `json:"lost"`
	Twice      int64   `json:"twice"`
	RateRatio  float64 `json:"rate_to_handmade,omitempty"`
	CPURatio   float64 `json:"cpu_to_handmade,omitempty"`
}

func (r row) String() string {
	imported, ratios := "", "1 | 1"
	if r.Import > 0 {
		imported = fmt.Sprintf("%.0f", r.Import)
		ratios = fmt.Sprintf("%.2f | %.2f", r.RateRatio, r.CPURatio)
	}
	return fmt.Sprintf("| %s | %d | %s | %s | %.0f | %.4f | %s | %.0f | %d | %d |", r.What, r.Recipients, r.RTT, imported, r.Rate, r.CPU, ratios, r.PeakMB, r.Lost, r.Twice)
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
	fmt.Printf("# make bench, commit %s, %s\n\n", rig.Commit(), time.Now().UTC().Format(time.DateOnly))
	fmt.Printf("%d connections; sender, database and sandbox share this machine. Rate and CPU are of the sending process from launch to the last answer; ratios are to the sender made by hand in the same lines.\n\n", o.connections)
	fmt.Println("| sender | people | round trip | import rows/s | messages/s | CPU s/1,000 | rate ratio | CPU ratio | peak MB | lost | twice |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|")
	var rows []row
	sizes := strings.Split(o.recipients, ",")
	for _, rtt := range strings.Split(o.rtt, ",") {
		for i, size := range sizes {
			n, err := strconv.Atoi(size)
			if err != nil {
				return err
			}
			if rtt != "0s" && i > 0 {
				continue
			}
			some, err := compare(ctx, o, binary, fmt.Sprintf("%s/%s-%d", dir, rtt, n), rtt, n)
			if err != nil {
				return err
			}
			rows = append(rows, some...)
		}
	}
	if o.jsonFile == "" {
		return nil
	}
	text, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.jsonFile, append(text, '\n'), 0o644)
}

// compare measures the sender made by hand and then each engine, to one sandbox.
func compare(ctx context.Context, o options, binary, dir, rtt string, n int) ([]row, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	box, err := startSandbox(ctx, binary, rtt)
	if err != nil {
		return nil, err
	}
	defer box.stop()
	hand, err := box.handmade(ctx, o, n, rtt)
	if err != nil {
		return nil, err
	}
	fmt.Println(hand)
	rows := []row{hand}
	for engine := range strings.SplitSeq(o.engines, ",") {
		if err := box.reset(ctx); err != nil {
			return nil, err
		}
		r, err := box.engine(ctx, o, engine, binary, dir, n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", engine, err)
		}
		r.RTT, r.RateRatio, r.CPURatio = rtt, r.Rate/hand.Rate, r.CPU/hand.CPU
		fmt.Println(r)
		rows = append(rows, r)
	}
	return rows, nil
}

// box is the sandbox in a process of its own, so that its cost is not ours.
type box struct {
	cmd     *exec.Cmd
	addr    string
	control string
}

func startSandbox(ctx context.Context, binary, rtt string) (*box, error) {
	mail, err := rig.FreePort()
	if err != nil {
		return nil, err
	}
	control, err := rig.FreePort()
	if err != nil {
		return nil, err
	}
	b := &box{addr: "127.0.0.1:" + strconv.Itoa(mail), control: "http://127.0.0.1:" + strconv.Itoa(control)}
	b.cmd = exec.CommandContext(ctx, binary, "sandbox", "--addr", b.addr, "--control", strings.TrimPrefix(b.control, "http://"), "--keep", "0", "--rtt", rtt)
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	b.cmd.Stderr = os.Stderr
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	for range 200 {
		if _, err := b.counts(ctx); err == nil {
			return b, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, fmt.Errorf("sandbox did not start")
}

func (b *box) stop() { _ = b.cmd.Process.Kill(); _ = b.cmd.Wait() }

type counts struct {
	Accepted, Distinct int64
}

func (b *box) counts(ctx context.Context) (c counts, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.control+"/counts", nil)
	if err != nil {
		return c, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return c, err
	}
	defer func() { _ = res.Body.Close() }()
	return c, json.NewDecoder(res.Body).Decode(&c)
}

func (b *box) reset(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.control+"/reset", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// handmade runs this program as the sender made by hand.
func (b *box) handmade(ctx context.Context, o options, n int, rtt string) (row, error) {
	self, err := os.Executable()
	if err != nil {
		return row{}, err
	}
	cmd := exec.CommandContext(ctx, self, "-hand", b.addr, "-n", strconv.Itoa(n), "-connections", strconv.Itoa(o.connections))
	cmd.Stderr = os.Stderr
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return row{}, fmt.Errorf("sender made by hand: %w", err)
	}
	took := time.Since(begin)
	c, err := b.counts(ctx)
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return row{
		What: "by hand, no books", Recipients: n, RTT: rtt, Rate: float64(n) / took.Seconds(),
		CPU: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds() / float64(n) * 1000, PeakMB: float64(usage.Maxrss) / 1024,
		Lost: int64(n) - c.Distinct, Twice: c.Accepted - c.Distinct,
	}, err
}

// engine imports and sends n people with a fresh facteur.
func (b *box) engine(ctx context.Context, o options, engine, binary, dir string, n int) (r row, err error) {
	env := []string{"FACTEUR_LOG_LEVEL=warn"}
	if engine == "postgres" {
		pg, err := services.StartPostgres(ctx, services.PostgresOptions{})
		if err != nil {
			return r, err
		}
		defer func() { _ = pg.Stop() }()
		redis, err := services.StartRedis(ctx, services.RedisOptions{})
		if err != nil {
			return r, err
		}
		defer func() { _ = redis.Stop() }()
		env = append(env, "FACTEUR_DATABASE_URL="+pg.URL(), "FACTEUR_REDIS_URL="+redis.URL())
	}
	p, err := rig.New(binary, dir+"/"+engine, env, "")
	if err != nil {
		return r, err
	}
	if err := p.Start(ctx); err != nil {
		return r, err
	}
	defer func() { _ = p.Kill() }()
	api := p.API()
	host, port, err := net.SplitHostPort(b.addr)
	if err != nil {
		return r, err
	}
	number, _ := strconv.Atoi(port)
	setup, err := api.SetUp(ctx, host, number, o.connections)
	if err != nil {
		return r, err
	}
	begin := time.Now()
	if _, err := api.ImportCSV(ctx, setup.List, rig.CSV(n)); err != nil {
		return r, err
	}
	r = row{What: "facteur, " + engine, Recipients: n, Import: float64(n) / time.Since(begin).Seconds()}
	before, err := p.Usage()
	if err != nil {
		return r, err
	}
	begin = time.Now()
	id, err := api.Launch(ctx, setup, letter())
	if err != nil {
		return r, err
	}
	took, err := b.awaitAll(ctx, api, id, int64(n), begin)
	if err != nil {
		return r, err
	}
	after, err := p.Usage()
	if err != nil {
		return r, err
	}
	c, err := b.counts(ctx)
	r.Rate, r.CPU, r.PeakMB = float64(n)/took.Seconds(), (after.CPU-before.CPU).Seconds()/float64(n)*1000, float64(after.Peak)/(1<<20)
	r.Lost, r.Twice = int64(n)-c.Distinct, c.Accepted-c.Distinct
	return r, err
}

// awaitAll waits until the books say that all were sent, and returns how long the sandbox took to see all.
func (b *box) awaitAll(ctx context.Context, api *rig.API, id string, n int64, begin time.Time) (took time.Duration, err error) {
	for {
		seen, err := b.counts(ctx)
		if err != nil {
			return 0, err
		}
		if seen.Distinct >= n && took == 0 {
			took = time.Since(begin)
		}
		if took > 0 {
			c, err := api.Campaign(ctx, id)
			if err != nil {
				return 0, err
			}
			if c.Status == "sent" {
				if c.Counts.Sent != n || !c.Counts.Balanced() {
					return 0, fmt.Errorf("books: %+v", c.Counts)
				}
				return took, nil
			}
		}
		if time.Since(begin) > 20*time.Minute {
			return 0, fmt.Errorf("not ended after 20 min: %+v", seen)
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
