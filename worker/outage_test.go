package worker_test

import (
	"strings"
	"testing"
	"time"

	"facteur/internal/database/databasetest"
	"facteur/sending/sandbox"
)

// onceEach fails for whoever got another number of mails than one.
func onceEach(t *testing.T, s *sandbox.Server, want int) {
	t.Helper()
	got := map[string]int{}
	s.Deliveries(func(d sandbox.Delivery) bool { got[d.Recipient]++; return true })
	twice := 0
	for _, n := range got {
		if n > 1 {
			twice++
		}
	}
	if len(got) != want || twice > 0 {
		t.Errorf("%d of %d people were mailed, %d of them twice", len(got), want, twice)
	}
}

// While PostgreSQL lets nobody in, the answers that came are kept.
func TestRecorder_KeepsAnswersWhileLoginsAreRefused(t *testing.T) {
	dsn, name, super := databasetest.Plain(t)
	e := start(t, databasetest.Open(t, dsn))
	s := box(t, sandbox.Options{Latency: 100 * time.Millisecond})
	const people = 1500
	id := e.launch(e.sender(s, 20), e.list("all", addresses("p", people)...))
	e.await(id, 30*time.Second, atLeast(100))
	databasetest.Do(t, super, `ALTER ROLE `+name+` NOLOGIN`)
	databasetest.Cut(t, super, name)
	for e.worker.Ready() == nil { // until the recorder has met it
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(quick.FinalDot) // longer than answers are waited for
	databasetest.Do(t, super, `ALTER ROLE `+name+` LOGIN`)
	n := e.sent(id, 60*time.Second)
	onceEach(t, s, people)
	if n.Sent != people || n.Doubted != 0 {
		t.Errorf("%+v", n)
	}
}

// A partition between the worker and its database swallows a commit's answer:
// the commit is cut and tried anew while what it says still counts.
func TestRecorder_TriesACommitAnewThatGetsNoAnswer(t *testing.T) {
	wire := databasetest.NewWire(t, databasetest.Postgres(t))
	e := start(t, databasetest.Open(t, wire.URL))
	s := box(t, sandbox.Options{Latency: 100 * time.Millisecond})
	const people = 1500
	id := e.launch(e.sender(s, 20), e.list("all", addresses("p", people)...))
	e.await(id, 30*time.Second, atLeast(100))
	wire.Hold()
	waitFor(t, 20*time.Second, func() bool { // long before the database's own limit
		err := e.worker.Ready()
		return err != nil && strings.Contains(err.Error(), "takes no outcomes")
	})
	wire.Pass()
	n := e.sent(id, 60*time.Second)
	onceEach(t, s, people)
	if n.Sent != people || n.Doubted != 0 {
		t.Errorf("%+v", n)
	}
}

// The end of a process is not held up by a database that does not answer.
func TestWorker_ClosesWithoutItsDatabase(t *testing.T) {
	wire := databasetest.NewWire(t, databasetest.Postgres(t))
	e := start(t, databasetest.Open(t, wire.URL))
	s := box(t, sandbox.Options{Latency: 20 * time.Millisecond})
	id := e.launch(e.sender(s, 5), e.list("all", addresses("p", 500)...))
	e.await(id, 30*time.Second, atLeast(50))
	wire.Hold()
	ended := make(chan struct{})
	go func() { defer close(ended); e.stop() }()
	select {
	case <-ended:
	case <-time.After(60 * time.Second):
		t.Fatal("the worker waits for a database that is cut off")
	}
	wire.Pass()
}
