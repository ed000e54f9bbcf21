package main

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"facteur/internal/database/databasetest"
)

// A start that fails, for whatever reason, leaves no trace among the processes.
func TestStart_LeavesNothingWhenItFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	wrong := map[string]func(*Config){
		"Redis":     func(c *Config) { c.RedisURL = "redis://127.0.0.1:1" },
		"port":      func(c *Config) { c.HTTPAddr = taken.Addr().String() },
		"providers": func(c *Config) { c.ProvidersFile = filepath.Join(c.DataDir, "none.txt") },
		"DNS":       func(c *Config) { c.DNS = "nowhere" },
		"inbound":   func(c *Config) { c.InboundAddr = taken.Addr().String() },
	}
	for _, dsn := range []string{databasetest.SQLite(t), databasetest.Postgres(t)} {
		db := databasetest.Open(t, dsn)
		for what, spoil := range wrong {
			for range 2 {
				c := Config{DataDir: t.TempDir(), DatabaseURL: dsn, HTTPAddr: "127.0.0.1:0", RetryFirst: time.Second, RetryMost: time.Second, RetryGiveUp: time.Hour, FinalDot: 5 * time.Second}
				if err := c.complete(); err != nil {
					t.Fatal(err)
				}
				spoil(&c)
				a, err := Start(context.Background(), c, allRoles, slog.New(slog.DiscardHandler))
				if err == nil {
					a.Stop()
					t.Fatalf("%s: it started", what)
				}
			}
		}
		var n, left int
		err := db.Get(t.Context(), &n, `SELECT COUNT(*) FROM nodes WHERE node < 1024`)
		if err == nil {
			err = db.Get(t.Context(), &left, `SELECT COUNT(*) FROM nodes WHERE session <> 0 AND gone = ?`, false)
		}
		if err != nil || n > 1 || left != 0 {
			t.Errorf("%s: %d numbers are used, %d processes seem to live; %v", db.Engine(), n, left, err)
		}
	}
}
