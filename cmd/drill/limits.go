package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"facteur/sending/sandbox"
)

// limit is one that is tried.
type limit struct {
	name   string
	body   map[string]any
	most   int // in a window
	window time.Duration
}

var limits = []limit{
	{"10/s", map[string]any{"per_second": 10}, 10, time.Second},
	{"200/s", map[string]any{"per_second": 200}, 200, time.Second},
	{"1,000/min", map[string]any{"per_minute": 1000}, 1000, time.Minute},
}

// disturbance is what happens while a limit is used.
type disturbance struct {
	name string
	play func(*stage) error
}

var disturbances = []disturbance{
	{"nothing", func(*stage) error { return nil }},
	{"Redis flushed", func(s *stage) error {
		if s.redis == nil {
			return s.restart()
		}
		return s.redis.FlushAll(s.ctx)
	}},
	{"a worker suspended for 20 s with permits in hand", func(s *stage) error {
		p := s.procs[len(s.procs)-1]
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		s.sleep(20*time.Second, 20*time.Second)
		return p.Signal(syscall.SIGCONT)
	}},
}

// calm is how long after a disturbance the use is not counted: an emptied
// queue grants nothing for two seconds, and one process alone cannot send
// while it is suspended.
const calm = 4 * time.Second

// limitDrill holds limits against what arrives at the sandbox, in windows of
// every start.
func limitDrill(ctx context.Context, o options, binary, dir string) error {
	fmt.Println("## Limits")
	fmt.Println()
	fmt.Println("A limit over all lanes together (`all`), and one of the lane (`default`), with one lane.")
	fmt.Println("most: mails in the fullest window of any start, by when the sandbox had them;")
	fmt.Println("open: the most connections that were open at once from half a second before it began: each may have held one mail whose permit was of before;")
	fmt.Println("bound: the limit, these, and the permits that may be used late (decision 12): as many as there are open connections, or those of 50 ms if they are more.")
	fmt.Println("used: of the limit, over the time that mail was there, without the 4 s after a disturbance and, with one process, the time it was suspended.")
	fmt.Println()
	fmt.Println("| limit | scope | processes | disturbance | mails | most | open | bound | used |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|")
	var bad []string
	n := 0
	for engine := range strings.SplitSeq(o.engines, ",") {
		for _, l := range limits {
			for _, scope := range []string{"default", "all"} {
				for _, d := range disturbances {
					if scope == "all" && d.name != "nothing" || !o.wants(l.name) {
						continue
					}
					n++
					folder := filepath.Join(dir, fmt.Sprintf("limit-%02d", n))
					line, good, err := limitOne(ctx, o, engine, l, scope, d, binary, folder)
					if err != nil {
						return fmt.Errorf("limit %s on %s, %s: %w", l.name, engine, d.name, err)
					}
					fmt.Println(line)
					if !good {
						bad = append(bad, l.name+" on "+engine+" with "+d.name)
					}
				}
			}
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("limits: %v", bad)
	}
	return nil
}

func limitOne(ctx context.Context, o options, engine string, l limit, scope string, d disturbance, binary, dir string) (line string, good bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	const connections = 20
	lasts := o.pause
	s := &stage{options: o, ctx: ctx, dir: dir, data: dir, people: 200 + int(float64(l.most)/l.window.Seconds()*(3*lasts.Seconds()+150))}
	s.connections = connections
	defer s.clear()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", false, err
	}
	log := filepath.Join(dir, "deliveries")
	if err := s.listen(sandbox.Options{PlainNames: true, LogFile: log}); err != nil {
		return "", false, err
	}
	processes, roles := 1, []string(nil)
	if engine == "postgres" {
		processes, roles = 4, []string{"api,scheduler,worker", "worker", "worker", "worker"}
	}
	s.drill = drill{roles: roles, domain: "gmail.com"}
	if err := s.start(engine, binary); err != nil {
		return "", false, err
	}
	if _, err := s.api.ImportCSV(ctx, s.setup.List, s.csv()); err != nil {
		return "", false, err
	}
	if err := s.api.Call(ctx, "PUT", "/throttles/"+scope, l.body, nil); err != nil {
		return "", false, err
	}
	seen := s.watch()
	if s.campaign, err = s.api.Launch(ctx, s.setup, letterHTML, ""); err != nil {
		return "", false, err
	}
	if err := s.arrived(min(20, l.most)); err != nil {
		return "", false, err
	}
	s.sleep(lasts/3, lasts/3)
	from := time.Now()
	if err := d.play(s); err != nil {
		return "", false, err
	}
	until := time.Now().Add(calm)
	s.sleep(lasts*2/3, lasts*2/3)
	if l.window == time.Minute { // a window and more
		s.sleep(75*time.Second, 75*time.Second)
	}
	end := time.Now()
	if err := s.api.Call(ctx, "POST", "/campaigns/"+s.campaign+"/cancel", map[string]any{"reason": "enough"}, nil); err != nil {
		return "", false, err
	}
	at, err := arrivalTimes(log, end)
	if err != nil {
		return "", false, err
	}
	if d.name == "nothing" {
		from, until = end, end
	} else if processes > 1 && d.name != "Redis flushed" {
		until = from.Add(calm) // the others go on meanwhile
	}
	most, open, over := fullest(at, l, seen())
	used := use(at, l, from, until)
	good = !over && used >= 0.95
	return fmt.Sprintf("| %s | %s | %d | %s | %d | %d | %d | %d | %.1f%% |",
		l.name, scope, processes, d.name, len(at), most, open, l.bound(open), 100*used), good, nil
}

