package worker_test

import (
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending/sandbox"
)

func TestWorker_SendsACampaignToEveryoneOnce(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := box(t, sandbox.Options{})
		e := start(t, db)
		list := e.list("all", addresses("person", 2500)...)
		id := e.launch(e.sender(s, 20), list)
		n := e.sent(id, 30*time.Second)
		got := s.Count()
		if n.Sent != 2500 || got.Distinct != 2500 || got.Duplicates != 0 || got.Mistakes != 0 {
			t.Errorf("counts %+v, sandbox %+v", n, got)
		}
	})
}
