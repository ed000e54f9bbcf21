package api_test

import (
	"fmt"
	"strings"
	"testing"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
)

func TestPerson_IsExportedAndErased(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db)
		s := h.furnish()
		h.plan(s)
		a := h.must("GET", "/subscribers/"+s.subscriber+"/export", "")
		for path, want := range map[string]string{"person.email": "ada@example.org", "subscriptions.0.list": "News", "subscriptions.0.status": "confirmed", "consents.0.act": "given", "consents.0.source": "api", "mails.0.campaign": "May", "mails.0.status": "queued"} {
			if a.get(path) != want {
				t.Errorf("%s is %s: %s", path, a.get(path), a.body)
			}
		}
		for _, lang := range []string{"en", "fr"} {
			if a := h.must("GET", "/subscribers/"+s.subscriber+"/export?format=html&lang="+lang, ""); !strings.Contains(a.body, `<html lang="`+lang+`">`) || !strings.Contains(a.body, "ada@example.org") {
				t.Error(a.body)
			}
		}
		h.must("POST", "/campaigns/"+s.campaign+"/test", fmt.Sprintf(`{"to":["boss@example.com"],"subscriber_id":%q}`, s.subscriber))
		if a := h.must("DELETE", "/subscribers/"+s.subscriber, ""); a.get("erased") != "true" {
			t.Error(a.body)
		}
		if a := h.must("GET", "/campaigns/"+s.campaign, ""); a.get("counts.skipped") != "1" {
			t.Error(a.get("counts"))
		}
		if strings.Contains(dump(t, db), "ada@") {
			t.Error("she is still named somewhere")
		}
		for _, w := range []wish{
			{"GET", "/subscribers/" + s.subscriber + "/export", "", 404, "code=not_found"},
			{"DELETE", "/subscribers/" + s.subscriber, "", 404, "code=not_found"},
			{"GET", "/subscribers/1/consent-proof", "", 404, "code=not_found"},
			{"POST", "/lists/LIST/subscribers", `{"email":"ADA@Example.ORG"}`, 409, "code=suppressed"},
		} {
			h.grant(t, s, w)
		}
	})
}

func TestRegister_SaysWhatIsDoneWithWhat(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	s := h.furnish()
	h.must("POST", s.path("/lists/LIST/subscribers"), `{"email":"bob@example.org","attributes":{"city":"Lyon"}}`)
	a := h.must("GET", "/register", "")
	for path, want := range map[string]string{"controllers.0.postal_address": "1 Street", "purposes.0.list": "News", "purposes.0.legal_bases.opt_in": "2", "recipients.0.name": "out", "erasure_time_limits.silent_days": "1095"} {
		if a.get(path) != want {
			t.Errorf("%s is %s", path, a.get(path))
		}
	}
	if !strings.Contains(a.body, "attribute: city") {
		t.Error(a.body)
	}
	if a := h.must("GET", "/register?format=html", ""); !strings.Contains(a.body, "Register of processing") || !strings.Contains(a.body, "opt_in: 2") {
		t.Error(a.body)
	}
	h.must("PUT", "/retention", `{"sunset_days":100,"silent_days":200,"unsubscribed_days":0,"evidence_days":0,"leaving_note_days":0,"refused_row_days":1,"letter_days":1,"unmatched_days":1}`)
	if a := h.must("GET", "/retention", ""); a.get("sunset_days") != "100" || a.get("letter_days") != "1" {
		t.Error(a.body)
	}
	h.grant(t, s, wish{"PUT", "/retention", `{"sunset_days":-1,"silent_days":200,"unsubscribed_days":0,"evidence_days":0,"leaving_note_days":0,"refused_row_days":1,"letter_days":1,"unmatched_days":1}`, 422, "code=invalid field=sunset_days"})
	if a := h.must("GET", "/retention", ""); a.get("delivery_days") != "730" || a.get("letter_body_days") != "7" {
		t.Errorf("what was left out is not as by default: %s", a.body)
	}
	h.grant(t, s, wish{"PUT", "/retention", strings.Replace(`{"sunset_days":1,"silent_days":200,"unsubscribed_days":0,"evidence_days":0,"leaving_note_days":0,
		"refused_row_days":1,"letter_days":1,"unmatched_days":1,DELIVERY}`, "DELIVERY", `"delivery_days":365`, 1), 422, "code=invalid field=delivery_days"})
	if a := h.must("GET", "/retention/runs", ""); a.get("items") != "[]" {
		t.Error(a.body)
	}
}

func TestWordings_HaveVersions(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	s := h.furnish()
	for i, body := range []string{`{"text":"I want it."}`, `{"text":"Je le veux.","locale":"fr"}`, `{"text":"I want it badly.","locale":"en"}`} {
		if a := h.must("POST", s.path("/lists/DOUBLE/wordings"), body); a.get("version") != fmt.Sprint(i+1) {
			t.Error(a.body)
		}
	}
	if a := h.must("GET", s.path("/lists/DOUBLE/wordings"), ""); a.get("items.0.version") != "3" || a.get("items.2.text") != "I want it." {
		t.Error(a.body)
	}
	person := h.must("POST", s.path("/lists/DOUBLE/subscribers"), `{"email":"bob@example.org","locale":"fr","ip":"192.0.2.7","user_agent":"Firefox"}`)
	if person.get("status") != "pending" || person.get("confirmation") != "sent" {
		t.Error(person.body)
	}
	a := h.must("GET", "/subscribers/"+person.get("id")+"/consents", "")
	for path, want := range map[string]string{"items.0.act": "requested", "items.0.wording": "Je le veux.", "items.0.wording_version": "2", "items.0.evidence.ip": "192.0.2.7"} {
		if a.get(path) != want {
			t.Errorf("%s is %s", path, a.get(path))
		}
	}
	for _, w := range []wish{
		{"POST", "/lists/DOUBLE/subscribers", `{"email":"eve@example.org","wording_version":9}`, 422, "code=invalid field=wording_version"},
		{"POST", "/lists/DOUBLE/wordings", `{"text":""}`, 422, "code=invalid field=text"},
		{"POST", "/lists/1/wordings", `{"text":"x"}`, 404, "code=not_found"},
		{"GET", "/lists/1/wordings", "", 404, "code=not_found"},
		{"POST", "/lists/1/reconfirm", `{"confirmed_before":"2026-01-01T00:00:00Z"}`, 404, "code=not_found"},
		{"POST", "/lists/1/hygiene", "", 404, "code=not_found"},
		{"GET", "/hygiene/1", "", 404, "code=not_found"},
	} {
		h.grant(t, s, w)
	}
	for range 2 {
		h.must("POST", s.path("/lists/DOUBLE/subscribers"), `{"email":"bob@example.org"}`)
	}
	h.grant(t, s, wish{"POST", "/lists/DOUBLE/subscribers", `{"email":"bob@example.org"}`, 429, "code=signup_limit"})
	if a := h.must("PUT", s.path("/lists/DOUBLE"), fmt.Sprintf(`{"name":"Very careful","sender_id":%q,"form":false}`, s.sender)); a.get("name") != "Very careful" || a.get("sender_id") != s.sender || a.get("form") != "false" || a.get("opt_in") != "double" {
		t.Error(a.body)
	}
	if a := h.must("POST", s.path("/lists/LIST/reconfirm"), `{"confirmed_before":"2999-01-01T00:00:00Z"}`); a.get("invited") != "1" {
		t.Error(a.body)
	}
	if a := h.must("GET", s.path("/lists/LIST"), ""); a.get("sizes.to_ask") != "1" {
		t.Error(a.body)
	}
}
