package rig

import (
	"strconv"
	"time"
)

// Clock is the file that sets off the clocks of the processes that run with
// its Env, if they were built with the tag "drill".
type Clock struct{ File string }

// Env is what a process needs in its environment to go by the clock.
func (c Clock) Env() []string { return []string{"DRILL_CLOCK=" + c.File} }

// Set puts the clock off by so much, within 20 ms.
func (c Clock) Set(off time.Duration) error {
	return replace(c.File, strconv.FormatInt(off.Milliseconds(), 10))
}
