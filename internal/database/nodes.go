package database

import (
	"context"
	"errors"
	"os"
)

// nodes is how many node numbers ids have room for. A row of the table from
// this number on lends none: it is a session whose work nobody has handed on
// yet, and whose own number was given to another process meanwhile.
const nodes = 1 << nodeBits

type nodeRow struct {
	Peer
	Node       int64 `db:"node"`
	LeaseUntil int64 `db:"lease_until"`
	HighMS     int64 `db:"high_ms"`
	Gone       bool  `db:"gone"`
}

const nodeColumns = `node, session, host, pid, lock_file, lease_until, high_ms, gone`

// enter takes a node number under a new session. Nothing of this process bears
// it before the transaction has committed.
func (p *Process) enter(ctx context.Context, tx *Tx) (span, error) {
	if tx.db.engine == Postgres {
		if err := tx.exec(ctx, `LOCK TABLE nodes IN EXCLUSIVE MODE`); err != nil {
			return span{}, err
		}
	}
	now, err := tx.Clock(ctx)
	if err != nil {
		return span{}, err
	}
	var rows []nodeRow
	if err := tx.Select(ctx, &rows, `SELECT `+nodeColumns+` FROM nodes ORDER BY node`); err != nil {
		return span{}, err
	}
	last, err := p.number(rows, now)
	if err != nil {
		return span{}, err
	}
	if last.Session != 0 {
		if err := park(ctx, tx, last.Node, rows[len(rows)-1].Node); err != nil {
			return span{}, err
		}
	}
	s := span{node: last.Node, from: max(now, last.HighMS+1, tx.db.ids.high()+1)}
	s.high = s.from + 2*ProcessTTL.Milliseconds()
	var in Introduction
	if said := p.said.Load(); said != nil {
		in = *said
	}
	_, err = tx.Exec(ctx, `INSERT INTO nodes (node, session, host, pid, lock_file, started_at, lease_until, high_ms, gone, roles, version)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (node) DO UPDATE SET session = excluded.session, host = excluded.host, pid = excluded.pid, lock_file = excluded.lock_file,
			started_at = excluded.started_at, lease_until = excluded.lease_until, high_ms = excluded.high_ms, gone = excluded.gone,
			roles = excluded.roles, version = excluded.version`,
		s.node, s.first(), hostID(), int64(os.Getpid()), p.lock.Name(), now, now+ProcessTTL.Milliseconds(), s.high, false, in.Roles, in.Version)
	return s, err
}

// number chooses whose number to take: of one that has ended, else a new one,
// else of the one that has been silent for longest. Its ids stay below what it
// has promised, so no silence is too short; but one that only could not renew
// would have to enter again.
func (p *Process) number(rows []nodeRow, now int64) (nodeRow, error) {
	fresh := int64(0)
	var silent *nodeRow
	for i := range rows {
		r := &rows[i]
		if r.Node >= nodes {
			break
		}
		if r.Session == 0 || p.ended(*r) {
			return *r, nil
		}
		if r.Node == fresh {
			fresh++
		}
		if r.LeaseUntil <= now && (silent == nil || r.LeaseUntil < silent.LeaseUntil) {
			silent = r
		}
	}
	switch {
	case fresh < nodes:
		return nodeRow{Node: fresh}, nil
	case silent != nil:
		return *silent, nil
	}
	return nodeRow{}, errors.New("all 1024 places for processes are taken, and all of them renew their leases: end some, see facteur status")
}

// ended tells whether a row's process has ended, so that its number is free. On
// SQLite that is any other process, but not another part of this one.
func (p *Process) ended(r nodeRow) bool {
	if p.db.engine == SQLite && !r.Gone && r.PID == int64(os.Getpid()) {
		return r.Host == hostID() && unlocked(r.LockFile)
	}
	return p.proven(r)
}

// park keeps a session, until its work is handed on, under a number that lends none.
func park(ctx context.Context, tx *Tx, node, highest int64) error {
	_, err := tx.Exec(ctx, `UPDATE nodes SET node = ? WHERE node = ?`, max(nodes, highest+1), node)
	return err
}

// Forget frees the node of a silent process once its work was handed on.
func (p *Process) Forget(ctx context.Context, tx *Tx, peer Peer) error {
	_, err := tx.Exec(ctx, `DELETE FROM nodes WHERE session = ? AND node >= ?`, peer.Session, nodes)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE nodes SET session = 0, gone = ? WHERE session = ?`, true, peer.Session)
	if err == nil && peer.Proven && peer.Host == hostID() {
		_ = os.Remove(peer.LockFile)
	}
	return err
}

// Sessions lists the sessions that some process has or that are not written off yet.
func (p *Process) Sessions(ctx context.Context, tx *Tx) ([]int64, error) {
	var all []int64
	err := tx.Select(ctx, &all, `SELECT session FROM nodes WHERE session <> 0`)
	return all, err
}
