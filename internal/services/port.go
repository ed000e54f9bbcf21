package services

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// freePort picks a loopback port nobody listens on.
//
// It is picked below the range from which systems take ports for outgoing
// connections (32768 and up on Linux). A port from that range could be taken by
// any client while a killed server is down, even by one that dials that very
// port: it would then be connected to itself.
func freePort() (int, error) {
	for range 50 {
		if port := 15000 + rand.IntN(15000); free(port) {
			return port, nil
		}
	}
	return 0, errors.New("no free port on loopback: 50 between 15000 and 29999 were tried, all are taken")
}

// free is true when we could listen on the port.
func free(port int) bool {
	l, err := net.Listen("tcp", address(port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

func address(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
