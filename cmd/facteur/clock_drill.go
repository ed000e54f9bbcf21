//go:build drill

package main

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// wallClock is the clock of all that is written and stamped, in a build for
// drills: it is off by as many milliseconds as the file DRILL_CLOCK
// says, which is read anew within 20 ms; no file is no offset. Change it by
// renaming another over it, so that no half number is read.
func wallClock() func() time.Time {
	name := os.Getenv("DRILL_CLOCK")
	if name == "" {
		return time.Now
	}
	var mu sync.Mutex
	var read time.Time
	var offset time.Duration
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		if now.Sub(read) > 20*time.Millisecond {
			read, offset = now, drillOffset(name)
		}
		return now.Round(0).Add(offset) // as a stepped clock: without a monotonic reading
	}
}

func drillOffset(name string) time.Duration {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0
	}
	ms, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return time.Duration(ms) * time.Millisecond
}
