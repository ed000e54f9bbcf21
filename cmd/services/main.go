package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"facteur/internal/services"
)

func main() {
	os.Exit(run(os.Args[1:]))
}

// run is the whole program; it returns the exit code: the command's, 1 for our
// own failures, 2 for a wrong command line.
func run(arguments []string) int {
	flags := flag.NewFlagSet("services", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: services [flags] -- COMMAND ARGS…")
		flags.PrintDefaults()
	}
	need := flags.String("need", strings.Join(names(services.Parts()), ","), "servers to start, by `name`")
	noInstall := flags.Bool("no-install", false, "do not install missing packages, even where that is possible")
	if err := flags.Parse(arguments); err != nil {
		return 2
	}
	if flags.NArg() == 0 {
		flags.Usage()
		return 2
	}
	parts, err := choose(*need)
	if err != nil {
		fmt.Fprintln(os.Stderr, "services:", err)
		return 2
	}
	code, err := runBeside(parts, !*noInstall, flags.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "services:", err)
		return max(code, 1)
	}
	return code
}

// choose finds the parts named in a comma-separated list, but for those whose
// variable is set: that server is there already.
func choose(list string) ([]services.Part, error) {
	all := services.Parts()
	var chosen []services.Part
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		i := slices.IndexFunc(all, func(p services.Part) bool { return p.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("--need: there is no %q; there are %s", name, strings.Join(names(all), ", "))
		}
		if os.Getenv(all[i].Variable) == "" {
			chosen = append(chosen, all[i])
		}
	}
	return chosen, nil
}

func names(parts []services.Part) []string {
	var list []string
	for _, part := range parts {
		list = append(list, part.Name)
	}
	return list
}

// runBeside starts the parts, runs the command, stops the parts.
func runBeside(parts []services.Part, install bool, command []string) (code int, err error) {
	// A Ctrl-C at the terminal reaches the command by itself; it ends, and we
	// stop the servers.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()

	if err := compiler(ctx); err != nil {
		return 1, err
	}
	parts, err = provide(ctx, parts, install)
	if err != nil {
		return 1, err
	}
	var running []services.Running
	defer func() {
		for _, server := range running {
			if failed := server.Stop(); failed != nil && err == nil {
				err = failed
			}
		}
	}()
	environment := os.Environ()
	for _, part := range parts {
		server, err := part.Start(ctx)
		if err != nil {
			return 1, err
		}
		running = append(running, server)
		environment = append(environment, part.Variable+"="+server.URL())
	}
	if err := ctx.Err(); err != nil {
		return 1, err
	}
	return follow(command, environment, signals)
}
