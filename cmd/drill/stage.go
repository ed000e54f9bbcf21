package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"facteur/internal/rig"
	"facteur/internal/services"
	"facteur/sending/sandbox"
)

// stage is what a drill plays on: the sandbox, the servers, and one or more
// processes with a campaign under way.
type stage struct {
	options
	drill
	ctx  context.Context
	dir  string
	data string // folder of the processes' data
	log  string // the sandbox's, of arrivals

	box      *sandbox.Server
	cluster  *rig.Cluster // on PostgreSQL
	postgres *services.Postgres
	redis    *services.Redis
	also     []interface{ Stop() error } // servers that a drill has added
	procs    []*rig.Process
	api      *rig.API
	setup    rig.Setup
	resolver *rig.Names
	clock    rig.Clock
	drive    *rig.Disk
	mounted  string // a file system of this drill's own

	people   int
	campaign string
	launched time.Time
	company  *companion // nil where a limit is tried
	workers  int
	maxOpen  int // connections to the relay

	perSecond int // 0: no limit

	events int
	bound  int    // extras that the events may cause
	grace  []span // in which what had begun may arrive late
	notes  []string
	faults []string
}

// span is from one moment to another.
type span struct{ from, to time.Time }

func (s span) holds(t time.Time) bool { return !t.Before(s.from) && !t.After(s.to) }

// drillOne sets the stage, plays the drill while the campaign runs, waits for its end and counts.
func drillOne(ctx context.Context, o options, d drill, engine, binary, dir string) (r result) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	s := &stage{options: o, drill: d, ctx: ctx, dir: dir, data: dir, log: filepath.Join(dir, "arrivals"), people: o.recipients}
	if !d.full {
		s.people = max(1000, o.recipients/5)
	}
	r = result{name: d.name, engine: engine}
	defer s.clear()
	begin := time.Now()
	for _, step := range []struct {
		what string
		do   func(*result) error
	}{
		{"set up", func(*result) error { return s.open(engine, binary) }},
		{"play", func(*result) error { begin = time.Now(); return s.play() }},
		{"await the end", s.awaitEnd},
		{"count", func(r *result) error { r.seconds = time.Since(begin).Seconds(); return s.count(r) }},
	} {
		if err := step.do(&r); err != nil {
			r.fault("%s: %v", step.what, err)
			return r
		}
	}
	return r
}

// open brings everything up to the moment before the launch.
func (s *stage) open(engine, binary string) error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	lasts := s.lasts
	if lasts == 0 {
		lasts = 20 * time.Second
	}
	if s.paced {
		s.perSecond = int(float64(s.people)/lasts.Seconds()) + 1
		lasts = time.Second
	}
	latency := min(lasts*time.Duration(s.connections)/time.Duration(s.people), 500*time.Millisecond)
	if err := s.listen(sandbox.Options{Latency: latency, PlainNames: true, LogFile: s.log, Keep: leavers}); err != nil {
		return err
	}
	if err := s.start(engine, binary); err != nil {
		return err
	}
	if err := s.invite(); err != nil || s.perSecond == 0 {
		return err
	}
	return s.api.Call(s.ctx, "PUT", "/throttles/all", map[string]any{"per_second": s.perSecond}, nil)
}

func (s *stage) listen(o sandbox.Options) (err error) {
	s.box, err = sandbox.Start(o)
	return err
}

// play launches, and breaks things beside whatever else goes on.
func (s *stage) play() error {
	launch := s.launch
	if launch == nil {
		launch = func(s *stage) (err error) {
			s.campaign, err = s.api.Launch(s.ctx, s.setup, letterHTML, "")
			return err
		}
	}
	s.launched = time.Now()
	if s.company != nil {
		s.company.start()
		defer s.company.halt()
	}
	if err := launch(s); err != nil {
		return fmt.Errorf("launch: %w", err)
	}
	if s.company != nil {
		s.company.follow(s.campaign)
	}
	if err := s.drill.play(s); err != nil {
		return err
	}
	if s.company != nil {
		s.company.halt()
		return s.company.finish()
	}
	return nil
}

// draft makes the campaign without launching it.
func (s *stage) draft() (err error) {
	s.campaign, err = s.api.Draft(s.ctx, s.setup, letterHTML, "")
	return err
}

const letterHTML = `<html><body><h1>Bonjour {{ name }}</h1><p>Offer {{ attributes.offer }} in {{ attributes.city | default: "your town" }}.</p><p><a href="{{ unsubscribe_url }}">Leave</a></p></body></html>`

// start brings up servers and processes, and sets up what a campaign needs.
func (s *stage) start(engine, binary string) (err error) {
	env, err := s.surroundings()
	if err != nil {
		return err
	}
	if s.disk != nil {
		if err := s.disk(s); err != nil {
			return err
		}
	}
	if engine == "postgres" {
		err = s.gather(binary, env)
	} else {
		err = s.single(binary, env)
	}
	if err != nil {
		return err
	}
	s.api = s.procs[0].API()
	if s.drill.before != nil {
		if err := s.drill.before(s); err != nil {
			return err
		}
	}
	if s.cluster != nil {
		err = s.cluster.Start(s.ctx)
	} else {
		err = s.procs[0].Start(s.ctx)
	}
	if err != nil {
		return err
	}
	return s.furnish()
}

