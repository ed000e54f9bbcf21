package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"facteur/internal/rig"
)

// pace is how fast a number of things was done by several at once.
type pace struct {
	While string  `json:"while"`
	N     int     `json:"n"`
	Rate  float64 `json:"per_s"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
}

// measure does n things, each once, by at workers; bad are those that do said
// no to. A worker ends at its first error.
func measure(n, at int, worker func(each func(do func(i int) (bool, error)) error) error) (p pace, bad int64, err error) {
	took := make([]time.Duration, n)
	failures := make(chan error, at)
	var next, refused atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	each := func(do func(i int) (bool, error)) error {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			asked := time.Now()
			ok, err := do(i)
			if err != nil {
				return err
			}
			if !ok {
				refused.Add(1)
			}
			took[i] = time.Since(asked)
		}
		return nil
	}
	for range at {
		wg.Go(func() {
			if err := worker(each); err != nil {
				failures <- err
			}
		})
	}
	wg.Wait()
	all := time.Since(begin)
	select {
	case err := <-failures:
		return p, 0, err
	default:
	}
	slices.Sort(took)
	ms := func(part float64) float64 { return float64(took[int(part*float64(n-1))].Microseconds()) / 1000 }
	return pace{N: n, Rate: float64(n) / all.Seconds(), P50: ms(0.5), P99: ms(0.99)}, refused.Load(), nil
}

// asProcess runs this program as somebody, and reads what it prints.
func asProcess(ctx context.Context, be, to string, at int, printed any) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "-be", be, "-to", to, "-connections", strconv.Itoa(at))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	return json.Unmarshal(out, printed)
}

// whileSending does something while a campaign to so many others is sent, and
// says how far that got.
func whileSending(ctx context.Context, api *rig.API, setup rig.Setup, people int, do func() error) (said string, err error) {
	if setup.List, err = api.List(ctx, "Others"); err != nil {
		return "", err
	}
	if _, err := api.ImportCSV(ctx, setup.List, rig.CSV(people)); err != nil {
		return "", err
	}
	campaign, err := api.Launch(ctx, setup, letter(), letterText)
	if err != nil {
		return "", err
	}
	time.Sleep(2 * time.Second) // it is under way
	if err := do(); err != nil {
		return "", err
	}
	now, err := api.Campaign(ctx, campaign)
	return fmt.Sprintf("while a campaign is sent (%s, %d of %d sent)", now.Status, now.Counts.Sent, people), err
}
