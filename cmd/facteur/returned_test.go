package main_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facteur/internal/rig"
	"facteur/internal/services"
	"facteur/internal/services/servicestest"
)

// postOffice is a facteur with all its ways home, behind a real Postfix that
// takes every mail and then returns it, by the domain of its recipient.
type postOffice struct {
	mailroom
	process *rig.Process
}

func newPostOffice(t *testing.T) *postOffice {
	dir := t.TempDir()
	var ports [2]int
	for i := range ports {
		var err error
		if ports[i], err = rig.FreePort(); err != nil {
			t.Fatal(err)
		}
	}
	routes := []string{
		"dead.example.net = error:5.1.1 no such user here",
		"full.example.net = error:5.2.2 mailbox is full",
		"blocked.example.net = error:5.7.1 message blocked using zen.spamhaus.org",
		fmt.Sprintf("bounces.smtp.example.com = smtp:[127.0.0.1]:%d", ports[0]),
		fmt.Sprintf("bounces.lmtp.example.com = lmtp:inet:127.0.0.1:%d", ports[1]),
	}
	o := &postOffice{}
	o.t = t
	o.postfix = servicestest.Postfix(t, services.PostfixOptions{
		Users: map[string]string{"bounces": "zurück/1"}, IMAP: true,
		Settings: map[string]string{
			"transport_maps":               "inline:{ { " + strings.Join(routes, " } { ") + " } }",
			"smtpd_recipient_restrictions": "permit", "smtpd_reject_unlisted_recipient": "no", // else they would be refused at once
		},
	})
	binary, err := rig.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	o.process, err = rig.New(binary, filepath.Join(dir, "data"), []string{
		fmt.Sprintf("FACTEUR_INBOUND_ADDR=127.0.0.1:%d, lmtp:127.0.0.1:%d", ports[0], ports[1]), "FACTEUR_IMAP_URL=" + o.postfix.IMAP("bounces"),
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := o.process.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.process.Kill() })
	o.api = &o.process.API().Client
	return o
}

// sends mails a campaign from a domain of its own to people at the given
// domains, n at each, and returns its id.
func (o *postOffice) sends(from string, n int, domains ...string) string {
	o.t.Helper()
	var csv strings.Builder
	csv.WriteString("email\n")
	for _, d := range domains {
		for i := range n {
			fmt.Fprintf(&csv, "%s%d@%s\n", from, i, d)
		}
	}
	o.post("/domains", map[string]any{"name": from + ".example.com", "warmup": "none"})
	relay := o.post("/relays", map[string]any{"name": "postfix " + from, "host": "127.0.0.1", "port": o.postfix.Port(0), "security": "none", "max_connections": 4})
	sender := o.post("/senders", map[string]any{"from_email": "hello@" + from + ".example.com", "postal_address": "1 rue", "relay_ids": []string{relay}})
	list := o.post("/lists", map[string]any{"name": from})
	i, err := o.process.API().ImportCSV(o.t.Context(), list, strings.NewReader(csv.String()))
	if err != nil || i.Refused != 0 {
		o.t.Fatal(i, err)
	}
	id := o.post("/campaigns", map[string]any{"name": "C", "subject": "Hello", "html": "<p>Hello</p>", "list_ids": []string{list}, "sender_id": sender})
	o.post("/campaigns/"+id+"/launch", map[string]any{})
	return id
}

type returnedEvent struct {
	Kind, Class, Source, Effect string
	FoundBy                     string `json:"found_by"`
	Hard                        bool
}

// events are what came back about a campaign.
func (o *postOffice) events(id string) (all []returnedEvent) {
	o.t.Helper()
	for cursor := ""; ; {
		var page struct {
			Items []returnedEvent
			Next  *string
		}
		path := "/feedback?limit=500&campaign_id=" + id
		if cursor != "" {
			path += "&cursor=" + cursor
		}
		if err := o.api.Call(context.Background(), http.MethodGet, path, nil, &page); err != nil {
			return nil // it is being killed
		}
		all = append(all, page.Items...)
		if page.Next == nil {
			return all
		}
		cursor = *page.Next
	}
}

