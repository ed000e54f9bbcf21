package database

import (
	"time"

	"golang.org/x/sys/unix"
)

// SinceBoot is the time since the machine was started. It runs evenly whatever
// is done to the wall clock, and runs on while the machine sleeps, which Go's
// own monotonic clock does not on Linux (clock_gettime(2), CLOCK_BOOTTIME).
func SinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err) // every Linux that Go supports has it
	}
	return time.Duration(t.Nano())
}
