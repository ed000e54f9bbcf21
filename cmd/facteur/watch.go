package main

import (
	"time"

	"facteur/campaign"
)

// lookEvery is how often the clock is looked at.
const lookEvery = 10 * time.Second

// watchClock looks at the clock until the process ends, and says when it is
// not to be trusted and when it is again.
func (a *App) watchClock() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	doubted := ""
	for {
		now := ""
		if err := a.watch.Steady(); err != nil {
			now = err.Error()
		}
		switch {
		case now != "" && now != doubted:
			a.log.Error(now)
		case now == "" && doubted != "":
			a.log.Info("the clock is trusted again")
		}
		doubted = now
		select {
		case <-a.background.Done():
			return
		case <-tick.C:
			if err := a.watch.Look(a.background); err != nil && a.background.Err() == nil {
				a.log.Warn("look at the clock", "error", err)
			}
		}
	}
}

// patience is the settings' with the clock that it is measured by.
func (a *App) patience() campaign.Patience {
	p := a.config.patience()
	p.Watch = a.watch
	return p
}
