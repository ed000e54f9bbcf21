// Command cluster runs the topology of docker-compose.yml as plain processes
// on loopback, until Ctrl-C: PostgreSQL, Redis, a sandbox, an API, a scheduler
// and a spare one, two workers. It builds facteur, keeps all data in a
// temporary folder, and says which process is which, so that one can be
// stopped or killed to see what happens.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"
	"time"

	"facteur/internal/rig"
	"facteur/sending/sandbox"
	"facteur/web/inbox"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "facteur-cluster-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary, err := rig.Build(ctx, dir)
	if err != nil {
		return err
	}
	box, err := sandbox.Start(sandbox.Options{Keep: 1000})
	if err != nil {
		return err
	}
	defer func() { _ = box.Close() }()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: inbox.New(inbox.Options{Box: box}), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	c, err := rig.StartCluster(ctx, binary, dir, nil)
	if err != nil {
		return err
	}
	show(c, box.Addr(), listener.Addr().String())
	<-ctx.Done()
	fmt.Println("\nstopping")
	return c.Stop()
}

func show(c *rig.Cluster, box, inbox string) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	for _, p := range c.Processes {
		say("%s\tpid %d\thttp://%s", p.Roles, p.PID(), p.Addr)
	}
	say("PostgreSQL\t\t%s", c.Postgres.URL())
	say("Redis\t\t%s", c.Redis.URL())
	say("sandbox\ttakes mail at %s\thttp://%s", box, inbox)
	_ = w.Flush() // standard output
	fmt.Printf("\nTOKEN=%s API=http://%s/api/v1\n", rig.Token, c.Processes[0].Addr)
	fmt.Printf("  bin/facteur status --url http://%s --token $TOKEN\n", c.Processes[0].Addr)
	fmt.Println("Stop or kill any of them; a killed one is not started again. Ctrl-C ends all.")
}
