package main

import (
	"fmt"
	"strings"
	"time"

	"facteur/internal/rig"
)

// networkDrills: a partition outlasts the leases of processes and batches,
// and the time that a relay is given for an answer.
func networkDrills(o options) []drill {
	brief := []string{"FACTEUR_FINAL_DOT=" + finalDot(o).String()}
	return []drill{
		{name: "a worker and the database parted", engine: "postgres", linked: true, env: brief, play: parted(toPostgres, "worker")},
		{name: "all processes and the database parted", engine: "postgres", linked: true, env: brief, play: parted(toPostgres, "")},
		{name: "connections to the database reset", engine: "postgres", linked: true, play: reset},
		{name: "a worker and Redis parted", engine: "postgres", linked: true, env: brief, play: parted(toRedis, "worker")},
		{name: "all processes and Redis parted", engine: "postgres", linked: true, env: brief, play: parted(toRedis, "")},
		{name: "DNS away", names: true, play: namesAway},
	}
}

// finalDot is a patience with relays that the pauses of a drill outlast.
func finalDot(o options) time.Duration { return max(2*time.Second, o.pause/2) }

func toPostgres(l rig.Link) *rig.Proxy { return l.Postgres }
func toRedis(l rig.Link) *rig.Proxy    { return l.Redis }

// parted lets nothing pass between processes and a server: the last one with
// a role, or all of them.
func parted(which func(rig.Link) *rig.Proxy, role string) func(*stage) error {
	return func(s *stage) error {
		if err := s.arrived(s.people / 4); err != nil {
			return err
		}
		var links []*rig.Proxy
		var cut []*rig.Process
		for i, p := range s.procs {
			if role == "" || i == len(s.procs)-1 && strings.Contains(p.Roles, role) {
				links, cut = append(links, which(s.cluster.Links[i])), append(cut, p)
			}
		}
		if len(links) == 0 {
			return fmt.Errorf("no process with the role %s at the end of the cluster", role)
		}
		each := func(do func(*rig.Proxy)) error {
			for _, l := range links {
				do(l)
			}
			return nil
		}
		if err := s.strike(func() error { return each((*rig.Proxy).Partition) }, cut...); err != nil {
			return err
		}
		// Longer than the 15 s after which a silent process is taken for ended.
		s.sleep(max(20*time.Second, s.pause), max(20*time.Second, s.pause))
		return each((*rig.Proxy).Heal)
	}
}

// reset breaks all connections to the database, ten times.
func reset(s *stage) error {
	for i := range 10 {
		if err := s.arrived(s.people * (i + 1) / 16); err != nil {
			return err
		}
		s.calm()
		for _, l := range s.cluster.Links {
			l.Postgres.Cut()
		}
	}
	return nil
}

// namesAway takes the resolver away and breaks the connections to the relay,
// so that it must be looked up.
func namesAway(s *stage) error {
	if err := s.arrived(s.people / 4); err != nil {
		return err
	}
	if err := s.resolver.Stop(); err != nil {
		return err
	}
	if err := s.strike(func() error { s.box.Suspend(); return s.box.Resume() }); err != nil {
		return err
	}
	s.rest()
	return s.resolver.Start()
}
