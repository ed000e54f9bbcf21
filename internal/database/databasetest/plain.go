package databasetest

import (
	"net/url"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"
)

// Plain is a new database on the test server that belongs to a role of the same
// name without privileges, and the server's superuser in it, who can take
// things away. The test is skipped where there is no server.
func Plain(t testing.TB) (dsn, name string, super *sqlx.DB) {
	t.Helper()
	all := Postgres(t)
	u, err := url.Parse(all)
	if err != nil {
		t.Fatal(err)
	}
	super, err = sqlx.Connect("pgx", all)
	if err != nil {
		t.Fatal(err)
	}
	name = strings.TrimPrefix(u.Path, "/")
	t.Cleanup(func() {
		_, _ = super.Exec(`DROP OWNED BY ` + name + ` CASCADE`)
		_, _ = super.Exec(`ALTER DATABASE ` + name + ` OWNER TO CURRENT_USER`)
		_, _ = super.Exec(`DROP ROLE ` + name)
		_ = super.Close()
	})
	Do(t, super, `CREATE ROLE `+name+` LOGIN`, `ALTER DATABASE `+name+` OWNER TO `+name, `ALTER SCHEMA public OWNER TO `+name)
	u.User = url.User(name)
	return u.String(), name, super
}

// Do runs statements that must succeed.
func Do(t testing.TB, on *sqlx.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := on.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// Cut ends all connections of a role.
func Cut(t testing.TB, super *sqlx.DB, role string) {
	t.Helper()
	if _, err := super.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1`, role); err != nil {
		t.Fatal(err)
	}
}
