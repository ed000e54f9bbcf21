package main

import "time"

const day = 24 * time.Hour

func clockDrills() []drill {
	steps := func(name string, steps ...time.Duration) drill {
		return drill{name: "clock " + name, off: true, play: clockSteps(steps...)}
	}
	return []drill{
		steps("a day ahead, and back", day, 0),
		steps("a year ahead, and back", 365*day, 0),
		steps("an hour behind, and right again", -time.Hour, 0),
		steps("to and fro by minutes", 3*time.Minute, -3*time.Minute, 3*time.Minute, 0),
	}
}

// clockSteps sets the clock of all processes, each time with the campaign
// under way; at the last step it is right again.
func clockSteps(steps ...time.Duration) func(*stage) error {
	return func(s *stage) error {
		for i, off := range steps {
			if err := s.arrivedOr(s.people*(i+1)/(2*len(steps)), s.pause); err != nil {
				return err
			}
			s.calm()
			if err := s.clock.Set(off); err != nil {
				return err
			}
			s.sleep(s.pause/2, s.pause/2)
		}
		return nil
	}
}
