package database

import (
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of linux/tcp.h, which package syscall has not.
const tcpUserTimeout = 18

// control lets the kernel end a connection whose bytes are not acknowledged
// for that long: it would go on for a quarter of an hour by itself (RFC 5482).
func control(patience time.Duration) func(network, address string, c syscall.RawConn) error {
	return func(network, _ string, c syscall.RawConn) error {
		if network == "unix" {
			return nil
		}
		var set error
		err := c.Control(func(fd uintptr) {
			set = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(patience.Milliseconds()))
		})
		if err == nil {
			err = set
		}
		return err
	}
}
