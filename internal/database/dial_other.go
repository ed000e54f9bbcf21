//go:build !linux

package database

import (
	"syscall"
	"time"
)

// control does nothing: keep-alives and our own limits must do.
func control(time.Duration) func(network, address string, c syscall.RawConn) error { return nil }
