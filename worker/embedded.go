package worker

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// Embedded is the in-process queue: the same protocol as a real Redis, on a
// loopback port behind a random password. It forgets everything at exit,
// which the database does not mind.
type Embedded struct {
	server   *miniredis.Miniredis
	password string
	stop     chan struct{}
}

// StartEmbedded starts it; Close it after its clients.
func StartEmbedded() (*Embedded, error) {
	e := &Embedded{server: miniredis.NewMiniRedis(), password: rand.Text(), stop: make(chan struct{})}
	e.server.RequireAuth(e.password)
	if err := e.server.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("start the in-process queue: %w", err)
	}
	go e.age()
	return e, nil
}

// age lets keys expire, which miniredis leaves to its user.
func (e *Embedded) age() {
	const step = time.Second
	tick := time.NewTicker(step)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			e.server.FastForward(step)
		case <-e.stop:
			return
		}
	}
}

// Client is a new client of it.
func (e *Embedded) Client() redis.UniversalClient {
	return redis.NewClient(&redis.Options{Addr: e.server.Addr(), Password: e.password, PipelinePoolSize: -1})
}

// Close drops everything in it.
func (e *Embedded) Close() {
	close(e.stop)
	e.server.Close()
}
