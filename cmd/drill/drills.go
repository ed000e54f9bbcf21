package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"facteur/sending/sandbox"
)

// drill is one way to break a running campaign.
type drill struct {
	name     string
	engine   string   // "" for all
	full     bool     // with all recipients
	apart    bool     // on PostgreSQL: each role in processes of its own, as docker-compose.yml has it
	roles    []string // on PostgreSQL: of the processes, if not as usual
	domain   string   // of the people, several with commas between them; "": many
	latency  time.Duration
	env      []string
	patience time.Duration
	folder   func(s *stage, dir string) (string, error)
	play     func(*stage) error
}

var drills = []drill{
	{name: "kill -9 ten times, SIGTERM three times", full: true, latency: 2 * time.Millisecond, play: kills},
	{name: "two workers: kill -9 of any process, rolling restart", engine: "postgres", full: true, apart: true, latency: 2 * time.Millisecond, play: killAny},
	{name: "relay stopped", latency: 20 * time.Millisecond, play: relayStopped},
	{name: "relay swallows every answer", latency: 5 * time.Millisecond, play: swallow},
	{name: "worker and scheduler suspended", latency: 20 * time.Millisecond, env: []string{"FACTEUR_FINAL_DOT=90s"}, play: suspended},
	{name: "disk full", engine: "sqlite", latency: 5 * time.Millisecond, folder: smallDisk, play: diskFull},
	{name: "Redis flushed five times", engine: "postgres", latency: 20 * time.Millisecond, play: redisFlushed},
	{name: "Redis stopped", engine: "postgres", latency: 20 * time.Millisecond, play: redisStopped},
	{name: "PostgreSQL killed", engine: "postgres", latency: 20 * time.Millisecond, play: postgresKilled},
}

// kills ends processes at random moments, each time with the campaign under way.
func kills(s *stage) error {
	for i := range 13 {
		if err := s.arrived(int64(s.people) * int64(i+1) / 16); err != nil {
			return err
		}
		s.sleep(0, 100*time.Millisecond)
		p := s.procs[rand.IntN(len(s.procs))]
		if i%4 == 3 {
			s.events++ // a stop leaves nothing in doubt
			if _, err := p.Stop(); err != nil {
				return fmt.Errorf("SIGTERM: %w", err)
			}
		} else {
			s.event(s.maxOpen)
			if err := p.Kill(); err != nil {
				return err
			}
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
		if err := s.arrived(int64(s.people) * int64(i+1) / 16); err != nil {
			return err
		}
		s.sleep(0, 100*time.Millisecond)
		if i == 6 {
			s.events += len(s.procs) // none of them leaves anything in doubt
			if err := s.cluster.Roll(s.ctx); err != nil {
				return err
			}
			continue
		}
		p := s.procs[(i+rand.IntN(2)*3)%len(s.procs)]
		open := 0
		if strings.Contains(p.Roles, "worker") {
			open = s.maxOpen / s.workers
		}
		s.event(open)
		if err := p.Kill(); err != nil {
			return err
		}
		s.sleep(0, time.Second)
		if err := p.Start(s.ctx); err != nil {
			return err
		}
	}
	return nil
}

func relayStopped(s *stage) error {
	if err := s.arrived(int64(s.people) / 4); err != nil {
		return err
	}
	s.event(s.maxOpen)
	s.box.Suspend()
	s.sleep(s.pause, s.pause)
	return s.box.Resume()
}

// swallow lets the relay take messages and say nothing, for a while. What is
// sent again of these is what the doubt rule lets through.
func swallow(s *stage) error {
	if err := s.arrived(int64(s.people) / 4); err != nil {
		return err
	}
	s.event(s.maxOpen + 10) // those under way, and a probe after each rest
	if err := s.box.SetRules([]sandbox.Rule{{Fraction: 1, Action: "swallow"}}); err != nil {
		return err
	}
	s.sleep(s.pause, s.pause)
	return s.box.SetRules(nil)
}

// suspended stops each process in turn for longer than its lease.
func suspended(s *stage) error {
	for i, p := range s.procs {
		if err := s.arrived(int64(s.people) * int64(i+1) / 5); err != nil {
			return err
		}
		s.event(s.maxOpen)
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		s.sleep(2*s.pause, 2*s.pause)
		if err := p.Signal(syscall.SIGCONT); err != nil {
			return err
		}
	}
	return nil
}

// smallDisk is a file system of its own, big enough for the campaign.
func smallDisk(s *stage, dir string) (string, error) {
	disk := filepath.Join(dir, "disk")
	if err := os.MkdirAll(disk, 0o755); err != nil {
		return "", err
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256m"); err != nil {
		return "", fmt.Errorf("mount a small disk (this drill needs root): %w", err)
	}
	s.mounted = disk
	return disk, nil
}

// diskFull fills the disk in the middle and empties it again.
func diskFull(s *stage) error {
	if err := s.arrived(int64(s.people) / 4); err != nil {
		return err
	}
	s.event(s.maxOpen)
	ballast := filepath.Join(s.mounted, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		return err
	}
	block := make([]byte, 1<<16)
	for {
		if _, err := f.Write(block); err != nil {
			break
		}
	}
	_ = f.Close()
	s.sleep(s.pause/3, s.pause/3)
	return os.Remove(ballast)
}

func redisFlushed(s *stage) error {
	for i := range 5 {
		if err := s.arrived(int64(s.people) * int64(i+1) / 8); err != nil {
			return err
		}
		s.events++
		if err := s.redis.FlushAll(s.ctx); err != nil {
			return err
		}
	}
	return nil
}

func redisStopped(s *stage) error {
	if err := s.arrived(int64(s.people) / 4); err != nil {
		return err
	}
	s.events++
	if err := s.redis.Kill(); err != nil {
		return err
	}
	s.sleep(s.pause, s.pause)
	return s.redis.Start(s.ctx)
}

func postgresKilled(s *stage) error {
	if err := s.arrived(int64(s.people) / 4); err != nil {
		return err
	}
	s.event(s.maxOpen)
	if err := s.postgres.Kill(); err != nil {
		return err
	}
	s.sleep(s.pause/6, s.pause/6)
	return s.postgres.Start(s.ctx)
}
