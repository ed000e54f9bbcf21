package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"facteur/internal/rig"
	"facteur/internal/services"
	"facteur/sending/sandbox"
)

// stage is what a drill plays on: the sandbox, the servers, and one or two
// processes with a campaign under way.
type stage struct {
	options
	ctx      context.Context
	box      *sandbox.Server
	cluster  *rig.Cluster // on PostgreSQL
	postgres *services.Postgres
	redis    *services.Redis
	procs    []*rig.Process
	api      *rig.API
	setup    rig.Setup
	campaign string
	people   int
	events   int
	bound    int // extras that the events may cause
	maxOpen  int
	workers  int
	mounted  string // a file system of this drill's own
}

// result is a drill's line in the table.
type result struct {
	name, engine                 string
	people, events               int
	sent, lost, extra            int64
	bound, doubted, listed, held int64
	balanced, ended              bool
	seconds                      float64
	note                         string
}

func (r result) good() bool {
	return r.lost == 0 && r.extra <= r.bound && r.listed == r.extra && r.balanced && r.ended
}

func (r result) String() string {
	books := "balanced"
	if !r.balanced {
		books = "OFF"
	}
	if !r.ended {
		books += ", not ended"
	}
	return fmt.Sprintf("| %s | %s | %d | %d | %d | %d | %d | %d | %d | %d | %d | %s | %.0f |%s", r.name, r.engine, r.people, r.events, r.sent, r.lost, r.extra, r.bound, r.doubted, r.listed, r.held, books, r.seconds, r.note)
}

// drillOne sets the stage, plays the drill while the campaign runs, waits for its end and counts.
func drillOne(ctx context.Context, o options, d drill, engine, binary, dir string) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	s := &stage{options: o, ctx: ctx, people: o.recipients}
	if !d.full {
		s.people = max(1000, o.recipients/5)
	}
	defer s.clear()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return r, err
	}
	if s.box, err = sandbox.Start(sandbox.Options{Latency: d.latency, PlainNames: true}); err != nil {
		return r, err
	}
	if err := s.start(engine, binary, dir, d); err != nil {
		return r, err
	}
	begin := time.Now()
	if s.campaign, err = s.api.Launch(ctx, s.setup, letterHTML, ""); err != nil {
		return r, err
	}
	if err := d.play(s); err != nil {
		return r, err
	}
	r = result{name: d.name, engine: engine, people: s.people, events: s.events, bound: int64(s.bound)}
	if err := s.awaitEnd(&r, d.patience); err != nil {
		return r, err
	}
	r.seconds = time.Since(begin).Seconds()
	return r, s.count(&r)
}

const letterHTML = `<html><body><h1>Bonjour {{ name }}</h1><p>Offer {{ attributes.offer }} in {{ attributes.city | default: "your town" }}.</p><p><a href="{{ unsubscribe_url }}">Leave</a></p></body></html>`

// start brings up servers and processes and loads the list.
func (s *stage) start(engine, binary, dir string, d drill) (err error) {
	env := append([]string{"FACTEUR_SECRET_KEY=a-secret-of-the-drill-012345", "FACTEUR_RETRY_FIRST=1s", "FACTEUR_RETRY_MOST=5s"}, d.env...)
	data := dir
	if d.folder != nil {
		if data, err = d.folder(s, dir); err != nil {
			return err
		}
	}
	if engine == "postgres" {
		roles := []string{"api,scheduler,worker", "scheduler,worker"}
		if d.apart {
			roles = nil
		}
		if d.roles != nil {
			roles = d.roles
		}
		if s.cluster, err = rig.StartCluster(s.ctx, binary, data, env, roles...); err != nil {
			return err
		}
		s.postgres, s.redis, s.procs = s.cluster.Postgres, s.cluster.Redis, s.cluster.Processes
	} else {
		p, err := rig.New(binary, data+"/data", env, "")
		if err != nil {
			return err
		}
		p.Log = dir + "/log"
		if err := p.Start(s.ctx); err != nil {
			return err
		}
		s.procs = append(s.procs, p)
	}
	for _, p := range s.procs {
		if p.Roles == "" || strings.Contains(p.Roles, "worker") {
			s.workers++
		}
	}
	s.api = s.procs[0].API()
	host, port, err := net.SplitHostPort(s.box.Addr())
	if err != nil {
		return err
	}
	n, _ := strconv.Atoi(port)
	s.maxOpen = s.connections
	if s.setup, err = s.api.SetUp(s.ctx, host, n, max(1, s.connections/s.workers)); err != nil {
		return err
	}
	people := rig.CSV(s.people)
	if d.domain != "" {
		people = rig.CSVAt(s.people, strings.Split(d.domain, ",")...)
	}
	_, err = s.api.ImportCSV(s.ctx, s.setup.List, people)
	return err
}

