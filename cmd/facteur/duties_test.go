package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"testing"
)

// The daily duties are done soon after the first start, and not again by a
// process that starts on the same day.
func TestDuties_AreDoneOnceADay(t *testing.T) {
	p := newParlour(t, Config{})
	p.member("ada@example.org")
	var first map[string]any
	eventually(t, "the ledger's check", func() bool {
		_, first = ask(t, p.app, http.MethodGet, "/consent-ledger", "")
		return first["checked_at"] != nil
	})
	if check := first["check"].(map[string]any); fmt.Sprint(check["faults"]) != "[]" && check["faults"] != nil {
		t.Error(first["raw"])
	}
	runs := func(a *App) int {
		_, r := ask(t, a, http.MethodGet, "/retention/runs", "")
		return len(r["items"].([]any))
	}
	eventually(t, "retention", func() bool { return runs(p.app) == 1 })
	dir := p.app.config.DataDir
	p.app.Stop()
	again := serveAs(t, Config{DataDir: dir}, allRoles, slog.New(slog.DiscardHandler))
	other := &parlour{T: t, app: again, box: p.box, list: p.list, sender: p.sender}
	other.member("bob@example.org") // takes a while, in which the duties would have been done
	eventually(t, "bob's seal", func() bool {
		_, l := ask(t, again, http.MethodGet, "/consent-ledger", "")
		return l["waiting"] == 0.0 && l["head"] != nil
	})
	if _, l := ask(t, again, http.MethodGet, "/consent-ledger", ""); l["checked_at"] != first["checked_at"] || runs(again) != 1 {
		t.Errorf("done again: %v, first %v", l["raw"], first["checked_at"])
	}
}

// What deletes, expires or gives up rests while the clock may be wrong.
func TestDuties_WhatCannotBeTakenBackIsFinal(t *testing.T) {
	p := newParlour(t, Config{})
	final := map[string]bool{}
	for _, d := range p.app.scheduler.Duties() {
		final[d.Name] = d.Final
	}
	for _, name := range []string{retentionDuty, "expire sign-ups", "end what was not answered", "prune sign-up counts"} {
		if !final[name] {
			t.Errorf("%q is done by a clock that may be wrong", name)
		}
	}
}
