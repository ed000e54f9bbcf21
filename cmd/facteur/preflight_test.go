package main_test

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"facteur/campaign/templates"
	"facteur/internal/rig"
	"facteur/sending/sandbox"
	"facteur/web/client"
)

// desk is a facteur with a list, a relay and a sender.
type desk struct {
	t   *testing.T
	api *rig.API
	rig.Setup
	box *sandbox.Server
}

func newDesk(t *testing.T, people ...string) *desk {
	t.Helper()
	box, err := sandbox.Start(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	binary, err := rig.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p, err := rig.New(binary, t.TempDir(), nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	d := &desk{t: t, api: p.API(), box: box}
	host, text, _ := net.SplitHostPort(box.Addr())
	port, _ := strconv.Atoi(text)
	if d.Setup, err = d.api.SetUp(t.Context(), host, port, 5); err != nil {
		t.Fatal(err)
	}
	if _, err := d.api.ImportCSV(t.Context(), d.List, strings.NewReader("email,name\n"+strings.Join(people, "\n")+"\n")); err != nil {
		t.Fatal(err)
	}
	return d
}

// draft makes a campaign.
func (d *desk) draft(subject, html string) (id string) {
	d.t.Helper()
	var made struct{ ID string }
	err := d.api.Call(d.t.Context(), http.MethodPost, "/campaigns", map[string]any{"name": "May", "subject": subject, "html": html, "list_ids": []string{d.List}, "sender_id": d.Sender}, &made)
	if err != nil {
		d.t.Fatal(err)
	}
	return made.ID
}

// launch tries to, and says the code of the answer that refuses; "" for none.
func (d *desk) launch(id string, body map[string]any) string {
	d.t.Helper()
	var p *client.Problem
	if err := d.api.Call(d.t.Context(), http.MethodPost, "/campaigns/"+id+"/launch", body, nil); errors.As(err, &p) {
		return p.Code
	} else if err != nil {
		d.t.Fatal(err)
	}
	return ""
}

func (d *desk) status(id string) string {
	d.t.Helper()
	c, err := d.api.Campaign(d.t.Context(), id)
	if err != nil {
		d.t.Fatal(err)
	}
	return c.Status
}

const honest = `<!doctype html><html lang="en"><head><title>Bread in May</title></head><body><table role="presentation" width="600" style="max-width:600px"><tr><td>
<p>Good morning, our bakery has new loaves in May: rye with walnuts, and a wheat bread with seeds. We bake them each morning from six on, and keep one for you until noon.</p>
<p>Come by, or write to us: we answer each mail.</p></td></tr></table></body></html>`

func TestPreflight_BlocksWhatIsWrongByAnyCall(t *testing.T) {
	d := newDesk(t, "ada@example.org,Ada", "bob@example.org,Bob")
	id := d.draft("Bread in May", strings.Replace(honest, "<p>Come", `<script>open()</script><p>Come`, 1))
	found, err := d.api.Preflight(t.Context(), id)
	if err != nil || found.Verdict != "blocked" || found.Findings[0].Code != "html_script" || found.Findings[0].Fix == "" {
		t.Fatalf("%+v, %v", found, err)
	}
	for name, body := range map[string]map[string]any{
		"as it is": {}, "acknowledged": {"acknowledge": []string{"html_script"}}, "later": {"at": time.Now().Add(time.Hour).UTC().Format(time.RFC3339), "acknowledge": []string{"html_script"}},
	} {
		if code := d.launch(id, body); code != "preflight_blocked" {
			t.Errorf("launched %s: %q", name, code)
		}
	}
	for _, verb := range []string{"resume", "resend-failed"} {
		if err := d.api.Call(t.Context(), http.MethodPost, "/campaigns/"+id+"/"+verb, map[string]any{"reason": "now"}, nil); err == nil {
			t.Errorf("%s was allowed", verb)
		}
	}
	if got := d.status(id); got != "draft" || d.box.Count().Accepted != 0 {
		t.Errorf("it is %s, %d arrived", got, d.box.Count().Accepted)
	}
}

func TestPreflight_WarningsAreAcknowledgedByCode(t *testing.T) {
	d := newDesk(t, "ada@example.org,Ada", "bob@example.org,")
	if found, err := d.api.Preflight(t.Context(), d.draft("Bread in May", honest)); err != nil || found.Verdict != "ok" {
		t.Errorf("an honest mail: %+v, %v", found, err)
	}
	id := d.draft("Bread for {{ name }}", honest)
	found, err := d.api.Preflight(t.Context(), id)
	if err != nil || found.Verdict != "warnings" || !slices.Equal(found.Warnings(), []string{"variable_missing"}) {
		t.Fatalf("%+v, %v", found, err)
	}
	if code := d.launch(id, map[string]any{"acknowledge": []string{"sudden_jump"}}); code != "warnings_unacknowledged" {
		t.Errorf("launched: %q", code)
	}
	if code := d.launch(id, map[string]any{"acknowledge": found.Warnings()}); code != "" {
		t.Errorf("not launched: %q", code)
	}
	var kept struct {
		Verdict      string
		Acknowledged []string
	}
	if err := d.api.Call(t.Context(), http.MethodGet, "/campaigns/"+id+"/preflight", nil, &kept); err != nil || kept.Verdict != "warnings" || !slices.Equal(kept.Acknowledged, []string{"variable_missing"}) {
		t.Errorf("kept: %+v, %v", kept, err)
	}
}

// What changes between the launch and the time is found at the time.
func TestPreflight_LooksAgainWhenAScheduledCampaignIsToStart(t *testing.T) {
	d := newDesk(t, "ada@example.org,Ada")
	id := d.draft("Bread for {{ name }}", honest)
	if code := d.launch(id, map[string]any{"at": time.Now().Add(4 * time.Second).UTC().Format(time.RFC3339Nano)}); code != "" {
		t.Fatal(code)
	}
	consent := map[string]any{"basis": "customer", "source": "shop", "at": time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), "wording": "yes"}
	if err := d.api.Call(t.Context(), http.MethodPost, "/lists/"+d.List+"/subscribers", map[string]any{"email": "nameless@example.org", "consent": consent}, nil); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); d.status(id) == "scheduled" && time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond)
	}
	c, err := d.api.Campaign(t.Context(), id)
	if err != nil || c.Status != "blocked" || !strings.Contains(c.StatusReason, "variable_missing") || d.box.Count().Accepted != 0 {
		t.Errorf("%s (%s), %v", c.Status, c.StatusReason, err)
	}
	if code := d.launch(id, map[string]any{"acknowledge": []string{"variable_missing"}}); code != "" {
		t.Errorf("a person lets it go: %q", code)
	}
}

