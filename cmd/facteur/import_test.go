package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// imported brings a file to the list and waits for the end.
func (p *parlour) imported(query, body string) map[string]any {
	p.Helper()
	status, i := ask(p.T, p.app, http.MethodPost, "/lists/"+p.list+"/imports?"+query, body, "Content-Type", "text/plain")
	if status != http.StatusAccepted {
		p.Fatalf("import: %d %v", status, i["raw"])
	}
	eventually(p.T, "import", func() bool {
		_, i = ask(p.T, p.app, http.MethodGet, "/imports/"+i["id"].(string), "")
		return i["status"] != "running"
	})
	return i
}

const fair = "basis=opt_in&source=fair&at=2026-01-02T03:04:05Z"

func TestImport_TakesColumnsAsTheyAreMapped(t *testing.T) {
	p := newParlour(t, Config{})
	query := fair + "&column=" + url.QueryEscape("Adresse du client:email") + "&column=" + url.QueryEscape("Ville:city") + "&column=" + url.QueryEscape("Notes:-")
	i := p.imported(query, "Adresse du client;Ville;Notes;Age\nada@example.org;Lyon;secret;42\n")
	if i["created"] != 1.0 {
		t.Fatal(i["raw"])
	}
	id, _ := p.stands("ada@example.org")
	_, one := ask(t, p.app, http.MethodGet, "/subscribers/"+id, "")
	if got := fmt.Sprint(one["attributes"]); got != "map[age:42 city:Lyon]" {
		t.Error(got)
	}
	for _, column := range []string{"Adresse", "Nowhere:email", "Ville:?"} {
		if status, answer := ask(t, p.app, http.MethodPost, "/lists/"+p.list+"/imports?"+fair+"&column="+url.QueryEscape(column), "email;Ville\na@example.org;x\n"); status != 422 {
			t.Errorf("%s: %d %v", column, status, answer["raw"])
		}
	}
}

func TestImport_TakesJSONLines(t *testing.T) {
	p := newParlour(t, Config{})
	body := "\xef\xbb\xbf" + `{"email":"ada@example.org","name":"Ada","attributes":{"tags":["a","b"]},"age":42,"vip":true}
{"e-mail":"bob@example.org","first_name":"Bob","last_name":"Müller","city":"Lyon"}

not json
["email"]
{"name":"nobody"}
{"email":"nonsense"}
{"email":"ADA@example.org","city":"Nice"}
{"email":"eve@example.org"} {"email":"two@example.org"}
{"email":"` + strings.Repeat("x", 70_000) + `@example.org"}
{"email":"last@example.org","name":null}`
	i := p.imported(fair, body)
	if i["rows"] != 10.0 || i["created"] != 3.0 || i["updated"] != 1.0 || i["refused"] != 6.0 {
		t.Error(i["raw"])
	}
	id, _ := p.stands("ada@example.org")
	if _, one := ask(t, p.app, http.MethodGet, "/subscribers/"+id, ""); fmt.Sprint(one["attributes"]) != "map[age:42 city:Nice tags:[a b] vip:true]" {
		t.Error(one["raw"])
	}
	id, _ = p.stands("bob@example.org")
	if _, one := ask(t, p.app, http.MethodGet, "/subscribers/"+id, ""); one["name"] != "Bob Müller" {
		t.Error(one["raw"])
	}
	_, refused := ask(t, p.app, http.MethodGet, "/imports/"+i["id"].(string)+"/refused", "")
	lines := strings.Split(strings.TrimSpace(refused["raw"].(string)), "\n")
	if len(lines) != 6 || !strings.Contains(lines[0], `"refused_line":4`) || !strings.Contains(lines[0], "not_json") || !strings.Contains(lines[3], `"email":"nonsense"`) {
		t.Error(refused["raw"])
	}
}

func TestImport_GivesTheRefusedRowsBack(t *testing.T) {
	p := newParlour(t, Config{})
	made(t, p.app, "/suppressions", `{"email":"gone@example.org"}`)
	var file strings.Builder
	file.WriteString("email,city\n")
	for n := range 1300 {
		switch n % 13 {
		case 0:
			fmt.Fprintf(&file, "not an address %d,Lyon\n", n)
		case 1:
			fmt.Fprintf(&file, "GONE@example.org,\"a, %d\"\n", n)
		default:
			fmt.Fprintf(&file, "p%d@example.org,Nice\n", n)
		}
	}
	i := p.imported(fair, file.String())
	if i["refused"] != 200.0 || i["created"] != 1100.0 || len(i["problems"].([]any)) != 50 {
		t.Error(i["raw"])
	}
	_, refused := ask(t, p.app, http.MethodGet, "/imports/"+i["id"].(string)+"/refused", "")
	lines := strings.Split(strings.TrimSpace(refused["raw"].(string)), "\n")
	if len(lines) != 201 || lines[0] != "refused_line,refused_column,refused_reason,refused_detail,email,city" ||
		!strings.HasPrefix(lines[1], "2,email,") || !strings.HasSuffix(lines[1], ",not an address 0,Lyon") || !strings.Contains(lines[2], `suppressed`) || !strings.HasSuffix(lines[2], `,GONE@example.org,"a, 1"`) {
		t.Errorf("%d lines: %q", len(lines), lines[:3])
	}
	// Mended, the file can be given as it is.
	again := strings.ReplaceAll(refused["raw"].(string), "not an address ", "mended@example.org#")
	again = strings.NewReplacer("#0,", ",").Replace(again)
	if i := p.imported(fair, again); i["created"] != 1.0 {
		t.Error(i["raw"])
	}
}

