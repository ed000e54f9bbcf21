package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"facteur/internal/rig"
	"facteur/internal/services"
)

// box is the sandbox in a process of its own, so that its cost is not ours.
type box struct {
	cmd     *exec.Cmd
	addr    string
	control string
}

// startSandbox starts one behind a network such as "5ms+0s", which keeps so many mails.
func startSandbox(ctx context.Context, binary, network string, keep int) (*box, error) {
	rtt, latency, ok := strings.Cut(network, "+")
	if !ok {
		return nil, fmt.Errorf("-networks: %q: want round trip + thinking time, such as 5ms+0s", network)
	}
	mail, err := rig.FreePort()
	if err != nil {
		return nil, err
	}
	control, err := rig.FreePort()
	if err != nil {
		return nil, err
	}
	b := &box{addr: "127.0.0.1:" + strconv.Itoa(mail), control: "http://127.0.0.1:" + strconv.Itoa(control)}
	b.cmd = exec.CommandContext(ctx, binary, "sandbox", "--addr", b.addr, "--control", strings.TrimPrefix(b.control, "http://"), "--keep", strconv.Itoa(keep), "--rtt", rtt, "--latency", latency)
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

// byHand runs this program as a sender made by hand.
func (b *box) byHand(ctx context.Context, o options, what string, n int, network string) (row, error) {
	if err := b.reset(ctx); err != nil {
		return row{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return row{}, err
	}
	cmd := exec.CommandContext(ctx, self, "-be", what, "-to", b.addr, "-n", strconv.Itoa(n), "-connections", strconv.Itoa(o.connections))
	cmd.Stderr = os.Stderr
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return row{}, fmt.Errorf("%s: %w", what, err)
	}
	took := time.Since(begin)
	c, err := b.counts(ctx)
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return row{
		What: what, Recipients: n, Network: network, Rate: float64(n) / took.Seconds(),
		CPU: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds() / float64(n) * 1000, PeakMB: float64(usage.Maxrss) / 1024,
		Lost: int64(n) - c.Distinct, Twice: c.Accepted - c.Distinct,
	}, err
}

// engine imports and sends n people with a fresh facteur.
func (b *box) engine(ctx context.Context, o options, engine, binary, dir string, n int) (r row, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return r, err
	}
	if err := b.reset(ctx); err != nil {
		return r, err
	}
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
	setup, err := b.setUp(ctx, api, o.connections)
	if err != nil {
		return r, err
	}
	begin := time.Now()
	if _, err := api.ImportCSV(ctx, setup.List, rig.CSV(n)); err != nil {
		return r, err
	}
	r = row{What: "facteur, " + engine, Recipients: n, Import: float64(n) / time.Since(begin).Seconds()}
	time.Sleep(time.Second) // until the import's consents are sealed
	before, err := p.Usage()
	if err != nil {
		return r, err
	}
	begin = time.Now()
	id, err := api.Launch(ctx, setup, letter(), letterText)
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

// setUp makes what a campaign to this sandbox needs.
func (b *box) setUp(ctx context.Context, api *rig.API, connections int) (rig.Setup, error) {
	host, port, err := net.SplitHostPort(b.addr)
	if err != nil {
		return rig.Setup{}, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return rig.Setup{}, err
	}
	return api.SetUp(ctx, host, number, connections)
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