// Each starting template passes as it is.
func TestPreflight_TheTemplatesPass(t *testing.T) {
	d := newDesk(t, "ada@example.org,Ada")
	for _, x := range templates.All() {
		var made struct{ ID string }
		err := d.api.Call(t.Context(), http.MethodPost, "/campaigns", map[string]any{"name": x.Name, "subject": x.Subject, "html": x.HTML, "text": x.Text, "language": x.Locale, "list_ids": []string{d.List}, "sender_id": d.Sender}, &made)
		if err != nil {
			t.Fatal(err)
		}
		if found, err := d.api.Preflight(t.Context(), made.ID); err != nil || found.Verdict != "ok" {
			t.Errorf("%s in %s: %+v, %v", x.Name, x.Locale, found, err)
		}
	}
}

// What is written in Markdown or MJML passes too, and arrives as HTML.
func TestPreflight_MarkdownAndMJMLPass(t *testing.T) {
	d := newDesk(t, "ada@example.org,Ada")
	for field, text := range map[string]string{
		"markdown": "# Bread in May\n\nGood morning {{ name }}, our bakery has **new loaves** in May: rye with walnuts, and a wheat bread with seeds.\n\n[See them all](https://www.example.com/bread)\n",
		"mjml":     `<mjml lang="en"><mj-head><mj-title>Bread in May</mj-title><mj-preview>New loaves in May</mj-preview></mj-head><mj-body><mj-section><mj-column><mj-text>Good morning {{ name }}, our bakery has new loaves in May: rye with walnuts, and a wheat bread with seeds.</mj-text><mj-button href="https://www.example.com/bread">See them all</mj-button></mj-column></mj-section></mj-body></mjml>`,
	} {
		var made struct{ ID, HTML, Markdown, MJML string }
		err := d.api.Call(t.Context(), http.MethodPost, "/campaigns", map[string]any{"name": field, "subject": "Bread in May", field: text, "list_ids": []string{d.List}, "sender_id": d.Sender}, &made)
		if err != nil {
			t.Fatal(err)
		}
		if made.Markdown+made.MJML != text {
			t.Errorf("%s was not kept as it was written", field)
		}
		if found, err := d.api.Preflight(t.Context(), made.ID); err != nil || found.Verdict != "ok" {
			t.Errorf("%s: %+v, %v", field, found, err)
		}
		if code := d.launch(made.ID, map[string]any{}); code != "" {
			t.Errorf("%s: %s", field, code)
		}
	}
	for end := time.Now().Add(30 * time.Second); d.box.Count().Accepted < 2 && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	if d.box.Count().Accepted != 2 {
		t.Errorf("%d arrived", d.box.Count().Accepted)
	}
}
