package worker_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/feedback"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending/sandbox"
	"facteur/worker"
)

// faulty replaces the worker by one that lacks a part, at whose use it panics.
func (e *engine) faulty(lacks func(e *engine)) (mend func()) {
	composer, processor := e.composer, e.feedback
	e.worker.Close()
	lacks(e)
	e.work()
	return func() {
		e.worker.Close()
		e.composer, e.feedback = composer, processor
		e.work()
	}
}

// heldByPanics waits until the campaign is paused for its panics, with nobody
// under way.
func (e *engine) heldByPanics(id int64) campaign.Counts {
	e.t.Helper()
	c, n := e.await(id, 30*time.Second, func(c campaign.Campaign, n campaign.Counts) bool {
		batches, _ := e.worker.Busy()
		return c.Status == campaign.Paused && batches == 0
	})
	if !strings.Contains(c.StatusReason, "failed") || n.Sending != 0 {
		e.t.Errorf("paused because %q, counts %+v", c.StatusReason, n)
	}
	var taken int
	if err := e.db.Get(context.Background(), &taken, `SELECT COUNT(*) FROM batches WHERE state = 'taken'`); err != nil || taken != 0 {
		e.t.Errorf("%d batches are held by a process that lives, %v", taken, err)
	}
	return n
}

func TestPanic_InAMessageCostsNobodyAndTheThirdPausesTheCampaign(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := box(t, sandbox.Options{})
		e := start(t, db)
		sender := e.sender(s, 2)
		mend := e.faulty(func(e *engine) { // without keys nobody's way out can be signed
			e.composer = worker.NewComposer(e.campaigns, e.people, nil, e.senders, "http://127.0.0.1:8080")
		})
		id := e.launch(sender, e.list("all", addresses("person", 60)...))
		if n := e.heldByPanics(id); n.Queued+n.Deferred != 60 || s.Count().Accepted != 0 {
			t.Errorf("counts %+v, %d arrived", n, s.Count().Accepted)
		}
		mend()
		e.mustResume(id)
		if n := e.sent(id, 30*time.Second); n.Sent != 60 || n.Doubted != 0 || s.Count().Duplicates != 0 {
			t.Errorf("counts %+v, %d twice", n, s.Count().Duplicates)
		}
	})
}

func TestPanic_InABatchGivesItBackAndTheThirdPausesTheCampaign(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := box(t, sandbox.Options{})
		e := start(t, db)
		sender := e.sender(s, 2)
		mend := e.faulty(func(e *engine) { // without the domains nobody knows how they sign
			e.composer = worker.NewComposer(e.campaigns, e.people, e.keys, nil, "http://127.0.0.1:8080")
		})
		id := e.launch(sender, e.list("all", addresses("person", 60)...))
		if n := e.heldByPanics(id); n.Queued != 60 || s.Count().Connections != 0 {
			t.Errorf("counts %+v, %d connections", n, s.Count().Connections)
		}
		mend()
		e.mustResume(id)
		if n := e.sent(id, 30*time.Second); n.Sent != 60 || s.Count().Duplicates != 0 {
			t.Errorf("counts %+v, %d twice", n, s.Count().Duplicates)
		}
	})
}

// What an answer leads to may panic; the answer is written all the same.
func TestPanic_InWhatFollowsAnAnswerLosesNoAnswer(t *testing.T) {
	t.Parallel()
	for name, lacks := range map[string]func(e *engine) feedback.Options{
		"in its transaction": func(e *engine) feedback.Options {
			return feedback.Options{DB: e.db, Keys: e.keys, Campaigns: e.campaigns, Sending: e.senders, Pace: e.pace, Noes: e.noes, Log: e.log}
		},
		"after it": func(e *engine) feedback.Options {
			return feedback.Options{DB: e.db, Keys: e.keys, People: e.people, Campaigns: e.campaigns, Sending: e.senders, Pace: e.pace, Log: e.log}
		},
	} {
		t.Run(name, func(t *testing.T) {
			databasetest.Each(t, func(t *testing.T, db *database.DB) {
				s := box(t, sandbox.Options{})
				e := start(t, db)
				sender := e.sender(s, 3)
				mend := e.faulty(func(e *engine) { e.feedback = feedback.NewProcessor(lacks(e)) })
				id := e.launch(sender, e.list("all", append(addresses("person", 40), "unknown@example.org")...))
				_, n := e.await(id, 30*time.Second, func(_ campaign.Campaign, n campaign.Counts) bool { return n.Sent+n.Failed == 41 })
				if n.Failed != 1 || n.Doubted != 0 || s.Count().Duplicates != 0 {
					t.Errorf("counts %+v, %d twice", n, s.Count().Duplicates)
				}
				mend()
			})
		})
	}
}
