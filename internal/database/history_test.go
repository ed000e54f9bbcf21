package database_test

import (
	"context"
	"os"
	"sync/atomic"
	"testing"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/services"
)

// After a failover nothing begins until it is known that the new server has all
// that was committed; where it has not, somebody is told.
func TestProcess_NoticesThatAFailoverLostCommits(t *testing.T) {
	if os.Getenv("FACTEUR_TEST_POSTGRES_URL") == "" {
		databasetest.Postgres(t) // skips, or fails, in its own words
	}
	for name, lags := range map[string]bool{"standby that has all": false, "standby that lags behind": true} {
		t.Run(name, func(t *testing.T) { failOver(t, lags) })
	}
}

func failOver(t *testing.T, lags bool) {
	ctx := context.Background()
	server, err := services.StartPostgres(ctx, services.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Stop() }()
	standby, err := server.Standby(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = standby.Stop() }()
	wire := databasetest.NewWire(t, server.URL())
	db := databasetest.Open(t, wire.URL)
	if risk, err := db.Risk(ctx); err != nil || risk != "" {
		t.Errorf("commits wait for the standby: %q, %v", risk, err)
	}
	p := join(t, db)
	defer func() { _ = p.Leave(ctx) }()
	var told atomic.Int64
	p.OnLoss(func(context.Context, *database.Tx) error { told.Add(1); return nil })
	session := p.Session()
	if lags {
		if err := server.Exec(ctx, `ALTER SYSTEM SET synchronous_standby_names = ''`, `SELECT pg_reload_conf()`); err != nil {
			t.Fatal(err)
		}
		for risk := ""; risk == ""; { // until the server has read it again
			if risk, err = db.Risk(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := standby.Exec(ctx, `ALTER SYSTEM SET primary_conninfo = ''`, `SELECT pg_reload_conf()`); err != nil {
			t.Fatal(err)
		}
		for following := 1; following > 0; {
			if err := db.Get(ctx, &following, `SELECT COUNT(*) FROM pg_stat_replication`); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := db.Exec(ctx, insertLease, "the last commit"); err != nil {
		t.Fatal(err)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := standby.Promote(ctx); err != nil {
		t.Fatal(err)
	}
	wire.Lead(t, standby.URL())
	there := 0
	for err := error(database.ErrUnavailable); err != nil; { // each connection to the old server fails once
		err = db.Get(ctx, &there, `SELECT COUNT(*) FROM leases`)
	}
	for !p.Alive() {
		p.Renew(ctx)
	}
	p.Renew(ctx)
	if (there == 0) != lags || (told.Load() == 1) != lags || (p.Session() != session) != lags {
		t.Errorf("%d rows are there, the loss was told %d times, session %d, before %d", there, told.Load(), p.Session(), session)
	}
}
