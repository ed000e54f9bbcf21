package main_test

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"facteur/internal/rig"
	"facteur/internal/services/servicestest"
	"facteur/sending/sandbox"
)

// takeOver is how long there may be no leader (design: 15 s).
const takeOver = 15 * time.Second

// newCluster is the topology of docker-compose.yml with a campaign's set-up.
func newCluster(t *testing.T) (*rig.Cluster, *sandbox.Server, rig.Setup) {
	servicestest.NeedServers(t)
	dir := t.TempDir()
	binary, err := rig.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	box, err := sandbox.Start(sandbox.Options{Latency: 5 * time.Millisecond, PlainNames: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	c, err := rig.StartCluster(t.Context(), binary, dir, []string{"FACTEUR_RETRY_FIRST=1s", "FACTEUR_RETRY_MOST=5s"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range c.Processes {
			_ = p.Kill()
		}
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	host, port, _ := net.SplitHostPort(box.Addr())
	n, _ := strconv.Atoi(port)
	s, err := c.API().SetUp(t.Context(), host, n, 5)
	if err != nil {
		t.Fatal(err)
	}
	return c, box, s
}

// leader waits for a process that leads and is not the one given.
func leader(t *testing.T, c *rig.Cluster, not *rig.Process) *rig.Process {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < takeOver; time.Sleep(100 * time.Millisecond) {
		p, err := c.Leader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if p != nil && p != not {
			return p
		}
	}
	t.Fatalf("no other leader within %s", takeOver)
	return nil
}

// All roles in processes of their own, started at once on an empty database:
// a rolling restart loses and repeats nothing; whatever happens to the
// leader, the other scheduler takes over; a frozen one that wakes does no harm.
func TestCluster_GoesOnWhateverProcessEnds(t *testing.T) {
	c, box, s := newCluster(t)
	api := c.API()
	const people = 3000
	if _, err := api.ImportCSV(t.Context(), s.List, rig.CSV(people)); err != nil {
		t.Fatal(err)
	}
	mailed := func(what string, open int64, during func()) {
		t.Helper()
		if before := box.Count(); before.Accepted > 0 {
			box.Reset()
		}
		id, err := api.Launch(t.Context(), s, "<p>Hello {{ name }}</p>", "")
		if err != nil {
			t.Fatal(err)
		}
		during()
		for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
			now, err := c.API().Campaign(t.Context(), id)
			if err == nil && now.Status == "sent" {
				n := box.Count()
				if now.Counts.Sent != people || !now.Counts.Balanced() || n.Distinct != people || n.Duplicates > open || now.Counts.Doubted < n.Duplicates {
					t.Errorf("%s: books %+v, sandbox %+v", what, now.Counts, n)
				}
				return
			}
			if time.Since(begin) > 90*time.Second {
				t.Fatalf("%s: not sent: %+v, %v", what, now, err)
			}
		}
	}

	mailed("rolling restart", 0, func() {
		if err := c.Roll(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	first := leader(t, c, nil)
	mailed("the leader is killed", 0, func() {
		if err := first.Kill(); err != nil {
			t.Fatal(err)
		}
		leader(t, c, first)
	})
	if err := first.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	frozen := leader(t, c, nil)
	mailed("the leader freezes", 0, func() {
		if err := frozen.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		other := leader(t, c, frozen)
		if err := frozen.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if again := leader(t, c, nil); again != other {
			t.Error("a leader that woke up leads beside the new one, or instead of it")
		}
	})
	mailed("a worker is killed", 5, func() {
		for _, p := range c.Processes {
			if p.Roles == "worker" {
				if err := p.Kill(); err != nil {
					t.Fatal(err)
				}
				return
			}
		}
	})
}

// fetch is an address's answer.
func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// Roles that serve no API answer for their health all the same.
func TestCluster_EachRoleTellsWhetherItIsReady(t *testing.T) {
	c, _, _ := newCluster(t)
	if err := c.Redis.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, p := range c.Processes {
		if status, text := fetch(t, "http://"+p.Addr+"/healthz"); status != 200 {
			t.Errorf("%s is alive, and says %d %s", p.Roles, status, text)
		}
		if status, text := fetch(t, "http://"+p.Addr+"/readyz"); status != 503 || strings.Contains(text, "password") {
			t.Errorf("%s without Redis says %d %s", p.Roles, status, text)
		}
	}
	if err := c.Redis.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range c.Processes {
		for status := 0; status != 200; time.Sleep(50 * time.Millisecond) {
			status, _ = fetch(t, "http://"+p.Addr+"/readyz")
		}
	}
}