// surroundings are the settings of the processes, and what these name.
func (s *stage) surroundings() (env []string, err error) {
	env = []string{
		"FACTEUR_SECRET_KEY=a-secret-of-the-drill-012345", "FACTEUR_RETRY_FIRST=1s", "FACTEUR_RETRY_MOST=5s",
		"FACTEUR_SIGNUP_LIMITS=address=100/1h", "FACTEUR_INVITATION_RATE=100000", "FACTEUR_ALARM_TO=" + alarms,
	}
	env = append(env, s.env...)
	if s.slow {
		if s.drive, err = rig.NewDisk(s.ctx, s.dir); err != nil {
			return nil, err
		}
	}
	if s.off {
		s.clock = rig.Clock{File: filepath.Join(s.dir, "clock")}
		env = append(env, s.clock.Env()...)
	}
	if s.names {
		if s.resolver, err = rig.StartNames(); err != nil {
			return nil, err
		}
		env = append(env, "FACTEUR_DNS="+s.resolver.Addr())
	}
	return env, nil
}

// gather makes the cluster of PostgreSQL.
func (s *stage) gather(binary string, env []string) (err error) {
	o := rig.ClusterOptions{Binary: binary, Dir: s.data, Env: env, Roles: s.roles, Linked: s.linked}
	if len(o.Roles) == 0 && !s.apart {
		o.Roles = []string{"api,scheduler,worker", "scheduler,worker"}
	}
	if s.drive != nil {
		o.Postgres.Env = s.drive.Env()
	}
	if s.cluster, err = rig.NewCluster(s.ctx, o); err != nil {
		return err
	}
	s.postgres, s.redis, s.procs = s.cluster.Postgres, s.cluster.Redis, s.cluster.Processes
	return nil
}

// single makes the one process of SQLite.
func (s *stage) single(binary string, env []string) error {
	if s.drive != nil {
		env = append(env, s.drive.Env()...)
	}
	p, err := rig.New(binary, s.data+"/data", env, "")
	if err != nil {
		return err
	}
	p.Log = s.dir + "/log"
	s.procs = []*rig.Process{p}
	return nil
}

// furnish makes the list, the relay and the sender.
func (s *stage) furnish() error {
	for _, p := range s.procs {
		if works(p) {
			s.workers++
		}
	}
	host, port, err := net.SplitHostPort(s.box.Addr())
	if err != nil {
		return err
	}
	if s.names {
		host = "relay.drill.test"
	}
	n, _ := strconv.Atoi(port)
	each := max(1, s.connections/s.workers)
	s.maxOpen = each * s.workers
	s.setup, err = s.api.SetUp(s.ctx, host, n, each)
	return err
}

func works(p *rig.Process) bool { return p.Roles == "" || strings.Contains(p.Roles, "worker") }

func (s *stage) clear() {
	if s.company != nil {
		s.company.halt()
	}
	for _, p := range s.procs {
		_ = p.Signal(syscall.SIGCONT) // one that was never started has nothing to clear
		if p.Running() {
			_ = p.Kill()
		}
	}
	if s.mounted != "" {
		_ = syscall.Unmount(s.mounted, 0)
	}
	if s.box != nil {
		_ = s.box.Close()
	}
	if s.resolver != nil {
		_ = s.resolver.Stop()
	}
	for _, server := range s.also {
		_ = server.Stop()
	}
	if s.cluster != nil {
		_ = s.cluster.Stop()
	}
}

// strike plays a break after which up to as many messages may be in doubt as
// the processes concerned, or all, have connections open at that moment.
func (s *stage) strike(breaks func() error, concerned ...*rig.Process) error {
	most := s.maxOpen
	if len(concerned) > 0 {
		workers := 0
		for _, p := range concerned {
			if works(p) {
				workers++
			}
		}
		most = s.maxOpen / s.workers * workers
	}
	before := s.box.Count()
	err := breaks()
	after := s.box.Count()
	s.events++
	s.bound += min(most, before.Open+int(after.Connections-before.Connections))
	return err
}

// calm notes an event that must leave nothing in doubt.
func (s *stage) calm() { s.events++ }

// away takes something away with a quarter of the mail delivered, and brings
// it back; nothing may be in doubt by that.
func (s *stage) away(away, back func() error) error {
	if err := s.arrived(s.people / 4); err != nil {
		return err
	}
	s.calm()
	if err := away(); err != nil {
		return err
	}
	s.rest()
	return back()
}

// rest lets what is broken be broken for a while.
func (s *stage) rest() { s.sleep(s.pause, s.pause) }

// sleep waits a random part of a span.
func (s *stage) sleep(least, most time.Duration) {
	select {
	case <-time.After(least + time.Duration(rand.Int64N(int64(most-least)+1))):
	case <-s.ctx.Done():
	}
}

func (s *stage) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

func (s *stage) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// call asks the API, again for a while if it does not answer.
func (s *stage) call(method, path string, body any) (err error) {
	for range 20 {
		ctx, cancel := context.WithTimeout(s.ctx, 10*time.Second)
		err = s.api.Call(ctx, method, path, body, nil)
		cancel()
		if err == nil || s.ctx.Err() != nil {
			return err
		}
		s.sleep(500*time.Millisecond, 500*time.Millisecond)
	}
	return err
}

// rules sets what the relay does, besides what it always does in a drill.
func (s *stage) rules(more ...sandbox.Rule) error {
	return s.box.SetRules(append(more, sandbox.Rule{Match: goneDomain, Fraction: 1, Action: "unknown"}))
}

// arrived waits until so many mails have arrived since the launch.
func (s *stage) arrived(n int) error { return s.arrivedOr(n, 15*time.Minute) }

// arrivedOr is arrived, but goes on after a time.
func (s *stage) arrivedOr(n int, most time.Duration) error {
	for begin := time.Now(); s.box.Count().Distinct < int64(n) && time.Since(begin) < most; {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-s.ctx.Done():
			return fmt.Errorf("waiting for %d arrivals at %d: %w", n, s.box.Count().Distinct, s.ctx.Err())
		}
	}
	return nil
}
