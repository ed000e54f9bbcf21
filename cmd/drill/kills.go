package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"facteur/internal/rig"
)

func killDrills() []drill {
	return []drill{
		{name: "kill -9 ten times, SIGTERM three times", full: true, play: kills},
		{name: "two workers: kill -9 of any process, rolling restart", engine: "postgres", full: true, apart: true, play: killAny},
		{name: "kill -9 during the launch", launch: killLaunch, play: halfWay},
		{name: "kill -9 during planning", full: true, launch: killPlanning, play: halfWay},
		{name: "kill -9 during migrations", before: killMigrations, play: halfWay},
	}
}

// halfWay lets everything run on undisturbed for a while.
func halfWay(s *stage) error { return s.arrived(s.people / 2) }

// kills ends processes at random moments, each time with the campaign under way.
func kills(s *stage) error {
	for i := range 13 {
		if err := s.arrived(s.people * (i + 1) / 16); err != nil {
			return err
		}
		s.sleep(0, 100*time.Millisecond)
		p := s.procs[rand.IntN(len(s.procs))]
		if i%4 == 3 {
			s.calm() // a stop leaves nothing in doubt
			if _, err := p.Stop(); err != nil {
				return fmt.Errorf("SIGTERM: %w", err)
			}
		} else if err := s.strike(p.Kill, p); err != nil {
			return err
		}
		if err := p.Start(s.ctx); err != nil {
			return err
		}
	}
	return nil
}

// killAny ends any of the processes at random moments, and in the middle
// replaces all of them in turn, as an upgrade does.
func killAny(s *stage) error {
	for i := range 12 {
		if err := s.arrived(s.people * (i + 1) / 16); err != nil {
			return err
		}
		s.sleep(0, 100*time.Millisecond)
		if i == 6 {
			s.calm() // none of them leaves anything in doubt
			if err := s.cluster.Roll(s.ctx); err != nil {
				return err
			}
			continue
		}
		p := s.procs[(i+rand.IntN(2)*3)%len(s.procs)]
		if err := s.strike(p.Kill, p); err != nil {
			return err
		}
		s.sleep(0, time.Second)
		if err := p.Start(s.ctx); err != nil {
			return err
		}
	}
	return nil
}

// killLaunch ends the process that is asked to launch, while it is asked, until
// a launch has lived.
func killLaunch(s *stage) error {
	if err := s.draft(); err != nil {
		return err
	}
	for range 6 {
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			ctx, cancel := context.WithTimeout(s.ctx, 5*time.Second)
			defer cancel()
			_ = s.api.Client.Launch(ctx, s.campaign) // its process is killed
		}()
		s.sleep(0, 150*time.Millisecond)
		if err := s.strike(s.procs[0].Kill, s.procs[0]); err != nil {
			return err
		}
		<-asked
		if err := s.procs[0].Start(s.ctx); err != nil {
			return err
		}
	}
	c, err := s.api.Campaign(s.ctx, s.campaign)
	if err != nil || c.Status != "draft" {
		return err // a launch had committed before its process ended
	}
	return s.api.Client.Launch(s.ctx, s.campaign)
}

// killPlanning ends all schedulers again and again while the people are
// written down.
func killPlanning(s *stage) error {
	if err := s.draft(); err != nil {
		return err
	}
	if err := s.api.Client.Launch(s.ctx, s.campaign); err != nil {
		return err
	}
	for range 8 {
		s.sleep(20*time.Millisecond, 150*time.Millisecond)
		for _, p := range s.procs {
			if err := s.strike(p.Kill, p); err != nil {
				return err
			}
		}
		for _, p := range s.procs {
			if err := p.Start(s.ctx); err != nil {
				return err
			}
		}
		if c, err := s.api.Campaign(s.ctx, s.campaign); err != nil || c.Planned {
			return err
		}
	}
	return nil
}

// killMigrations ends processes while they bring the schema up to date, later
// and later, until one has come through.
func killMigrations(s *stage) error {
	p := s.procs[0]
	for after := 5 * time.Millisecond; ; after = after * 5 / 4 {
		cmd := migrate(p)
		if err := cmd.Start(); err != nil {
			return err
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("facteur migrate after %d kills: %w\n%s", s.events, err, cmd.Stderr)
			}
			return nil
		case <-time.After(after):
			s.calm()
			if err := errors.Join(cmd.Process.Kill()); err != nil {
				return err
			}
			<-done
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
}

// migrate is "facteur migrate" with a process's settings.
func migrate(p *rig.Process) *exec.Cmd {
	cmd := exec.Command(p.Binary, "migrate")
	cmd.Env = append([]string{"PATH=/usr/bin:/bin", "HOME=/"}, p.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = &strings.Builder{}
	return cmd
}
