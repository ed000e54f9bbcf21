package worker_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/services/servicestest"
	"facteur/sending/sandbox"
)

// Every mail and every letter of a domain that we sign for verifies as it
// arrives, and with new keys at once when they are activated.
func TestDelivery_IsSignedByTheKeysOfItsDomain(t *testing.T) {
	t.Parallel()
	e := start(t, databasetest.New(t))
	s := box(t, sandbox.Options{Keep: 10})
	sender := e.sender(s, 2)
	domain, err := e.senders.DomainByName(context.Background(), "news.example.com")
	if err != nil {
		t.Fatal(err)
	}
	e.write(func(ctx context.Context, tx *database.Tx) error {
		_, err := e.senders.SetDKIM(ctx, tx, domain, true)
		return err
	})
	e.sent(e.launch(sender, e.list("first", "ada@example.org", "zoë@example.org")), 30*time.Second)
	e.write(func(ctx context.Context, tx *database.Tx) error {
		if err := e.senders.MakeKeys(ctx, tx, domain); err != nil {
			return err
		}
		return e.senders.ActivateKeys(ctx, tx, domain)
	})
	time.Sleep(6 * time.Second) // keys are looked at again by then
	e.sent(e.launch(sender, e.list("second", "bob@example.org")), 30*time.Second)
	keys, err := e.senders.Keys(context.Background(), domain.ID)
	if err != nil {
		t.Fatal(err)
	}
	records := map[string]string{}
	for _, k := range keys {
		r := k.Record(domain.Name, time.Now())
		records[r.Name] = r.Value
	}
	verifiers := servicestest.DKIM(t, records)
	messages := s.Messages()
	for _, m := range messages {
		text := string(m.Raw)
		if n := strings.Count(text, "DKIM-Signature:"); n != 2 {
			t.Errorf("%d signatures:\n%s", n, text)
		}
		for _, fault := range verifiers.Check(t, m.Raw) {
			t.Error(fault)
		}
	}
	if len(messages) != 3 || !strings.Contains(string(messages[2].Raw), "s=facteur2-rsa") {
		t.Errorf("%d messages", len(messages))
	}
}