// tally counts the events of a campaign once there are n of them.
func (o *postOffice) tally(id string, n int) map[string]int {
	o.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		all := o.events(id)
		if len(all) >= n || time.Now().After(deadline) {
			counts := map[string]int{}
			for _, e := range all {
				counts[e.Source+" "+e.Class+" "+e.Effect+" by "+e.FoundBy]++
			}
			return counts
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// What a real Postfix returns comes home by SMTP, by LMTP and by IMAP, and
// ends as the right events; the same report by another way counts once.
func TestReturned_APostfixsReportsComeHomeByEveryWay(t *testing.T) {
	o := newPostOffice(t)
	for from, source := range map[string]string{"smtp": "listener", "lmtp": "listener", "imap": "imap"} {
		id := o.sends(from, 3, "dead.example.net", "full.example.net", "blocked.example.net", "example.org")
		want := map[string]int{
			source + " dead_address suppressed by return_path": 3, source + " mailbox_full counted by return_path": 3, source + " blocked_reputation noted by return_path": 3,
		}
		if got := o.tally(id, 9); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v\n%s", from, got, want, o.postfix.Log())
		}
	}
	var suppressed struct {
		Items []struct{ Address, Reason, Source string }
	}
	if err := o.api.Call(t.Context(), http.MethodGet, "/suppressions?limit=100", nil, &suppressed); err != nil {
		t.Fatal(err)
	}
	for _, s := range suppressed.Items {
		if !strings.HasSuffix(s.Address, "@dead.example.net") || s.Reason != "hard_bounce" {
			t.Errorf("suppressed: %+v", s)
		}
	}
	if len(suppressed.Items) != 9 {
		t.Errorf("%d suppressed", len(suppressed.Items))
	}

	// What lies in the mailbox, brought by API, is known already.
	mails, err := filepath.Glob(filepath.Join(o.postfix.Maildir(), "*", "*"))
	if err != nil || len(mails) == 0 {
		t.Fatal(mails, err)
	}
	brought := 0
	for _, name := range mails {
		text, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(text), "multipart/report") {
			continue
		}
		var caused struct{ Events []returnedEvent }
		if err := o.api.Upload(t.Context(), http.MethodPost, "/feedback/messages", "message/rfc822", strings.NewReader(string(text)), &caused); err != nil {
			t.Fatal(err)
		}
		for _, e := range caused.Events {
			if brought++; e.Effect != "duplicate" {
				t.Errorf("%+v", e)
			}
		}
	}
	if brought != 9 {
		t.Errorf("%d reports lay in the mailbox", brought)
	}

	// The probes have come home: mails offer to leave by mail now.
	var domains struct{ Items []struct{ Inbound bool } }
	deadline := time.Now().Add(90 * time.Second)
	for {
		if err := o.api.Call(t.Context(), http.MethodGet, "/domains", nil, &domains); err != nil {
			t.Fatal(err)
		}
		home := 0
		for _, d := range domains.Items {
			if d.Inbound {
				home++
			}
		}
		if home == 3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v\n%s", domains, o.postfix.Log())
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// letGo resumes what the bounce breaker has paused: the campaign, and its lane
// and domain.
func (o *postOffice) letGo(id string) {
	o.t.Helper()
	var all struct {
		Breakers []struct{ Scope, State string }
	}
	why := map[string]any{"reason": "these addresses are dead on purpose"}
	if err := o.api.Call(o.t.Context(), http.MethodGet, "/breakers", nil, &all); err != nil {
		o.t.Fatal(err)
	}
	for _, b := range all.Breakers {
		path := "/breakers/" + b.Scope + "/resume"
		if strings.HasPrefix(b.Scope, "campaign:") {
			path = "/campaigns/" + id + "/resume"
		}
		if b.State == "pause" {
			if err := o.api.Call(o.t.Context(), http.MethodPost, path, why, nil); err != nil {
				o.t.Fatal(err)
			}
		}
	}
}

// finish lets a campaign go again, as often as its bounces pause it, until it is
// sent: reports of mails from before come in after a person's word.
func (o *postOffice) finish(id string) {
	o.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if c, err := o.api.Campaign(o.t.Context(), id); err != nil {
			o.t.Fatal(err)
		} else if c.Status == "sent" {
			return
		}
		o.letGo(id)
	}
	o.t.Fatal("the campaign does not end")
}

// A process that is killed while it reads the mailbox loses no report, and
// counts none twice.
func TestReturned_KilledWhilePollingLosesNothing(t *testing.T) {
	o := newPostOffice(t)
	const n = 300
	id := o.sends("imap", n, "dead.example.net")
	deadline := time.Now().Add(2 * time.Minute)
	for kills := 0; kills < 4; {
		if time.Now().After(deadline) {
			t.Fatalf("%d kills, then no more reports came", kills)
		}
		o.letGo(id) // the reports may come quicker than the mails go out
		if got := len(o.events(id)); got > 20*(kills+1) || got == n {
			if err := o.process.Kill(); err != nil {
				t.Fatal(err)
			}
			kills++
			if err := o.process.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	o.finish(id)
	want := map[string]int{"imap dead_address suppressed by return_path": n}
	if got := o.tally(id, n); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
	var rates struct {
		All struct{ Accepted, Hard int64 }
	}
	if err := o.api.Call(t.Context(), http.MethodGet, "/complaints/rates?campaign_id="+id, nil, &rates); err != nil {
		t.Fatal(err)
	}
	if rates.All.Accepted != n || rates.All.Hard != n {
		t.Errorf("%+v", rates)
	}
}