func TestImport_RehearsesWithoutATrace(t *testing.T) {
	p := newParlour(t, Config{})
	p.imported(fair, "email\nada@example.org\n")
	i := p.imported(fair+"&dry_run=true", "email,city\nada@example.org,Lyon\nbob@example.org,Nice\nbob@,x\n")
	if i["created"] != 1.0 || i["updated"] != 1.0 || i["refused"] != 1.0 || i["dry_run"] != true {
		t.Error(i["raw"])
	}
	if id, _ := p.stands("bob@example.org"); id != "" {
		t.Error("the dry run left somebody behind")
	}
	id, _ := p.stands("ada@example.org")
	if _, one := ask(t, p.app, http.MethodGet, "/subscribers/"+id, ""); fmt.Sprint(one["attributes"]) != "map[]" {
		t.Error(one["raw"])
	}
}

func TestImport_AsksThoseWithoutABasis(t *testing.T) {
	p := newParlour(t, Config{InvitationRate: 1000})
	if i := p.imported("confirm=true&source=old+cards", "email\nada@example.org\n"); i["created"] != 1.0 || i["confirm"] != true {
		t.Error(i["raw"])
	}
	question := p.await("ada@example.org", 1)
	if c := p.mail("news"); c["excluded"].(map[string]any)["unconfirmed"] != 1.0 {
		t.Error(c["raw"])
	}
	p.must("POST", question.link("/c/"), url.Values{})
	p.mail("more news")
	p.await("ada@example.org", 2)
	if status, answer := ask(t, p.app, http.MethodPost, "/lists/"+p.list+"/imports?confirm=true&basis=opt_in&source=x", "email\na@example.org\n"); status != 422 {
		t.Error(status, answer["raw"])
	}
}

func TestCampaign_SpeaksEachReadersLanguageAndNarrows(t *testing.T) {
	p := newParlour(t, Config{})
	p.imported(fair, "email,locale,city,name\nfr@example.org,fr,Lyon,Fée\nca@example.org,fr-CA,Lyon,Cat\nen@example.org,en,Lyon,Eve\nde@example.org,de,Lyon,Dee\nparis@example.org,fr,Paris,Pia\n")
	content := fmt.Sprintf(`"subject":"Hello {{ name }}","text":"In English","list_ids":[%q],"sender_id":%q,"translations":{"fr":{"subject":"Bonjour {{ name }}","text":"En français"},"fr-CA":{"subject":"Allô {{ name }}","text":"D'ici"}}`, p.list, p.sender)
	if status, answer := ask(t, p.app, http.MethodPost, "/campaigns", `{"name":"x","segment":"attributes.city = Lyon",`+content+`}`); status != 422 || answer["field"] != "segment" || !strings.Contains(answer["detail"].(string), "line 1, column 19") {
		t.Error(status, answer["raw"])
	}
	c := made(t, p.app, "/campaigns", `{"name":"x","segment":"attributes.city = \"LYON\"",`+content+`}`)
	id, _ := p.stands("fr@example.org")
	if _, v := ask(t, p.app, http.MethodPost, "/campaigns/"+c+"/preview", `{"subscriber_id":"`+id+`"}`); v["subject"] != "Bonjour Fée" || !strings.Contains(v["text"].(string), "Se désabonner") {
		t.Error(v["raw"])
	}
	if _, v := ask(t, p.app, http.MethodPost, "/campaigns/"+c+"/preview", `{}`); v["subject"] != "Hello " && v["subject"] != "Hello" {
		t.Error(v["raw"])
	}
	_, reach := ask(t, p.app, http.MethodPost, "/segments/preview", fmt.Sprintf(`{"list_ids":[%q],"segment":"attributes.city = \"lyon\" and locale = \"fr\"","sample":1}`, p.list))
	if reach["recipients"] != 2.0 || reach["excluded"].(map[string]any)["segment"] != 3.0 || len(reach["sample"].([]any)) != 1 {
		t.Error(reach["raw"])
	}
	ask(t, p.app, http.MethodPost, "/campaigns/"+c+"/launch", `{"acknowledge":["never_mailed","sudden_jump"]}`)
	if got := sent(t, p.app, c); got["counts"].(map[string]any)["sent"] != 4.0 || got["excluded"].(map[string]any)["segment"] != 1.0 {
		t.Error(got["raw"])
	}
	for who, subject := range map[string]string{"fr@example.org": "Bonjour Fée", "ca@example.org": "Allô Cat", "en@example.org": "Hello Eve", "de@example.org": "Hello Dee"} {
		if m := p.await(who, 1); m.subject != subject {
			t.Errorf("%s got %q", who, m.subject)
		}
	}
	// Who got it, and who did not.
	_, reach = ask(t, p.app, http.MethodPost, "/segments/preview", fmt.Sprintf(`{"list_ids":[%q],"segment":"sent(%s) and sent_count = 1 and last_sent_at > 1 hour ago"}`, p.list, c))
	if reach["recipients"] != 4.0 {
		t.Error(reach["raw"])
	}
}
