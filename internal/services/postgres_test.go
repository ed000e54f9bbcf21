package services_test

import (
	"context"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"facteur/internal/services"
	"facteur/internal/services/servicestest"
)

func TestPostgres_KeepsWhatWasCommittedWhenKilled(t *testing.T) {
	server := servicestest.Postgres(t, services.PostgresOptions{Dir: reachable(t)})
	conn := connect(t, server)
	execute(t, conn, "CREATE TABLE letters (id BIGINT)")
	execute(t, conn, "INSERT INTO letters SELECT generate_series(1, 1000)")
	execute(t, conn, "CHECKPOINT")
	execute(t, conn, "INSERT INTO letters VALUES (1001)") // only in the log
	before := server.URL()

	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	nobodyAt(t, server.URL())
	if err := conn.Ping(t.Context()); err == nil {
		t.Fatal("a connection outlived the killed server")
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := server.URL(); after != before {
		t.Errorf("it came back at %s, was at %s", after, before)
	}
	var n int
	if err := connect(t, server).QueryRow(t.Context(), "SELECT count(*) FROM letters").Scan(&n); err != nil || n != 1001 {
		t.Errorf("%d rows after the crash (%v), want 1001", n, err)
	}
}

func TestPostgres_KilledInTheMiddleOfAQueryComesBackAtOnce(t *testing.T) {
	server := servicestest.Postgres(t, services.PostgresOptions{Dir: reachable(t)})
	// A backend that computes does not look whether its postmaster lives.
	busy := connect(t, server)
	pid := busy.PgConn().PID()
	ended := make(chan error)
	go func() {
		_, err := busy.Exec(context.WithoutCancel(t.Context()), "SELECT count(*) FROM generate_series(1, 1000000000)")
		ended <- err
	}()
	watch := connect(t, server)
	for active := false; !active; {
		const query = "SELECT state = 'active' FROM pg_stat_activity WHERE pid = $1"
		if err := watch.QueryRow(t.Context(), query, pid).Scan(&active); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-ended; err == nil {
		t.Error("the query ended well although its server was killed")
	}
}

func TestPostgres_IsDurableAndTakesTheSettingsAskedFor(t *testing.T) {
	server := servicestest.Postgres(t, services.PostgresOptions{
		Dir: reachable(t), MaxConnections: 37, Settings: map[string]string{"work_mem": "5MB"},
	})
	conn := connect(t, server)
	for name, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
		"listen_addresses": "127.0.0.1", "unix_socket_directories": "",
		"max_connections": "37", "work_mem": "5MB", "server_encoding": "UTF8",
	} {
		var got string
		if err := conn.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", name, got, err, want)
		}
	}
}

func TestPostgres_StopLeavesNothingBehind(t *testing.T) {
	dir := reachable(t)
	server := start(t, func() (*services.Postgres, error) {
		return services.StartPostgres(t.Context(), services.PostgresOptions{Dir: dir})
	})
	connect(t, server) // stop must not wait for clients to leave
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	nothingIn(t, dir)
	nobodyAt(t, server.URL())
}

func TestPostgres_ThatCannotStartSaysWhyAndLeavesNothingBehind(t *testing.T) {
	dir := reachable(t)
	_, err := services.StartPostgres(t.Context(), services.PostgresOptions{
		Dir: dir, Settings: map[string]string{"work_mem": "very much"},
	})
	missing(t, err)
	wantText(t, err, "work_mem")
	nothingIn(t, dir)
}

func connect(t *testing.T, server *services.Postgres) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func execute(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// reachable is a folder that other accounts can get to, unlike t.TempDir: as
// root the server runs under another one.
func reachable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "services-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func nobodyAt(t *testing.T, server string) {
	t.Helper()
	at, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", at.Host); err == nil {
		conn.Close()
		t.Fatalf("somebody still listens on %s", at.Host)
	}
}

func nothingIn(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left in %s: %v (%v)", filepath.Base(dir), left, err)
	}
}
