package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"facteur/sending/sandbox"
	"facteur/web/inbox"
)

type sandboxCmd struct {
	Addr    string        `help:"Where it takes mail." default:"127.0.0.1:2525"`
	Control string        `help:"Where its inbox is, and where it tells over HTTP what it took: /counts, /deliveries, /messages." default:"127.0.0.1:2580"`
	Keep    int           `help:"How many whole messages it keeps." default:"1000"`
	Latency time.Duration `help:"Wait before the answer to each message." default:"0s"`
	RTT     time.Duration `help:"Wait before every group of answers, as a network of this round trip would." name:"rtt" default:"0s"`
	Log     string        `help:"File to which each accepted delivery is added." placeholder:"FILE"`
	Words   bool          `help:"Print the words that recipients' addresses may start with to make it misbehave, and stop."`
}

func (sandboxCmd) Help() string {
	return "Example:\n  facteur sandbox --addr 127.0.0.1:2525\n\nIt only plays: real providers behave in ways of their own. Its addresses should not be open to others."
}

// Run plays until SIGINT or SIGTERM.
func (s *sandboxCmd) Run(*Config) error {
	if s.Words {
		return sandbox.WriteWords(os.Stdout)
	}
	box, err := sandbox.Start(sandbox.Options{Addr: s.Addr, Keep: s.Keep, Latency: s.Latency, RoundTrip: s.RTT, LogFile: s.Log})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Control)
	if err != nil {
		return errors.Join(err, box.Close())
	}
	fmt.Printf("sandbox takes mail at %s; its inbox is at http://%s\n", box.Addr(), listener.Addr())
	server := &http.Server{Handler: inbox.New(inbox.Options{Box: box}), ReadHeaderTimeout: 10 * time.Second}
	go func() { <-ctx.Done(); _ = server.Close() }()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(err, box.Close())
	}
	return box.Close()
}
