package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"facteur/internal/rig"
)

// failedStarts is more than there are node numbers.
const failedStarts = 1100

func startDrills() []drill {
	return []drill{
		{name: "1,100 starts that fail", before: crashLoop, play: halfWay},
	}
}

// crashLoop starts processes that cannot come up, as a supervisor does with a
// wrong setting: Redis is not there, or the port is taken. Then the right ones
// must come up.
func crashLoop(s *stage) error {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { _ = taken.Close() }()
	p := s.procs[0]
	wrong, beside := "FACTEUR_HTTP_ADDR="+taken.Addr().String(), 1 // of one data folder there is one process
	if s.cluster != nil {
		wrong, beside = "FACTEUR_REDIS_URL=redis://127.0.0.1:1/0", 4
	}
	begin := time.Now()
	var left atomic.Int64
	left.Store(failedStarts)
	var all sync.WaitGroup
	failed := make(chan error, beside)
	for i := range beside {
		all.Go(func() {
			for left.Add(-1) >= 0 && s.ctx.Err() == nil {
				if err := failingStart(s.ctx, p, wrong, fmt.Sprintf("%s/failing-%d", s.dir, i), s.cluster != nil); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(failed)
	s.events += failedStarts - max(0, int(left.Load()))
	s.note("%d failing starts took %.0f ms each, %d at a time", failedStarts, float64(time.Since(begin).Milliseconds())*float64(beside)/failedStarts, beside)
	return <-failed
}

// failingStart runs a process until it gives up, in at most half a minute.
func failingStart(ctx context.Context, p *rig.Process, wrong, folder string, elsewhere bool) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.Binary, p.Args...)
	cmd.Env = append([]string{"PATH=/usr/bin:/bin", "HOME=/"}, p.Env...)
	cmd.Env = append(cmd.Env, wrong)
	if elsewhere {
		cmd.Env = append(cmd.Env, "FACTEUR_DATA_DIR="+folder)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("a start with %s did not give up within 30 s", wrong)
	case err == nil:
		return fmt.Errorf("a start with %s came up", wrong)
	case !errors.As(err, &exit):
		return err
	case strings.Contains(string(said), "panic:"):
		return fmt.Errorf("a start with %s panicked:\n%s", wrong, said)
	}
	return nil
}
