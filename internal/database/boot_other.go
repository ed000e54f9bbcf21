//go:build !linux

package database

import (
	"time"

	"golang.org/x/sys/unix"
)

// SinceBoot is a time that runs evenly whatever is done to the wall clock. On
// some systems it stands still while the machine sleeps.
func SinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}
