package api_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/web/api"
)

func TestStatus_TellsHowThingsAre(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		process, err := database.Join(t.Context(), db, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = process.Leave(context.Background()) }()
		if err := process.Introduce(t.Context(), database.Introduction{Roles: "api,worker", Version: "v7"}); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Acquire(t.Context(), "scheduler", process.Session(), database.ProcessTTL); err != nil {
			t.Fatal(err)
		}
		h := newHouse(t, db, func(o *api.Options) {
			o.Self = api.Self{StartedAt: db.Now(), Database: "a database", Queue: "a queue", Ready: func(context.Context) error { return errors.New("the disk is full") }}
		})
		s := h.furnish()
		h.plan(s)
		h.must("POST", "/stop", `{"reason":"wrong price"}`)
		a := h.must("GET", "/status", "")
		for path, want := range map[string]string{
			"version": "test", "ready": "false", "not_ready": "the disk is full", "database": "a database", "queue": "a queue",
			"stop.stopped": "true", "stop.reason": "wrong price", "clock.steady": "true", "relays.0.name": "out", "relays.0.state": "ok",
			"processes.0.roles": "[api worker]", "processes.0.version": "v7", "processes.0.alive": "true", "processes.0.leads": "true",
			"campaigns.0.id": s.campaign, "campaigns.0.status": "sending", "campaigns.0.counts.sent": "0",
		} {
			if got := a.get(path); got != want {
				t.Errorf("%s is %s, want %s", path, got, want)
			}
		}
		if a := h.do("GET", "/status", "", h.token("campaigns:read")); a.status != 403 {
			t.Error("without the scope:", a.status)
		}
		if a := h.do("GET", "/status", "", h.token("status:read")); a.status != 200 {
			t.Error("with the scope:", a.status)
		}
	})
}

func TestClock_IsConfirmedByAPersonWithAReason(t *testing.T) {
	even := database.SinceBoot()
	databasetest.EachWith(t, database.Options{Since: func() time.Duration { return even }}, func(t *testing.T, db *database.DB) {
		watch, err := database.NewWatch(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		h := newHouse(t, db, func(o *api.Options) { o.Clock = watch })
		even -= time.Hour // as if the wall clock had been put forward
		if err := watch.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if a := h.must("GET", "/status", ""); a.get("clock.steady") != "false" || !strings.Contains(a.get("clock.doubt"), "put forward by 1h0m0s") {
			t.Error(a.get("clock"))
		}
		if a := h.do("POST", "/clock/confirm", `{}`, adminToken); a.status != 422 {
			t.Error("without a reason:", a.status)
		}
		h.must("POST", "/clock/confirm", `{"reason":"the host had slept"}`)
		if a := h.must("GET", "/status", ""); a.get("clock.steady") != "true" {
			t.Error("after a person's word:", a.get("clock"))
		}
	})
}
