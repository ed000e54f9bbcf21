package services

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// RedisOptions says what a Redis for tests shall be like; the zero value is one
// that forgets all when it ends.
type RedisOptions struct {
	// Dir is where its folder is made; empty: the system's temporary folder.
	Dir string
	// AppendOnly writes and syncs each change to disk before it is answered, so
	// that Kill and Start lose nothing.
	AppendOnly bool
	// Settings of redis.conf on top of ours, such as "maxmemory": "64mb".
	Settings map[string]string
}

// Redis is a real Redis that listens on loopback only, without a password. It
// has 256 databases, so that test packages running beside each other can each
// have their own. Its methods are for one goroutine at a time.
type Redis struct{ server *server }

// StartRedis starts a new, empty Redis. The context bounds the start (a minute
// if it has no deadline), not the life of the server, which ends with Stop.
// Wraps [ErrMissing] if Redis is not installed.
func StartRedis(ctx context.Context, options RedisOptions) (*Redis, error) {
	program, err := findRedis()
	if err != nil {
		return nil, err
	}
	folder, err := newFolder(options.Dir, "redis")
	if err != nil {
		return nil, err
	}
	r := &Redis{server: &server{
		title:  "Redis",
		folder: folder,
		quit:   syscall.SIGTERM,
		death:  syscall.SIGKILL, // ends a suspended one too
	}}
	r.server.answers = r.answers
	r.server.command = func() *exec.Cmd { return exec.Command(program, r.arguments(options)...) }
	if err := r.server.startAnywhere(ctx); err != nil {
		return nil, errors.Join(err, folder.remove())
	}
	return r, nil
}

// URL is what a client connects to: database 0.
func (r *Redis) URL() string { return "redis://" + address(r.server.port) + "/0" }

// FlushAll empties all databases, as the loss of Redis's memory would, while
// connections stay.
func (r *Redis) FlushAll(ctx context.Context) error {
	client := r.client()
	defer client.Close()
	if err := client.FlushAll(ctx).Err(); err != nil {
		return fmt.Errorf("empty Redis: %w", err)
	}
	return nil
}

// Suspend makes it silent without ending it: connections stay open, new ones
// are taken by the kernel, nothing is answered. Resume lets it go on.
func (r *Redis) Suspend() error { return r.server.suspend() }

// Resume ends a Suspend; without one it does nothing.
func (r *Redis) Resume() error { return r.server.resume() }

// Kill ends it with SIGKILL, as a crash would. Start brings it back, empty
// unless AppendOnly was asked for.
func (r *Redis) Kill() error { return r.server.child.kill() }

// Start starts it again after Kill, on the same port and data, and returns when
// it has loaded them. Bounded by the context, or a minute if that has no
// deadline.
func (r *Redis) Start(ctx context.Context) error { return r.server.start(ctx) }

// Stop ends it, suspended or not, and removes its folder. For good: there is no
// Start after it.
func (r *Redis) Stop() error { return r.server.stop() }

// arguments of redis-server; of two settings with one name the last one holds.
func (r *Redis) arguments(options RedisOptions) []string {
	appendOnly := "no"
	if options.AppendOnly {
		appendOnly = "yes"
	}
	arguments := []string{
		"--bind", "127.0.0.1",
		"--port", strconv.Itoa(r.server.port),
		"--dir", r.server.folder.path,
		"--databases", "256",
		"--save", "",
		"--appendonly", appendOnly,
		"--appendfsync", "always",
	}
	for name, value := range options.Settings {
		arguments = append(arguments, "--"+name, value)
	}
	return arguments
}

func (r *Redis) answers(ctx context.Context) error {
	client := r.client()
	defer client.Close()
	setting, err := client.ConfigGet(ctx, "dir").Result()
	if err != nil {
		return err
	}
	if setting["dir"] != r.server.folder.path {
		return fmt.Errorf("another Redis, with its data in %s, answers on port %d", setting["dir"], r.server.port)
	}
	return nil
}

// client is for one question: no retries, one connection.
func (r *Redis) client() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: address(r.server.port), MaxRetries: -1, PoolSize: 1, PipelinePoolSize: -1, ContextTimeoutEnabled: true,
	})
}

func findRedis() (string, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", fmt.Errorf("Redis (redis-server, on PATH): %w", ErrMissing)
	}
	return path, nil
}
