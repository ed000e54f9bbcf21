package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Two spellings of an address are one person, whichever way they come.
func TestSpellings_AreOnePersonEverywhere(t *testing.T) {
	p := newParlour(t, Config{SignupLimits: "address=20/24h"})
	spellings := []string{"Zoé@bücher.example", "zoe\u0301@BÜCHER.example", "ZOÉ@xn--bcher-kva.example", `"zoé"@bu` + "\u0308" + `cher.example`}
	p.signUp(spellings[0])
	var id string
	eventually(t, "known by another spelling", func() bool {
		id, _ = p.stands(spellings[1])
		return id != ""
	})
	for _, s := range spellings {
		p.signUp(s)
		if i := p.imported(fair+"&dry_run=true", "email\n"+quotedCSV(s)+"\n"); i["updated"] != 1.0 {
			t.Errorf("import of %s: %v", s, i["raw"])
		}
		status, one := ask(t, p.app, http.MethodPost, "/lists/"+p.list+"/subscribers", fmt.Sprintf(`{"email":%q,"consent":{"basis":"customer","source":"shop","at":"2026-01-01T00:00:00Z"}}`, s))
		if status != http.StatusCreated || one["id"] != id {
			t.Errorf("%s: %d %v", s, status, one["raw"])
		}
	}
	_, all := ask(t, p.app, http.MethodGet, "/subscribers", "")
	if n := len(all["items"].([]any)); n != 1 {
		t.Errorf("%d people: %v", n, all["raw"])
	}
	made(t, p.app, "/suppressions", fmt.Sprintf(`{"email":%q}`, spellings[2]))
	for _, s := range spellings {
		if i := p.imported(fair, "email\n"+quotedCSV(s)+"\n"); i["refused"] != 1.0 {
			t.Errorf("suppressed, import of %s: %v", s, i["raw"])
		}
	}
	if c := p.mail("news"); c["excluded"].(map[string]any)["suppressed"] != 1.0 {
		t.Error(c["raw"])
	}
	if status, answer := ask(t, p.app, http.MethodDelete, "/suppressions?email="+url.QueryEscape(spellings[3]), ""); status != 200 {
		t.Error(status, answer["raw"])
	}
}

func quotedCSV(field string) string { return `"` + strings.ReplaceAll(field, `"`, `""`) + `"` }
