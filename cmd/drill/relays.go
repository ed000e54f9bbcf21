package main

import (
	"fmt"
	"time"

	"facteur/sending/sandbox"
)

func relayDrills() []drill {
	return []drill{
		{name: "relay stopped", play: relayStopped},
		{name: "relay swallows every answer", holds: true, play: misbehaves("swallow"), lost: unanswered},
		{name: "relay loses messages and connections", holds: true, play: misbehaves("drop-after-body")},
		{name: "relay says 421 to all", play: misbehaves("sender-busy")},
		{name: "relay hangs up at DATA", play: misbehaves("hang-up")},
		{name: "red button pressed and lifted", play: redButton},
	}
}

func relayStopped(s *stage) error {
	if err := s.arrived(s.people / 4); err != nil {
		return err
	}
	if err := s.strike(func() error { s.box.Suspend(); return nil }); err != nil {
		return err
	}
	s.rest()
	return s.box.Resume()
}

// misbehaves lets the relay play a word of the sandbox for a while.
func misbehaves(word string) func(*stage) error {
	return func(s *stage) error {
		if err := s.arrived(s.people / 4); err != nil {
			return err
		}
		s.calm()
		if err := s.rules(sandbox.Rule{Fraction: 1, Action: word}); err != nil {
			return err
		}
		s.rest()
		return s.rules()
	}
}

// unanswered is how many messages the relay took and did not answer: each may
// rightly be sent once more.
func unanswered(s *stage) int { return int(s.box.Count().Unanswered) }

// redButton stops everything for a while. What was under way ends; nobody
// opens connections only to break them off.
func redButton(s *stage) error {
	if err := s.arrived(s.people / 4); err != nil {
		return err
	}
	s.calm()
	if err := s.call("POST", "/stop", map[string]any{"reason": "drill"}); err != nil {
		return err
	}
	pressed, at := s.box.Count(), time.Now()
	s.rest()
	now := s.box.Count()
	arrived, opened, cut := now.Accepted-pressed.Accepted, now.Connections-pressed.Connections, now.Dropped-pressed.Dropped
	s.note("in the %s after the stop %d arrivals, %d connections opened, %d cut after DATA", time.Since(at).Round(time.Second), arrived, opened, cut)
	if most := int64(s.maxOpen); max(arrived, opened, cut) > most {
		s.fault("after the stop: %d arrivals, %d connections opened, %d cut after DATA; of each at most %d could be under way", arrived, opened, cut, most)
	}
	if err := s.call("DELETE", "/stop", map[string]any{"reason": "drill"}); err != nil {
		return fmt.Errorf("lift the stop: %w", err)
	}
	return nil
}
