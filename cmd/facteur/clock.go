//go:build !drill

package main

import "time"

// wallClock is the clock of all that is written and stamped.
func wallClock() func() time.Time { return time.Now }
