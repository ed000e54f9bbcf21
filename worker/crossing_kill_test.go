package worker_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/database/databasetest"
)

// What the process that is killed is told, see [TestCrossings_Victim].
const (
	victimDSN   = "FACTEUR_TEST_VICTIM_DSN"
	victimAhead = "FACTEUR_TEST_VICTIM_AHEAD" // of the clock, nanoseconds
)

// TestCrossings_Victim is no test: it is the process that [killed] starts and kills.
func TestCrossings_Victim(t *testing.T) {
	dsn := os.Getenv(victimDSN)
	if dsn == "" {
		return
	}
	ahead, err := strconv.ParseInt(os.Getenv(victimAhead), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	start(t, databasetest.OpenAt(t, dsn, func() time.Time { return time.Now().Add(time.Duration(ahead)) }))
	select {}
}

// killed lets another process send, kills it in the middle, and starts the
// engine that is to go on.
func killed(p *play) {
	var said bytes.Buffer
	victim := exec.CommandContext(context.Background(), os.Args[0], "-test.run=^TestCrossings_Victim$", "-test.timeout=5m")
	victim.Env = append(os.Environ(), victimDSN+"="+p.dsn, victimAhead+"="+strconv.FormatInt(p.clock.ahead.Load(), 10), "TMPDIR="+p.t.TempDir())
	victim.Stdout, victim.Stderr = &said, &said
	if err := victim.Start(); err != nil {
		p.t.Fatal(err)
	}
	dead := false
	kill := func() {
		if !dead {
			dead = true
			_ = victim.Process.Kill()
			_ = victim.Wait()
		}
	}
	p.t.Cleanup(kill)
	defer func() {
		if p.t.Failed() {
			p.t.Logf("the victim said:\n%s", said.String())
		}
	}()
	p.midway()
	kill()
	for _, c := range p.cells {
		c.at = p.now()
	}
	p.start(p.t, p.db)
	p.scheduler.Nudge()
	for _, c := range p.cells {
		p.await(c.id, patience, func(v campaign.Campaign, _ campaign.Counts) bool { return v.Status == campaign.Sending })
	}
}