// sample is how many connections were open at a moment.
type sample struct {
	at   time.Time
	open int
}

// watch looks at the connections a hundred times a second; what it returns
// ends that and says what was seen.
func (s *stage) watch() func() []sample {
	ctx, stop := context.WithCancel(s.ctx)
	seen := make(chan []sample, 1)
	go func() {
		var all []sample
		for tick := time.NewTicker(10 * time.Millisecond); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				seen <- all
				return
			case <-tick.C:
				all = append(all, sample{time.Now(), s.box.Count().Open})
			}
		}
	}()
	return func() []sample { stop(); return <-seen }
}

// openIn is the most that were open at once between two moments.
func openIn(seen []sample, from, until time.Time) (most int) {
	i, _ := slices.BinarySearchFunc(seen, from, func(s sample, t time.Time) int { return s.at.Compare(t) })
	for ; i < len(seen) && seen[i].at.Before(until); i++ {
		most = max(most, seen[i].open)
	}
	return most
}

// arrivalTimes are the times at which mails were there, in order.
func arrivalTimes(log string, until time.Time) ([]time.Time, error) {
	f, err := os.Open(log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var at []time.Time
	err = sandbox.ReadLog(f, func(d sandbox.Delivery) bool {
		if t := time.UnixMilli(d.First); t.Before(until) {
			at = append(at, t)
		}
		return true
	})
	slices.SortFunc(at, time.Time.Compare)
	return at, err
}

// dialling is how long a mail may have its permit before its connection is
// seen at the sandbox.
const dialling = 500 * time.Millisecond

// bound is how many may arrive in a window in which so many connections were
// open: the permits of the window, and of before it those whose mails the
// connections held and those that were used late, see [throttle.Permits.Void].
func (l limit) bound(open int) int {
	late := int(float64(l.most) * permitLate.Seconds() / l.window.Seconds())
	return l.most + open + max(open, late)
}

// permitLate is how much later than its time a permit may be used at least.
const permitLate = 50 * time.Millisecond

// fullest is how many arrived in the fullest window of any start, and how many
// connections were open in it; over tells whether any window held too many.
func fullest(at []time.Time, l limit, seen []sample) (most, open int, over bool) {
	for i, j := 0, 0; i < len(at); i++ {
		for ; j < len(at) && at[j].Sub(at[i]) < l.window; j++ {
		}
		n := j - i
		if n <= l.most && n <= most {
			continue
		}
		now := openIn(seen, at[i].Add(-dialling), at[i].Add(l.window))
		over = over || n > l.bound(now)
		if n > most {
			most, open = n, now
		}
	}
	return most, open, over
}

// use is the share of the limit that was used, without the time from one
// moment to another.
func use(at []time.Time, l limit, from, until time.Time) float64 {
	n, span := 0, time.Duration(0)
	count := func(a, b time.Time) {
		inside := slices.DeleteFunc(slices.Clone(at), func(t time.Time) bool { return t.Before(a) || t.After(b) })
		if len(inside) > 1 {
			n += len(inside) - 1
			span += inside[len(inside)-1].Sub(inside[0])
		}
	}
	count(at[0], from)
	count(until, at[len(at)-1])
	return float64(n) / (float64(l.most) * span.Seconds() / l.window.Seconds())
}

// restart ends the one process by kill -9, with all that its queue holds.
func (s *stage) restart() error {
	return errors.Join(s.procs[0].Kill(), s.procs[0].Start(s.ctx))
}
