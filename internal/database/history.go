package database

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
)

// history is what this process knows of a PostgreSQL that its successor may not
// know: after a failover to a standby that lagged behind, commits that were
// answered are gone, and with them who has been mailed and who has said no.
type history struct {
	last  atomic.Int64 // the newest transaction that was committed; 0: none
	moves atomic.Int64 // how often the server's timeline has changed

	mu       sync.Mutex
	timeline string
}

// commitAndTell commits in one round trip, and tells which transaction it was,
// if it has written anything.
const commitAndTell = `SELECT txid_current_if_assigned(); COMMIT`

func (h *history) committed(id []byte) {
	n, err := strconv.ParseInt(string(id), 10, 64)
	if err != nil { // it has written nothing
		return
	}
	for {
		last := h.last.Load()
		if n <= last || h.last.CompareAndSwap(last, n) {
			return
		}
	}
}

// see notes on which timeline a new connection is. Each promotion of a standby
// begins another: https://www.postgresql.org/docs/current/continuous-archiving.html
func (h *history) see(timeline string) {
	if timeline == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.timeline != "" && h.timeline != timeline {
		h.moves.Add(1)
	}
	h.timeline = timeline
}

// timelineOf is the server's timeline; empty where it does not tell.
func timelineOf(ctx context.Context, c *pgconn.PgConn) string {
	results, err := c.Exec(ctx, `SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) WHERE NOT pg_is_in_recovery()`).ReadAll()
	if err != nil || len(results[0].Rows) == 0 {
		return ""
	}
	return string(results[0].Rows[0][0])
}

// OnLoss is told, in the transaction by which this process enters again, that
// the database went back in time: what it had committed is not there any more.
func (p *Process) OnLoss(do func(context.Context, *Tx) error) { p.onLoss.Store(&do) }

// lost tells whether the database has gone back: our last heartbeat is not
// there, or, after it has moved to another server, our last commit.
func (p *Process) lost(ctx context.Context, tx *Tx, moved int64) (bool, error) {
	var high int64
	err := tx.Get(ctx, &high, `SELECT high_ms FROM nodes WHERE node = ?`, p.node.Load())
	if errors.Is(err, ErrNotFound) || err == nil && high < p.told.Load() {
		return true, nil
	}
	last := p.db.history.last.Load()
	if err != nil || moved == p.sure.Load() || last == 0 {
		return false, err
	}
	var status string // a number that the new server has not given out yet, or gives out anew, is not committed
	err = tx.Get(ctx, &status, `SELECT CASE WHEN CAST(? AS BIGINT) >= txid_snapshot_xmax(txid_current_snapshot()) THEN 'unknown' ELSE COALESCE(txid_status(CAST(? AS BIGINT)), 'committed') END`, last, last)
	if err == nil && status != "committed" {
		p.db.history.last.Store(0) // of the history that is no more
		return true, nil
	}
	return false, err
}

// Risk says in words what a failover would lose; empty: nothing that is known.
func (db *DB) Risk(ctx context.Context) (string, error) {
	if db.engine != Postgres {
		return "", nil
	}
	var s struct {
		Standbys int64  `db:"standbys"`
		Names    string `db:"names"`
		Commit   string `db:"commit"`
	}
	err := db.Get(ctx, &s, `SELECT (SELECT COUNT(*) FROM pg_stat_replication) AS standbys, current_setting('synchronous_standby_names') AS names, current_setting('synchronous_commit') AS commit`)
	if err != nil {
		return "", fmt.Errorf("ask for standbys: %w", err)
	}
	switch {
	case s.Standbys > 0 && s.Names == "":
		return "no commit waits for its standbys: a failover may forget the last moments, and with them opt-outs and who was mailed; set synchronous_standby_names", nil
	case s.Names != "" && s.Commit == "local":
		return "synchronous_commit is local: no commit waits for the standbys of synchronous_standby_names; set it to on", nil
	}
	return "", nil
}
