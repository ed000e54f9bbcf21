package main

import (
	"net/http"
	"time"

	"facteur/sending/sandbox"
)

const (
	day = 24 * time.Hour
	// minutely is long enough for what is done once a minute: at a wrong year it
	// would delete for good.
	minutely = 70 * time.Second
)

func clockDrills() []drill {
	return []drill{
		clockDrill("a day ahead, and back", 0, day, 0),
		clockDrill("a year ahead for a minute, and back", minutely, 365*day, 0),
		clockDrill("an hour behind, and right again", 0, -time.Hour, 0),
		clockDrill("to and fro by minutes", 0, 3*time.Minute, -3*time.Minute, 3*time.Minute, 0),
	}
}

func clockDrill(name string, stay time.Duration, steps ...time.Duration) drill {
	d := drill{name: "clock " + name, off: true, play: clockSteps(stay, steps...), check: nobodyForgotten}
	if stay > 0 {
		d.paced, d.lasts = true, stay+30*time.Second
	}
	return d
}

// clockSteps sets the clock of all processes, each time with the campaign
// under way; at the last step it is right again. While it is wrong the relay
// refuses us for a moment, so that it rests: by the right clock for as long as
// ever.
func clockSteps(stay time.Duration, steps ...time.Duration) func(*stage) error {
	return func(s *stage) error {
		for i, off := range steps {
			if err := s.arrivedOr(s.people*(i+1)/(2*len(steps)), s.pause); err != nil {
				return err
			}
			s.calm()
			if err := s.clock.Set(off); err != nil {
				return err
			}
			if off == 0 {
				break
			}
			s.sleep(max(s.pause/2, stay), max(s.pause/2, stay))
			if off.Abs() < time.Hour {
				continue // a rest that is late by minutes is no fault
			}
			if err := s.rules(sandbox.Rule{Fraction: 1, Action: "sender-blocked"}); err != nil {
				return err
			}
			s.sleep(2*time.Second, 2*time.Second)
			if err := s.rules(); err != nil {
				return err
			}
		}
		s.sleep(s.pause/2, s.pause/2)
		return nil
	}
}

// nobodyForgotten: who was asked for a yes a moment ago has still time to give it.
func nobodyForgotten(s *stage, r *result, all map[string][]arrival) error {
	var list struct {
		Sizes struct {
			Pending int `json:"pending"`
		} `json:"sizes"`
	}
	if err := s.api.Call(s.ctx, http.MethodGet, "/lists/"+s.company.form, nil, &list); err != nil {
		return err
	}
	asked := 0
	for email, l := range s.company.letters {
		if l.kind == "confirmation" && len(all[email]) > 0 {
			asked++
		}
	}
	if list.Sizes.Pending < asked {
		r.fault("%d people were asked for their yes, %d are still waited for", asked, list.Sizes.Pending)
	}
	return nil
}
