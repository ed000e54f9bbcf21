package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"facteur/internal/services"
	"facteur/web/client"
)

// topology is what docker-compose.yml shows, with a spare scheduler: the roles
// of each process of a [Cluster].
var topology = []string{"api", "scheduler", "scheduler", "worker", "worker"}

// Cluster is several facteurs around one PostgreSQL and one Redis, as plain
// processes on loopback.
type Cluster struct {
	Postgres  *services.Postgres
	Redis     *services.Redis
	Processes []*Process
}

// StartCluster starts the servers and a process for each of roles, which is
// the topology of docker-compose.yml when empty. All processes start at once
// on the empty database, as containers do. dir takes data and logs.
func StartCluster(ctx context.Context, binary, dir string, env []string, roles ...string) (*Cluster, error) {
	if len(roles) == 0 {
		roles = topology
	}
	c := &Cluster{}
	if err := c.start(ctx, binary, dir, env, roles); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, binary, dir string, env, roles []string) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if c.Postgres, err = services.StartPostgres(ctx, services.PostgresOptions{}); err != nil {
		return err
	}
	if c.Redis, err = services.StartRedis(ctx, services.RedisOptions{}); err != nil {
		return err
	}
	env = append([]string{"FACTEUR_DATABASE_URL=" + c.Postgres.URL(), "FACTEUR_REDIS_URL=" + c.Redis.URL(), "FACTEUR_SECRET_KEY=a-secret-of-the-cluster-0123"}, env...)
	for i, role := range roles {
		p, err := New(binary, filepath.Join(dir, fmt.Sprintf("%d-%s", i, strings.ReplaceAll(role, ",", "-"))), env, role)
		if err != nil {
			return err
		}
		c.Processes = append(c.Processes, p)
	}
	started := make(chan error, len(c.Processes))
	for _, p := range c.Processes {
		go func() { started <- p.Start(ctx) }()
	}
	for range c.Processes {
		err = errors.Join(err, <-started)
	}
	return err
}

// Stop ends all processes by SIGTERM, the workers first, and then the servers.
func (c *Cluster) Stop() error {
	var err error
	for i := len(c.Processes) - 1; i >= 0; i-- {
		if p := c.Processes[i]; p.Running() {
			_, stopped := p.Stop()
			err = errors.Join(err, stopped)
		}
	}
	if c.Redis != nil {
		err = errors.Join(err, c.Redis.Stop())
	}
	if c.Postgres != nil {
		err = errors.Join(err, c.Postgres.Stop())
	}
	return err
}

// API is the API's process's.
func (c *Cluster) API() *API {
	for _, p := range c.Processes {
		if p.Roles == "" || strings.Contains(p.Roles, "api") {
			return p.API()
		}
	}
	return nil
}

// Leader is the process that leads now, or nil.
func (c *Cluster) Leader(ctx context.Context) (*Process, error) {
	status, err := c.API().Status(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range c.Processes {
		if p.Running() && leads(status, int64(p.PID())) {
			return p, nil
		}
	}
	return nil, nil
}

func leads(status client.Status, pid int64) bool {
	for _, other := range status.Processes {
		if other.Leads && other.PID == pid {
			return true
		}
	}
	return false
}

// Roll replaces each process in turn, as an upgrade does: SIGTERM, wait until
// it has drained, start it anew.
func (c *Cluster) Roll(ctx context.Context) error {
	for _, p := range c.Processes {
		if _, err := p.Stop(); err != nil {
			return fmt.Errorf("roll %s: %w", p.Roles, err)
		}
		if err := p.Start(ctx); err != nil {
			return fmt.Errorf("roll %s: %w", p.Roles, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil
}
