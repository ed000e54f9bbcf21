package database

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Introduction is what a process says of itself to the others.
type Introduction struct {
	Roles   string `db:"roles"` // separated by commas
	Version string `db:"version"`
}

// Present is a process as all that share the database see it.
type Present struct {
	Introduction
	Session    int64  `db:"session"`
	Host       string `db:"host"`
	PID        int64  `db:"pid"`
	StartedAt  int64  `db:"started_at"` // Unix milliseconds
	LeaseUntil int64  `db:"lease_until"`
	Alive      bool   `db:"-"` // its lease runs
	Leads      bool   `db:"-"` // it holds the lease of the name that was asked about
}

// Introduce tells the others what this process does. What is said stays with
// it when it must enter again.
func (p *Process) Introduce(ctx context.Context, in Introduction) error {
	p.said.Store(&in)
	_, err := p.db.Exec(ctx, `UPDATE nodes SET roles = ?, version = ? WHERE node = ? AND session = ?`, in.Roles, in.Version, p.node.Load(), p.Session())
	return err
}

// Presence lists the processes that have not said goodbye and whose work
// nobody has taken over, the oldest first. lease is a name of [DB.Acquire]. It
// only reads, so it answers while the database cannot be written.
func (db *DB) Presence(ctx context.Context, lease string) ([]Present, error) {
	now := db.now().UnixMilli()
	var holders []int64
	var all []Present
	var err error
	if db.engine == Postgres {
		err = db.Get(ctx, &now, serverClock)
	}
	if err == nil {
		err = db.Select(ctx, &holders, `SELECT holder FROM leases WHERE name = ? AND until_ms > ?`, lease, now)
	}
	if err == nil {
		err = db.Select(ctx, &all, `SELECT roles, version, session, host, pid, started_at, lease_until FROM nodes WHERE session <> 0 AND gone = ? ORDER BY started_at, node`, false)
	}
	if err != nil {
		return nil, fmt.Errorf("who is present: %w", err)
	}
	for i := range all {
		p := &all[i]
		p.Host, _, _ = strings.Cut(p.Host, "/") // without the boot, see hostID
		p.Alive = p.LeaseUntil > now
		p.Leads = slices.Contains(holders, p.Session)
	}
	return all, nil
}
