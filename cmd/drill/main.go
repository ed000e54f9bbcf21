// Command drill breaks a running campaign on purpose, in the ways operators
// fear, and counts what arrived: nobody may be lost, and nobody gets it twice
// but those whose message was under way at the moment, each listed as doubted.
//
// Run it through make drill, which starts the servers it needs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"facteur/internal/rig"
)

// options are the drill's own.
type options struct {
	recipients  int
	connections int
	engines     string
	only        string
	keep        bool
	limits      bool
	pause       time.Duration // how long things are stopped or suspended
}

func main() {
	var o options
	flag.IntVar(&o.recipients, "recipients", 100_000, "people in the kill drill; the others take a fifth")
	flag.IntVar(&o.connections, "connections", 50, "connections to the relay")
	flag.StringVar(&o.engines, "engines", "sqlite,postgres", "which to drill")
	flag.StringVar(&o.only, "only", "", "run only the drills, or limits, whose name contains this")
	flag.DurationVar(&o.pause, "pause", 30*time.Second, "how long servers are stopped; processes are suspended twice as long")
	flag.BoolVar(&o.keep, "keep", false, "keep the folder with databases and logs")
	flag.BoolVar(&o.limits, "limits", false, "hold limits against what arrives, instead of the drills")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "drill:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "facteur-drill-")
	if err != nil {
		return err
	}
	if o.keep {
		fmt.Fprintln(os.Stderr, "kept in", dir)
	} else {
		defer func() { _ = os.RemoveAll(dir) }()
	}
	binary, err := rig.Build(ctx, dir, "drill")
	if err != nil {
		return err
	}
	fmt.Printf("# make drill, commit %s, %s\n\n", commit(), time.Now().UTC().Format(time.DateOnly))
	if o.limits {
		if err := limitDrill(ctx, o, binary, dir); err != nil {
			return err
		}
		return refusalDrill(ctx, o, binary, dir)
	}
	fmt.Println("lost: neither arrived nor held. extra: arrived twice. bound: open connections at the events. listed: the extras that GET …/deliveries?doubted=true names.")
	fmt.Println("held: uncertain at the end, in doubt twice or on a relay that swallows answers; a person lets them go with resend-failed.")
	fmt.Println()
	fmt.Println("| drill | engine | people | events | sent | lost | extra | bound | doubted | listed | held | books | seconds |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	var bad []string
	n := 0
	for engine := range strings.SplitSeq(o.engines, ",") {
		for _, d := range drills {
			if !strings.Contains(d.name, o.only) || (d.engine != "" && d.engine != engine) {
				continue
			}
			n++
			r, err := drillOne(ctx, o, d, engine, binary, fmt.Sprintf("%s/%02d", dir, n))
			if err != nil {
				return fmt.Errorf("%s on %s: %w", d.name, engine, err)
			}
			fmt.Println(r)
			if !r.good() {
				bad = append(bad, d.name+" on "+engine)
			}
		}
	}
	if len(bad) > 0 {
		return errors.New("failed: " + strings.Join(bad, ", "))
	}
	return nil
}

// commit is the revision this drill was built from, or "unknown".
func commit() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value[:12]
			}
		}
	}
	return rig.Commit()
}
