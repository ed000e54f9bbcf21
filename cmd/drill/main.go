// Command drill breaks a running installation on purpose, in the ways operators
// fear, and counts what arrived: nobody may be lost, nobody gets a mail twice
// but those whose message was under way at the moment, each listed as doubted,
// and nobody who has said no gets one.
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
	"sync"
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
	short       bool
	list        bool
	limits      bool
	beside      int           // drills at the same time
	pause       time.Duration // how long things are stopped, away or slow
}

func main() {
	var o options
	flag.IntVar(&o.recipients, "recipients", 100_000, "people in the kill drills; the others take a fifth")
	flag.IntVar(&o.connections, "connections", 50, "connections to the relay")
	flag.StringVar(&o.engines, "engines", "sqlite,postgres", "which to drill")
	flag.StringVar(&o.only, "only", "", "run only the drills, or limits, whose name contains this, or one of several with commas between them")
	flag.DurationVar(&o.pause, "pause", 30*time.Second, "how long things are stopped, away or slow")
	flag.IntVar(&o.beside, "beside", 1, "drills at the same time")
	flag.BoolVar(&o.short, "short", false, "10,000 people, pauses of 8 s, four drills at the same time, unless said otherwise")
	flag.BoolVar(&o.list, "list", false, "only name the drills")
	flag.BoolVar(&o.keep, "keep", false, "keep the folder with databases and logs")
	flag.BoolVar(&o.limits, "limits", false, "hold limits against what arrives, instead of the drills")
	flag.Parse()
	if o.short {
		given := map[string]bool{}
		flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
		if !given["recipients"] {
			o.recipients = 10_000
		}
		if !given["pause"] {
			o.pause = 8 * time.Second
		}
		if !given["beside"] {
			o.beside = 4
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "drill:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.list {
		for _, d := range drills(o) {
			fmt.Println(d.name)
		}
		return nil
	}
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
	return playAll(ctx, o, binary, dir)
}

// wants tells whether something is to be run.
func (o options) wants(name string) bool {
	for part := range strings.SplitSeq(o.only, ",") {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// playAll plays the table, some drills beside each other, and prints it as it
// goes. A drill that fails does not keep the others from being played.
func playAll(ctx context.Context, o options, binary, dir string) error {
	fmt.Println(legend)
	var mu sync.Mutex
	var bad []string
	var all sync.WaitGroup
	room := make(chan struct{}, max(1, o.beside))
	n := 0
	for engine := range strings.SplitSeq(o.engines, ",") {
		for _, d := range drills(o) {
			if !o.wants(d.name) || (d.engine != "" && d.engine != engine) {
				continue
			}
			n++
			at := fmt.Sprintf("%s/%02d", dir, n)
			room <- struct{}{}
			all.Go(func() {
				r := drillOne(ctx, o, d, engine, binary, at)
				<-room
				mu.Lock()
				defer mu.Unlock()
				fmt.Println(r)
				if len(r.faults) > 0 {
					bad = append(bad, d.name+" on "+engine)
				}
			})
		}
	}
	all.Wait()
	if n == 0 {
		return fmt.Errorf("no drill is named %q: see -list", o.only)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(bad) > 0 {
		return errors.New("failed: " + strings.Join(bad, "; "))
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
