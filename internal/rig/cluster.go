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
// processes on loopback. Processes use the database as an ordinary role.
type Cluster struct {
	Postgres  *services.Postgres
	Redis     *services.Redis
	Processes []*Process
	Links     []Link // of each process, where asked for
}

// Link is the network between one process and its servers.
type Link struct{ Postgres, Redis *Proxy }

// ClusterOptions says what a cluster is like.
type ClusterOptions struct {
	Binary   string
	Dir      string   // for data and logs
	Env      []string // of the processes
	Roles    []string // of each process; none: the topology of docker-compose.yml
	Linked   bool     // each process reaches its servers by a Link of its own
	Postgres services.PostgresOptions
}

// Role is the role of the processes in PostgreSQL, which owns the database.
const Role = "facteur_app"

// StartCluster starts the servers and a process for each of roles, which is
// the topology of docker-compose.yml when empty. All processes start at once
// on the empty database, as containers do. dir takes data and logs.
func StartCluster(ctx context.Context, binary, dir string, env []string, roles ...string) (*Cluster, error) {
	c, err := NewCluster(ctx, ClusterOptions{Binary: binary, Dir: dir, Env: env, Roles: roles})
	if err != nil {
		return nil, err
	}
	if err := c.Start(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// NewCluster starts the servers; the processes wait for Start.
func NewCluster(ctx context.Context, o ClusterOptions) (*Cluster, error) {
	c := &Cluster{}
	if err := c.prepare(ctx, o); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) prepare(ctx context.Context, o ClusterOptions) (err error) {
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return err
	}
	if c.Postgres, err = services.StartPostgres(ctx, o.Postgres); err != nil {
		return err
	}
	if err := c.Postgres.Exec(ctx, "CREATE ROLE "+Role+" LOGIN", "ALTER DATABASE postgres OWNER TO "+Role); err != nil {
		return err
	}
	if c.Redis, err = services.StartRedis(ctx, services.RedisOptions{}); err != nil {
		return err
	}
	if len(o.Roles) == 0 {
		o.Roles = topology
	}
	for i, role := range o.Roles {
		postgres, redis := c.Postgres.Addr(), c.Redis.Addr()
		if o.Linked {
			l, err := c.link()
			if err != nil {
				return err
			}
			postgres, redis = l.Postgres.Addr(), l.Redis.Addr()
		}
		env := append([]string{
			"FACTEUR_DATABASE_URL=" + c.Postgres.URLOf(Role, postgres), "FACTEUR_REDIS_URL=redis://" + redis + "/0", "FACTEUR_SECRET_KEY=a-secret-of-the-cluster-0123",
		}, o.Env...)
		p, err := New(o.Binary, filepath.Join(o.Dir, fmt.Sprintf("%d-%s", i, strings.ReplaceAll(role, ",", "-"))), env, role)
		if err != nil {
			return err
		}
		c.Processes = append(c.Processes, p)
	}
	return nil
}

// link is one more way to the servers.
func (c *Cluster) link() (l Link, err error) {
	if l.Postgres, err = NewProxy(c.Postgres.Addr()); err != nil {
		return l, err
	}
	if l.Redis, err = NewProxy(c.Redis.Addr()); err != nil {
		return l, errors.Join(err, l.Postgres.Close())
	}
	c.Links = append(c.Links, l)
	return l, nil
}

// Start starts all processes at once.
func (c *Cluster) Start(ctx context.Context) (err error) {
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
	for _, l := range c.Links {
		err = errors.Join(err, l.Postgres.Close(), l.Redis.Close())
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
