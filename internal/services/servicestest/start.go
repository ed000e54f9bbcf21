package servicestest

import (
	"errors"
	"os"
	"testing"

	"facteur/internal/services"
)

// Postgres starts a PostgreSQL that is stopped when the test ends. Where it is
// not installed the test is skipped, or fails if CI=true.
func Postgres(t testing.TB, options services.PostgresOptions) *services.Postgres {
	t.Helper()
	server, err := services.StartPostgres(t.Context(), options)
	keep(t, server, err, "skipped: needs PostgreSQL; apt-get install postgresql")
	return server
}

// Redis starts a Redis that is stopped when the test ends. Where it is not
// installed the test is skipped, or fails if CI=true.
func Redis(t testing.TB, options services.RedisOptions) *services.Redis {
	t.Helper()
	server, err := services.StartRedis(t.Context(), options)
	keep(t, server, err, "skipped: needs Redis; apt-get install redis-server")
	return server
}

// NeedServers skips the test where PostgreSQL or Redis is not installed, or
// fails it if CI=true.
func NeedServers(t testing.TB) {
	t.Helper()
	for _, part := range services.Parts() {
		if part.Name != "postgres" && part.Name != "redis" {
			continue
		}
		if err := part.Find(); errors.Is(err, services.ErrMissing) && os.Getenv("CI") != "true" {
			t.Skipf("skipped: needs %s; apt-get install %s", part.Title, part.Packages[0])
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// Postfix starts a Postfix that is stopped when the test ends. Where it is not
// installed, or may not be started, the test is skipped, or fails if CI=true.
func Postfix(t testing.TB, options services.PostfixOptions) *services.Postfix {
	t.Helper()
	server, err := services.StartPostfix(t.Context(), options)
	if errors.Is(err, services.ErrNotRoot) && os.Getenv("CI") != "true" {
		t.Skip("skipped: only root can start a Postfix")
	}
	keep(t, server, err, "skipped: needs Postfix and Dovecot; apt-get install postfix dovecot-core dovecot-imapd")
	return server
}

// Spamd starts a spamd that is stopped when the test ends. Where it is not
// installed the test is skipped, or fails if CI=true.
func Spamd(t testing.TB) *services.Spamd {
	t.Helper()
	server, err := services.StartSpamd(t.Context(), services.SpamdOptions{})
	keep(t, server, err, "skipped: needs spamd; apt-get install spamassassin spamd")
	return server
}

// Chromium is the path of the browser. Where it is not installed the test is
// skipped, or fails if CI=true.
func Chromium(t testing.TB) string {
	t.Helper()
	path, err := services.FindChromium()
	switch {
	case errors.Is(err, services.ErrMissing) && os.Getenv("CI") != "true":
		t.Skip("skipped: needs Chromium; apt-get install chromium")
	case err != nil:
		t.Fatal(err)
	}
	return path
}

func keep(t testing.TB, server services.Running, err error, advice string) {
	t.Helper()
	switch {
	case errors.Is(err, services.ErrMissing) && os.Getenv("CI") != "true":
		t.Skip(advice)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
}
