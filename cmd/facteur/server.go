package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"facteur/web/client"
)

// server is where a command finds the server that runs.
type server struct {
	URL   string `name:"url" help:"Where the server answers; empty: http:// and FACTEUR_HTTP_ADDR." placeholder:"URL"`
	Token string `name:"token" help:"API token; empty: FACTEUR_ADMIN_TOKEN. Others on this host can see a flag: a variable is safer." placeholder:"TOKEN"`
}

func (s server) client(c *Config) *client.Client {
	api := &client.Client{Base: s.URL, Token: s.Token}
	if api.Base == "" {
		api.Base = "http://" + reachable(c.HTTPAddr)
	}
	api.Base = strings.TrimSuffix(strings.TrimRight(api.Base, "/"), "/api/v1")
	if api.Token == "" {
		api.Token = c.AdminToken
	}
	return api
}

// reachable is a listening address as one to connect to: who listens
// everywhere answers on loopback.
func reachable(listening string) string {
	host, port, err := net.SplitHostPort(listening)
	if err != nil {
		return listening
	}
	if addr, err := netip.ParseAddr(host); host == "" || err == nil && addr.Unmap() == netip.IPv4Unspecified() {
		host = "127.0.0.1"
	} else if err == nil && addr.IsUnspecified() {
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}

// unreachable tells whether nobody listens.
func unreachable(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// explain says in an operator's words why a call came to nothing.
func explain(api *client.Client, err error) error {
	var p *client.Problem
	switch {
	case err == nil:
		return nil
	case unreachable(err):
		var op *net.OpError
		errors.As(err, &op)
		return fmt.Errorf("no server answers at %s (%w): start it with facteur serve, or say where it is with --url", api.Base, op.Err)
	case errors.As(err, &p) && p.Status == http.StatusUnauthorized && api.Token == "":
		return fmt.Errorf("the server at %s wants an API token: set FACTEUR_ADMIN_TOKEN, or give one with --token", api.Base)
	case errors.As(err, &p) && p.Status == http.StatusUnauthorized:
		return fmt.Errorf("the server at %s does not know this token: give another with --token or FACTEUR_ADMIN_TOKEN", api.Base)
	case errors.As(err, &p) && p.Code != "":
		return fmt.Errorf("the server at %s says: %s (%s)", api.Base, p.Detail, p.Code)
	case errors.As(err, &p):
		return fmt.Errorf("what answers at %s is no facteur: %d to %s %s", api.Base, p.Status, p.Method, p.Path)
	}
	return err
}
