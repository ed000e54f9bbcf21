package services

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Standby makes a copy of a running server that follows it, and lets the
// server wait for the copy in every commit (synchronous_standby_names). It is
// started as the server was, and ends with its own Stop.
func (p *Postgres) Standby(ctx context.Context) (*Postgres, error) {
	s := &Postgres{programs: p.programs, account: p.account, options: p.options}
	err := s.start(ctx, func(ctx context.Context) error {
		return s.program(ctx, "pg_basebackup", "--dbname="+p.URL(), "--pgdata="+s.data(), "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
	})
	if err != nil {
		return nil, fmt.Errorf("standby: %w", err)
	}
	// After the copy was made: a server that is promoted waits for nobody.
	if err := p.Exec(ctx, "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"); err != nil {
		return nil, fmt.Errorf("standby: %w", err)
	}
	return s, nil
}

// Promote lets a standby take writes, and returns when it does.
func (p *Postgres) Promote(ctx context.Context) error { return p.Exec(ctx, "SELECT pg_promote(true)") }

// Addr is where it listens, host:port.
func (r *Redis) Addr() string { return address(r.server.port) }

// Do sends one command.
func (r *Redis) Do(ctx context.Context, args ...any) error {
	client := r.client()
	defer client.Close()
	return client.Do(ctx, args...).Err()
}

// Follow makes it a copy of another server, and returns when it is one.
func (r *Redis) Follow(ctx context.Context, leader *Redis) error {
	client := r.client()
	defer client.Close()
	if err := client.ReplicaOf(ctx, "127.0.0.1", fmt.Sprint(leader.server.port)).Err(); err != nil {
		return err
	}
	return follows(ctx, client)
}

func follows(ctx context.Context, client *redis.Client) error {
	for {
		info, err := client.Info(ctx, "replication").Result()
		if err != nil || strings.Contains(info, "master_link_status:up") {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Promote ends a Follow: it takes writes.
func (r *Redis) Promote(ctx context.Context) error { return r.Do(ctx, "REPLICAOF", "NO", "ONE") }
