package main

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"facteur/sending/sandbox"
)

// playing is the address of a sandbox.
func playing(t *testing.T) string {
	t.Helper()
	box, err := sandbox.Start(sandbox.Options{Keep: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	return box.Addr()
}

// launched brings these people to a list and launches a campaign to it,
// through a relay at an address. It returns the campaign's id.
func launched(t *testing.T, a *App, relayAddr string, people ...string) string {
	t.Helper()
	list := made(t, a, "/lists", `{"name":"News"}`)
	status, imported := ask(t, a, http.MethodPost, "/lists/"+list+"/imports?basis=opt_in&source=fair&at=2026-01-02T03:04:05Z",
		"email,name\n"+strings.Join(people, ",Somebody\n")+",Somebody\n", "Content-Type", "text/csv")
	if status != http.StatusAccepted {
		t.Fatalf("import: %d %v", status, imported["raw"])
	}
	eventually(t, "import", func() bool {
		_, imported = ask(t, a, http.MethodGet, "/imports/"+imported["id"].(string), "")
		return imported["status"] == "done"
	})
	host, port, _ := net.SplitHostPort(relayAddr)
	relay := made(t, a, "/relays", fmt.Sprintf(`{"name":"box","host":%q,"port":%s,"security":"none","max_connections":5}`, host, port))
	made(t, a, "/domains", `{"name":"news.example.com","warmup":"none"}`)
	sender := made(t, a, "/senders", fmt.Sprintf(`{"from_email":"hello@news.example.com","postal_address":"1 rue de la Poste, Lyon","relay_ids":[%q]}`, relay))
	campaign := made(t, a, "/campaigns", fmt.Sprintf(`{"name":"October","subject":"s","text":"t","list_ids":[%q],"sender_id":%q}`, list, sender))
	if status, answer := ask(t, a, http.MethodPost, "/campaigns/"+campaign+"/launch", `{"acknowledge":["never_mailed","sudden_jump"]}`); status != http.StatusAccepted {
		t.Fatalf("launch: %d %v", status, answer["raw"])
	}
	return campaign
}

// sent waits for the end of a campaign and returns its state.
func sent(t *testing.T, a *App, campaign string) (c map[string]any) {
	t.Helper()
	eventually(t, "sent", func() bool {
		_, c = ask(t, a, http.MethodGet, "/campaigns/"+campaign, "")
		return c["status"] == "sent"
	})
	return c
}
