package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"facteur/internal/rig"
	"facteur/internal/services"
)

// failedStarts is more than there are node numbers.
const failedStarts = 1100

func startDrills() []drill {
	return []drill{
		{name: "1,100 starts that fail", before: crashLoop, play: halfWay},
	}
}

// crashLoop starts processes that cannot come up, as a supervisor does with a
// wrong setting: here it is the password of Redis. Then the right ones must
// come up.
func crashLoop(s *stage) error {
	locked, err := services.StartRedis(s.ctx, services.RedisOptions{})
	if err != nil {
		return err
	}
	s.also = append(s.also, locked)
	if err := locked.Do(s.ctx, "CONFIG", "SET", "requirepass", "another"); err != nil {
		return err
	}
	p, wrong := s.procs[0], "FACTEUR_REDIS_URL="+locked.URL()
	beside := 1 // of one data folder there is one process
	if s.cluster != nil {
		beside = 4
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
	s.events += failedStarts
	each := time.Since(begin) * time.Duration(beside) / failedStarts
	s.note("%d failing starts took %s each, %d at a time", failedStarts, each.Round(time.Millisecond), beside)
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
