package main

import (
	"fmt"
	"syscall"
	"time"
)

func suspendDrills(o options) []drill {
	return []drill{
		{name: "worker and scheduler suspended", env: []string{"FACTEUR_FINAL_DOT=90s"}, play: suspended(2 * o.pause)},
		{
			name: "suspended for twice FINAL_DOT", env: []string{fmt.Sprintf("FACTEUR_FINAL_DOT=%s", finalDot(o))},
			play: suspended(max(2*finalDot(o), 20*time.Second)),
		},
	}
}

// suspended stops each process in turn for longer than its lease.
func suspended(lasts time.Duration) func(*stage) error {
	return func(s *stage) error {
		for i, p := range s.procs {
			if err := s.arrived(s.people * (i + 1) / 5); err != nil {
				return err
			}
			// What it had begun may end after a no that came meanwhile.
			s.grace = append(s.grace, span{time.Now(), time.Now().Add(lasts + 2*time.Second)})
			if err := s.strike(func() error { return p.Signal(syscall.SIGSTOP) }, p); err != nil {
				return err
			}
			s.sleep(lasts, lasts)
			if err := p.Signal(syscall.SIGCONT); err != nil {
				return err
			}
		}
		return nil
	}
}
