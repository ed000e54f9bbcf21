package services_test

import (
	"testing"

	"facteur/internal/services"
	"facteur/internal/services/servicestest"
)

func TestPostgres_StandbyHasAllThatWasCommittedWhenItIsPromoted(t *testing.T) {
	server := servicestest.Postgres(t, services.PostgresOptions{Dir: reachable(t)})
	standby, err := server.Standby(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := server.Exec(t.Context(), "CREATE TABLE letters (id BIGINT)", "INSERT INTO letters SELECT generate_series(1, 1000)"); err != nil {
		t.Fatal(err)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := connect(t, standby).QueryRow(t.Context(), "SELECT count(*) FROM letters").Scan(&n); err != nil || n != 1000 {
		t.Errorf("%d rows on the standby (%v), want 1000", n, err)
	}
	// Nobody waits for a copy that is not there.
	if err := standby.Exec(t.Context(), "INSERT INTO letters VALUES (1001)"); err != nil {
		t.Fatal(err)
	}
}

func TestRedis_ReplicaTakesWritesOncePromoted(t *testing.T) {
	server := servicestest.Redis(t, services.RedisOptions{Dir: t.TempDir()})
	set(t, dial(t, server), "lane")
	replica := servicestest.Redis(t, services.RedisOptions{Dir: t.TempDir()})
	if err := replica.Follow(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	if err := replica.Do(t.Context(), "SET", "other", "1"); err == nil {
		t.Error("a replica took a write")
	}
	if err := replica.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	client := dial(t, replica)
	set(t, client, "other")
	if client.Exists(t.Context(), "lane", "other").Val() != 2 {
		t.Error("the replica has not what its leader had")
	}
}
