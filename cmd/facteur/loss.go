package main

import (
	"context"

	"facteur/internal/database"
	"facteur/internal/journal"
)

// wentBack stops all mail when the database has forgotten what it had
// committed, as after a failover to a standby that lagged behind: people who
// said no in that time would be mailed, and people who were mailed, again. Only
// a person can know better.
func (a *App) wentBack(ctx context.Context, tx *database.Tx) error {
	const reason = "the database went back in time: opt-outs and sent mails of the last moments are lost; see \"When the database went back\" in operating.md"
	_, err := a.campaigns.StopAll(journal.WithActor(ctx, "facteur"), tx, reason)
	if err == nil {
		a.log.Error("all mail is stopped", "reason", reason)
	}
	return err
}

// databaseName is the database for people, with what a failover of it would lose.
func (a *App) databaseName() string {
	if a.risk == "" {
		return a.db.Name()
	}
	return a.db.Name() + "; RISK: " + a.risk
}