func (s *stage) clear() {
	for _, p := range s.procs {
		_ = p.Kill()
	}
	if s.mounted != "" {
		_ = syscall.Unmount(s.mounted, 0)
	}
	if s.box != nil {
		_ = s.box.Close()
	}
	if s.redis != nil {
		_ = s.redis.Stop()
	}
	if s.postgres != nil {
		_ = s.postgres.Stop()
	}
}

// event notes a break that may leave up to n messages in doubt.
func (s *stage) event(n int) {
	s.events++
	s.bound += n
}

// sleep waits a random part of a span.
func (s *stage) sleep(least, most time.Duration) {
	select {
	case <-time.After(least + time.Duration(rand.Int64N(int64(most-least)+1))):
	case <-s.ctx.Done():
	}
}

// arrived waits until so many people have got their mail.
func (s *stage) arrived(n int64) error {
	for s.box.Count().Distinct < n {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-s.ctx.Done():
			return fmt.Errorf("waiting for %d arrivals at %d: %w", n, s.box.Count().Distinct, s.ctx.Err())
		}
	}
	return nil
}

// awaitEnd waits for the campaign's end.
func (s *stage) awaitEnd(r *result, patience time.Duration) error {
	if patience == 0 {
		patience = 5 * time.Minute
	}
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		c, err := s.api.Campaign(s.ctx, s.campaign)
		if err == nil && c.Status == "sent" {
			r.ended = true
			return nil
		}
		if s.ctx.Err() != nil {
			return s.ctx.Err()
		}
		time.Sleep(200 * time.Millisecond)
	}
	return nil
}

// count compares the books with what arrived.
func (s *stage) count(r *result) error {
	c, err := s.api.Campaign(s.ctx, s.campaign)
	if err != nil {
		return err
	}
	n := s.box.Count()
	r.sent, r.doubted, r.balanced = c.Counts.Sent, c.Counts.Doubted, c.Counts.Balanced() && c.Counts.Recipients == int64(s.people)
	r.extra, r.held = n.Accepted-n.Distinct, c.Counts.Uncertain
	if c.Counts.Sent+c.Counts.Uncertain != int64(s.people) {
		r.balanced = false
		r.note += fmt.Sprintf(" %+v", c.Counts)
	}
	if n.Mistakes > 0 {
		r.note += fmt.Sprintf(" %d mistakes in our SMTP", n.Mistakes)
		r.balanced = false
	}
	doubted, err := s.api.Deliveries(s.ctx, s.campaign, "doubted=true")
	if err != nil {
		return err
	}
	held, err := s.api.Deliveries(s.ctx, s.campaign, "status=uncertain")
	if err != nil {
		return err
	}
	persons := map[string]int{}
	s.box.Deliveries(func(d sandbox.Delivery) bool {
		persons[d.Recipient]++
		if d.Count > 1 && doubted[d.Recipient] {
			r.listed += int64(d.Count - 1)
		}
		return true
	})
	// Who is held waits for a person's word, and is named; nobody else may be missing.
	r.lost = int64(s.people) - int64(len(persons))
	for email := range held {
		if persons[email] == 0 {
			r.lost--
		}
	}
	for _, times := range persons {
		if times > 1 { // the same person under two Message-IDs
			r.note += " a person got two Message-IDs"
			r.balanced = false
			break
		}
	}
	return nil
}
