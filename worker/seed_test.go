package worker_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending"
	"facteur/sending/sandbox"
)

// A sender's seed addresses get what everybody gets, once, when it begins.
func TestSeeds_GetACopyOfEachCampaign(t *testing.T) {
	e := start(t, databasetest.New(t))
	e.campaigns.AlsoStart(e.composer.Seed)
	s := box(t, sandbox.Options{Keep: 10})
	plain, err := e.senders.Sender(context.Background(), e.sender(s, 2))
	if err != nil {
		t.Fatal(err)
	}
	var sender sending.Sender
	e.write(func(ctx context.Context, tx *database.Tx) error {
		plain.Seeds = []string{"seed1@example.net", "seed2@example.net"}
		sender, err = e.senders.CreateSender(ctx, tx, plain)
		return err
	})
	id := e.launch(sender.ID, e.list("all", "ada@example.org"))
	e.sent(id, 30*time.Second)
	for end := time.Now().Add(20 * time.Second); s.Count().Accepted < 3 && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	got := map[string]int{}
	for _, m := range s.Messages() {
		got[m.To[0]]++
		if !bytes.Contains(m.Raw, []byte("Subject: Hello")) || !bytes.Contains(m.Raw, []byte("List-Unsubscribe:")) {
			t.Errorf("%s got\n%s", m.To[0], m.Raw)
		}
	}
	if len(got) != 3 || got["seed1@example.net"] != 1 || got["seed2@example.net"] != 1 {
		t.Errorf("arrived: %v", got)
	}
	if c, err := e.campaigns.Counts(context.Background(), id); err != nil || c.Recipients != 1 {
		t.Errorf("seeds are no recipients: %+v, %v", c, err)
	}
}
