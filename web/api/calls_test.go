package api_test

import (
	"fmt"
	"strings"
	"testing"

	"facteur/internal/database/databasetest"
	"facteur/web/api"
)

// wish is a call and what is to come of it: expected fields, as path=value.
type wish struct {
	method, path, body string
	status             int
	fields             string // "a=1 b.c=2"; ~ instead of = asks for a part
}

func (h *house) grant(t *testing.T, s scene, w wish) {
	t.Helper()
	t.Run(w.method+" "+w.path+" "+w.body[:min(40, len(w.body))], func(t *testing.T) {
		t.Helper()
		a := h.do(w.method, s.path(w.path), s.path(w.body))
		if a.status != w.status {
			t.Fatalf("status %d, want %d: %s", a.status, w.status, a.body)
		}
		for _, f := range strings.Fields(w.fields) {
			if path, want, ok := strings.Cut(f, "~"); ok {
				if got := a.get(path); !strings.Contains(got, want) {
					t.Errorf("%s is %q, want something with %q", path, got, want)
				}
				continue
			}
			path, want, _ := strings.Cut(f, "=")
			if got := a.get(path); got != s.path(want) {
				t.Errorf("%s is %q, want %q; whole: %s", path, got, s.path(want), a.body)
			}
		}
		if w.status >= 400 {
			if got := a.header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("Content-Type %q", got)
			}
			if a.get("code") == "<nil>" || a.get("detail") == "<nil>" || a.get("status") != fmt.Sprint(a.status) {
				t.Errorf("no code: %s", a.body)
			}
		}
	})
}

func TestCalls_DoWhatTheySay(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	s := h.furnish()
	for _, w := range []wish{
		{"POST", "/lists", `{"name":"A"}`, 201, "name=A opt_in=double"},
		{"POST", "/lists", `{"name":"a\\u0000b"}`, 201, ""},
		{"GET", "/lists", "", 200, "items.0.id=LIST items.2.name=A next=<nil>"},
		{"GET", "/lists?limit=1", "", 200, "items.0.id=LIST next=LIST"},
		{"GET", "/lists?limit=1&cursor=LIST", "", 200, "items.0.id=DOUBLE"},
		{"GET", "/lists/LIST", "", 200, "id=LIST sizes.confirmed=1 sizes.pending=0"},

		{
			"POST", "/lists/LIST/subscribers", `{"email":"Bob@Example.org","locale":"fr","timezone":"Europe/Paris","attributes":{"n":12345678901234567890,"city":"Lyon"}}`, 201,
			"email=Bob@Example.org status=confirmed list_id=LIST attributes.city=Lyon",
		},
		{"POST", "/lists/LIST/subscribers", `{"email":"bob@example.org","name":"Bob"}`, 201, "name=Bob status=confirmed"},
		{"POST", "/lists/DOUBLE/subscribers", `{"email":"cy@example.org","consent":{"basis":"customer","source":"shop","at":"2025-01-02T03:04:05Z","wording":"yes"}}`, 201, "status=confirmed"},
		{"GET", "/lists/LIST/subscribers", "", 200, "items.0.id=PERSON items.0.status=confirmed items.1.name=Bob"},
		{"GET", "/lists/LIST/subscribers?status=pending", "", 200, "items=[]"},
		{"GET", "/subscribers?email=BOB@example.org", "", 200, "items.0.name=Bob next=<nil>"},
		{"GET", "/subscribers?email=nobody@example.org", "", 200, "items=[]"},
		{"GET", "/subscribers?limit=2", "", 200, "items.0.id=PERSON"},
		{"GET", "/subscribers/PERSON", "", 200, "email=ada@example.org subscriptions.0.list_id=LIST subscriptions.0.status=confirmed"},

		{"POST", "/relays", `{"host":"smtp.example.com","username":"u","password":"secret"}`, 201, "name=smtp.example.com port=587 security=starttls verify_tls=true max_connections=10 state=ok password=<nil>"},
		{"POST", "/relays", `{"name":"t","host":"smtp.example.com","security":"tls","verify_tls":false,"port":null}`, 201, "port=465 verify_tls=false envelope=verp"},
		{"GET", "/relays", "", 200, "items.0.id=RELAY items.0.egress_ips=[192.0.2.7]"},
		{"GET", "/relays/RELAY", "", 200, "id=RELAY state=ok rest_until=<nil>"},
		{"POST", "/relays/RELAY/resume", "", 202, "state=ok"},

		{"POST", "/domains", `{"name":"Bücher.example"}`, 201, "name=xn--bcher-kva.example warmup=conservative dkim=true return_path=bounces.xn--bcher-kva.example dns.0.value~ip4:192.0.2.7"},
		{"GET", "/domains", "", 200, "items.0.id=DOMAIN items.0.dns.0.type=TXT"},
		{"POST", "/domains/DOMAIN/dkim/rotate", "", 201, "dkim_keys.0.selector~facteur dkim_keys.0.algorithm=rsa"},
		{"POST", "/domains/DOMAIN/dkim/rotate", "", 409, "code=in_use"},
		{"POST", "/domains/DOMAIN/dkim/activate", "", 409, "code=key_not_published"},
		{"POST", "/domains/DOMAIN/dkim/activate", `{"unseen":true}`, 202, "dkim_keys.0.state=active"},
		{"POST", "/domains/DOMAIN/dkim/activate", `{"unseen":true}`, 404, "code=not_found"},
		{"PUT", "/domains/DOMAIN/dkim", `{"dkim":false}`, 200, "dkim=false dns.3=<nothing>"},
		{"POST", "/senders", `{"from_email":"a@example.com","postal_address":"x","relay_ids":["RELAY"]}`, 201, "domain_id=DOMAIN relay_ids=[RELAY]"},
		{"GET", "/senders", "", 200, "items.0.id=SENDER"},

		{"PUT", "/throttles/default", `{"per_second":5}`, 200, "scope=default per_second=5 per_day=0"},
		{"GET", "/throttles/default", "", 200, "per_second=5"},
		{"PUT", "/throttles/default", `{}`, 200, "per_second=0"},
		{"PUT", "/throttles/lane:Example.com/google", `{"per_day":7}`, 200, "scope=lane:example.com/google per_day=7"},
		{"GET", "/throttles/lane:example.com%2Fgoogle", "", 200, "per_day=7"},
		{"PUT", "/throttles/relay:RELAY", `{"connections":3}`, 200, "scope=relay:RELAY connections=3"},
		{"PUT", "/throttles/campaign:CAMPAIGN", `{"per_minute":3}`, 200, "per_minute=3"},
		{"GET", "/throttles", "", 200, "throttles.0.scope=campaign:CAMPAIGN"},
		{"DELETE", "/throttles/campaign:CAMPAIGN", "", 200, ""},
		{"DELETE", "/throttles/relay:RELAY", "", 200, ""},
		{"DELETE", "/throttles/lane:example.com/google", "", 200, ""},
		{"GET", "/throttles", "", 200, "throttles.0.scope=default"},
		{"GET", "/breakers", "", 200, "breakers=[]"},
		{"GET", "/lanes", "", 200, "lanes=[]"},
		{"POST", "/domains", `{"name":"own.example","ramp":[10,20],"timezone":"Europe/Paris"}`, 201, "warmup=own timezone=Europe/Paris"},
		{"GET", "/warmups/own.example", "", 200, "domain=own.example timezone=Europe/Paris providers.0.cap=10 providers.0.used=0 providers.0.reserved=0 providers.0.left=10 providers.0.step=1 providers.0.verdict=start providers.0.next_step.cap=10"},
		{"PUT", "/warmups/own.example", `{"warmup":"conservative"}`, 200, "warmup=conservative providers.0.cap=50 providers.0.for_letters=2"},
		{"GET", "/warmups", "", 200, "warmups.0.domain=example.com warmups.0.warmup=none warmups.0.providers.0.cap=<nil>"},
		{"POST", "/campaigns/CAMPAIGN/forecast", "", 200, "recipients=2 days.0.begun=2 days.0.providers.0.begun=2 left=0 findings=[]"},

		{"GET", "/campaigns", "", 200, "items.0.id=CAMPAIGN items.0.status=draft"},
		{"GET", "/campaigns/CAMPAIGN", "", 200, "id=CAMPAIGN status=draft planned=false counts.recipients=0 counts.doubted=0 excluded=map[] list_ids=[LIST] sender_id=SENDER starts_at=<nil>"},
		{"PUT", "/campaigns/CAMPAIGN", `{"name":"June","subject":"S","html":"<p>hi</p>","list_ids":["LIST","DOUBLE"],"sender_id":"SENDER","on_uncertain":"hold","segment":null}`, 200, "name=June on_uncertain=hold text="},
		{"POST", "/campaigns/CAMPAIGN/test", `{"to":["me@example.net","you@example.net"],"subscriber_id":"PERSON"}`, 202, "letters.0.email=me@example.net letters.1.subscriber_id=PERSON letters.0.status=queued"},
		{"GET", "/campaigns/CAMPAIGN/letters", "", 200, "items.0.email=you@example.net items.1.kind=test next=<nil>"},
		{"GET", "/letters/held", "", 200, "items=[] next=<nil>"},
		{"POST", "/campaigns/CAMPAIGN/launch", `{"at":null,"acknowledge":["x"],"canary":{"percent":0,"wait_minutes":15}}`, 202, "status=sending"},
		{"POST", "/campaigns/CAMPAIGN/pause", `{"reason":"typo"}`, 202, "status=paused status_reason=typo"},
		{"POST", "/campaigns/CAMPAIGN/resume", "", 202, "status=sending"},
		{"POST", "/campaigns/CAMPAIGN/resend-failed", "", 202, "status=sending resent=0"},
		{"GET", "/campaigns/CAMPAIGN/deliveries?status=sent&doubted=true", "", 200, "items=[]"},
		{"POST", "/campaigns/CAMPAIGN/cancel", "", 202, "status=cancelled"},

		{"GET", "/templates", "", 200, "templates.0.name=newsletter templates.0.locale=en templates.1.locale=fr templates.9.name=plain templates.0.html=<nil> templates.0.subject~books"},
		{"GET", "/templates/event", "", 200, "name=event locale=en html~<html text~unsubscribe_url"},
		{"GET", "/templates/event?locale=fr-CA", "", 200, "locale=fr subject~dépôt"},

		{"GET", "/stop", "", 200, "stopped=false at=<nil>"},
		{"POST", "/stop", `{"reason":"smoke"}`, 202, "stopped=true reason=smoke actor=admin"},
		{"POST", "/stop", "", 202, "stopped=true reason=smoke"},
		{"GET", "/stop", "", 200, "stopped=true"},
		{"DELETE", "/stop", `{"reason":"no fire"}`, 200, "stopped=false"},

		{"POST", "/tokens", `{"name":"ci","scopes":["lists:read","*"]}`, 201, "name=ci token~fct_ revoked_at=<nil>"},
		{"GET", "/tokens", "", 200, "items.0.name=ci items.0.token=<nil>"},
	} {
		h.grant(t, s, w)
	}
	if n := h.nudged.Load(); n == 0 {
		t.Error("the scheduler was never nudged")
	}
	if h.letters.Load() < 1 || h.composed.Load() != 2 {
		t.Errorf("letters nudged %d times, %d composed", h.letters.Load(), h.composed.Load())
	}
}

func TestCalls_SayWhatIsWrong(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	s := h.furnish()
	long := strings.Repeat("x", 3000)
	for _, w := range []wish{
		{"POST", "/lists", `{}`, 422, "code=invalid field=name errors.0.location=body.name"},
		{"POST", "/lists", `{"name":"A","nmae":"B"}`, 422, "code=invalid field=nmae errors.0.location=body.nmae"},
		{"POST", "/lists", `{"name":" "}`, 422, "code=invalid field=name"},
		{"POST", "/lists", `{"name":"a\nb"}`, 422, "code=invalid field=name"},
		{"POST", "/lists", `{"name":"a\u0000b"}`, 422, "code=invalid"},
		{"POST", "/lists", `{"name":7}`, 422, "code=invalid field=name"},
		{"POST", "/lists", `{"name":"A","opt_in":"triple"}`, 422, "code=invalid field=opt_in"},
		{"POST", "/lists", `{"name":`, 400, "code=bad_json"},
		{"POST", "/lists", `[]`, 422, "code=invalid"},
		{"POST", "/lists", ``, 400, ""},
		{"GET", "/lists?limit=0", "", 422, "code=invalid field=limit"},
		{"GET", "/lists?cursor=x", "", 422, "code=invalid field=cursor"},
		{"GET", "/lists?lmit=3", "", 422, "code=invalid field=lmit"},
		{"GET", "/lists?cursor=%ff", "", 422, "code=invalid"},
		{"GET", "/lists?cursor=%00", "", 422, "code=invalid"},
		{"GET", "/lists/%ff", "", 422, "code=invalid"},
		{"GET", "/lists/1", "", 404, "code=not_found"},
		{"GET", "/lists/nonsense", "", 404, "code=not_found"},
		{"GET", "/lists/99999999999999999999", "", 404, "code=not_found"},

		{"POST", "/lists/LIST/subscribers", `{"email":"not an address"}`, 422, "code=invalid_address field=email"},
		{"POST", "/lists/LIST/subscribers", `{"email":"a@example.org","timezone":"Mars/North"}`, 422, "code=invalid field=timezone"},
		{"POST", "/lists/LIST/subscribers", `{"email":"a@example.org","attributes":[]}`, 422, "code=invalid field=attributes"},
		{"POST", "/lists/DOUBLE/subscribers", `{"email":"a@example.org","consent":{"basis":"hearsay","source":"x","at":"2025-01-02T03:04:05Z"}}`, 422, "field=consent.basis"},
		{"POST", "/lists/DOUBLE/subscribers", `{"email":"a@example.org","consent":{"basis":"opt_in","source":" ","at":"2025-01-02T03:04:05Z"}}`, 422, "field=consent.source"},
		{"POST", "/lists/DOUBLE/subscribers", `{"email":"a@example.org","consent":{"basis":"opt_in","source":"x","at":"2999-01-02T03:04:05Z"}}`, 422, "field=consent.at"},
		{"POST", "/lists/DOUBLE/subscribers", `{"email":"a@example.org","consent":{"basis":"opt_in","source":"x","at":"yesterday"}}`, 422, "field=consent.at"},
		{"POST", "/lists/1/subscribers", `{"email":"a@example.org"}`, 404, "code=not_found"},
		{"GET", "/subscribers?email=nonsense", "", 422, "code=invalid_address field=email"},
		{"GET", "/subscribers/1", "", 404, "code=not_found"},
		{"GET", "/lists/1/subscribers", "", 404, "code=not_found"},
		{"GET", "/imports/1", "", 404, "code=not_found"},

		{"POST", "/relays", `{"host":"a b"}`, 422, "code=invalid field=host"},
		{"POST", "/relays", `{"name":"out","host":"h.example"}`, 409, "code=already_exists"},
		{"POST", "/relays", `{"host":"h.example","username":"u"}`, 422, "code=invalid field=password"},
		{"POST", "/relays", `{"host":"h.example","port":70000}`, 422, "code=invalid field=port"},
		{"POST", "/relays", `{"host":"h.example","egress_ips":["x"]}`, 422, "code=invalid field=egress_ips"},
		{"GET", "/relays/1", "", 404, "code=not_found"},
		{"POST", "/relays/1/resume", "", 404, "code=not_found"},
		{"POST", "/domains", `{"name":"no domain"}`, 422, "code=invalid field=name"},
		{"POST", "/domains", `{"name":"example.com"}`, 409, "code=already_exists"},
		{"POST", "/senders", `{"from_email":"a@elsewhere.example","postal_address":"x","relay_ids":["RELAY"]}`, 422, "code=invalid field=from_email"},
		{"POST", "/senders", `{"from_email":"a@example.com","postal_address":"x","relay_ids":["1"]}`, 422, "code=invalid field=relay_ids"},
		{"POST", "/senders", `{"from_email":"a@example.com","postal_address":"x","relay_ids":[1]}`, 422, "code=invalid field=relay_ids[0]"},

		{"PUT", "/throttles/everything", `{}`, 422, "code=unknown_scope field=scope"},
		{"GET", "/throttles/everything", "", 422, "code=unknown_scope"},
		{"PUT", "/throttles/lane:example.com", `{}`, 422, "code=unknown_scope field=scope"},
		{"PUT", "/throttles/provider:nobody", `{}`, 422, "code=unknown_scope field=scope"},
		{"DELETE", "/throttles/all", "", 404, "code=not_found"},
		{"GET", "/warmups/nobody.example", "", 404, "code=not_found"},
		{"PUT", "/warmups/example.com", `{"warmup":"own"}`, 422, "code=invalid field=ramp"},
		{"PUT", "/warmups/example.com", `{"warmup":"own","ramp":[5,4]}`, 422, "code=invalid field=ramp"},
		{"PUT", "/warmups/example.com", `{"warmup":"none","timezone":"Mars"}`, 422, "code=invalid field=timezone"},
		{"POST", "/breakers/domain:example.com/resume", `{"reason":"x"}`, 404, "code=not_found"},
		{"POST", "/breakers/lane:example.com/google/resume", `{"reason":"x"}`, 404, "code=not_found"},
		{"POST", "/breakers/campaign:7/resume", `{"reason":"x"}`, 422, "code=unknown_scope"},
		{"POST", "/lanes/example.com/google/resume", `{"reason":"x"}`, 404, "code=not_found"},
		{"POST", "/campaigns/1/forecast", "", 404, "code=not_found"},
		{"PUT", "/throttles/default", `{"per_second":-1}`, 422, "code=invalid field=per_second"},
		{"PUT", "/throttles/default", `{"per_second":1.5}`, 422, "code=invalid field=per_second"},

		{"POST", "/campaigns", `{"name":"x","subject":"{{ nmae }}","text":"{% if %}","list_ids":["LIST"],"sender_id":"SENDER"}`, 422, "code=invalid_content field=subject errors.0.location~subject:1: errors.1.location~text:1:"},
		{"POST", "/campaigns", `{"name":"x","subject":"s","text":"t","list_ids":["1"],"sender_id":"SENDER"}`, 422, "code=invalid field=list_ids"},
		{"POST", "/campaigns", `{"name":"x","subject":"s","text":"t","list_ids":["LIST"],"sender_id":"1"}`, 422, "code=invalid field=sender_id"},
		{"POST", "/campaigns", `{"name":"x","subject":"s","text":"t","list_ids":["LIST"],"sender_id":"SENDER","segment":"x"}`, 422, "code=invalid field=segment"},
		{"POST", "/campaigns", `{"name":" ","subject":"s","text":"t","list_ids":["LIST"],"sender_id":"SENDER"}`, 422, "code=invalid field=name"},
		{"GET", "/campaigns/1", "", 404, "code=not_found"},
		{"GET", "/templates/nothing", "", 404, "code=not_found"},
		{"PUT", "/campaigns/1", `{"name":"x","subject":"s","text":"t","list_ids":["LIST"],"sender_id":"SENDER"}`, 404, "code=not_found"},
		{"POST", "/campaigns/CAMPAIGN/launch", `{"canary":{"percent":101}}`, 422, "code=invalid field=canary.percent"},
		{"POST", "/campaigns/CAMPAIGN/launch", `{"at":"tomorrow"}`, 422, "code=invalid field=at"},
		{"POST", "/campaigns/1/launch", "", 404, "code=not_found"},
		{"POST", "/campaigns/CAMPAIGN/pause", "", 409, "code=wrong_state"},
		{"POST", "/campaigns/CAMPAIGN/resume", "", 409, "code=wrong_state"},
		{"POST", "/campaigns/CAMPAIGN/resend-failed", "", 409, "code=wrong_state"},
		{"POST", "/campaigns/1/cancel", "", 404, "code=not_found"},
		{"POST", "/letters/1/resend", "", 404, "code=not_found"},
		{"POST", "/campaigns/CAMPAIGN/test", `{"to":[]}`, 422, "code=invalid field=to"},
		{"POST", "/campaigns/CAMPAIGN/test", `{"to":["a@example.org","b"]}`, 422, "code=invalid_address field=to[1]"},
		{"POST", "/campaigns/CAMPAIGN/test", `{"to":["a@example.org"],"subscriber_id":"1"}`, 404, "code=not_found field=subscriber_id"},
		{"POST", "/campaigns/1/test", `{"to":["a@example.org"]}`, 404, "code=not_found"},
		{"GET", "/campaigns/1/letters", "", 404, "code=not_found"},
		{"GET", "/campaigns/1/events", "", 404, "code=not_found"},
		{"GET", "/campaigns/1/deliveries", "", 404, "code=not_found"},
		{"GET", "/campaigns/CAMPAIGN/deliveries?status=lost", "", 422, "code=invalid field=status"},

		{"DELETE", "/stop", `{"reason":"x"}`, 404, "code=not_found"},
		{"DELETE", "/stop", `{"reason":""}`, 422, "code=invalid field=reason"},
		{"DELETE", "/stop", "", 400, ""},
		{"POST", "/stop", `{"reason":"` + long + `"}`, 422, "code=invalid field=reason"},
		{"POST", "/tokens", `{"name":"x","scopes":["everything"]}`, 422, "code=invalid field=scopes"},
		{"POST", "/tokens", `{"name":"x","scopes":[]}`, 422, "code=invalid field=scopes"},
		{"DELETE", "/tokens/1", "", 404, "code=not_found"},

		{"GET", "/nowhere", "", 404, "code=not_found"},
		{"GET", "/lists/", "", 404, "code=not_found"},
		{"PATCH", "/lists", "{}", 405, "code=method_not_allowed"},
		{"DELETE", "/campaigns/CAMPAIGN", "", 405, "code=method_not_allowed"},
	} {
		before := dump(t, h.db)
		h.grant(t, s, w)
		if after := dump(t, h.db); after != before {
			t.Errorf("%s %s was refused and changed something", w.method, w.path)
		}
	}
}

func TestLaunch_WantsLinksThatMailProgramsTake(t *testing.T) {
	for base, ok := range map[string]bool{"http://mail.example.com": false, "": false, "ftp://x": false, "http://127.0.0.1:8080": true, "http://[::1]": true, "http://localhost": true, "https://x.example": true} {
		h := newHouse(t, databasetest.New(t), func(o *api.Options) { o.PublicURL = base })
		a := h.do("POST", h.furnish().path("/campaigns/CAMPAIGN/launch"), "")
		if ok && a.status != 202 || !ok && (a.status != 422 || a.get("code") != "public_url_not_https") {
			t.Errorf("%q: %d %s", base, a.status, a.body)
		}
	}
}

func TestLaunch_WaitsForItsTime(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	a := h.do("POST", h.furnish().path("/campaigns/CAMPAIGN/launch"), `{"at":"2999-05-06T09:00:00+02:00"}`)
	if a.status != 202 || a.get("status") != "scheduled" || a.get("starts_at") != "2999-05-06T07:00:00Z" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestSubscribe_RefusesWhoMustNotBeMailed(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	s := h.furnish()
	h.leave(s)
	old := `{"email":"ada@example.org","consent":{"basis":"opt_in","source":"x","at":"2020-01-02T03:04:05Z"}}`
	if a := h.do("POST", s.path("/lists/LIST/subscribers"), old); a.status != 409 || a.get("code") != "left" {
		t.Errorf("an old yes brought them back: %d %s", a.status, a.body)
	}
	h.suppress("ada@example.org")
	if a := h.do("POST", s.path("/lists/LIST/subscribers"), `{"email":"ADA@example.org"}`); a.status != 409 || a.get("code") != "suppressed" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestTest_HidesWhatIsForTheLog(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	s := h.furnish()
	id := h.must("POST", "/campaigns", strings.Replace(s.draft("x"), "Hello", "unmailable", 1)).get("id")
	a := h.do("POST", "/campaigns/"+id+"/test", `{"to":["a@example.org"]}`)
	if a.status != 500 || a.get("code") != "internal" || a.get("detail") != "internal error" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if !strings.Contains(h.log.String(), "the composer is broken") {
		t.Error("the log does not tell why")
	}
}

func TestTest_MarksTheSubject(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	s := h.furnish()
	h.must("POST", "/campaigns/"+s.campaign+"/test", `{"to":["a@example.org"]}`)
	letters, err := h.sending.Letters(t.Context(), mustInt(s.campaign), 10)
	if err != nil || len(letters) != 1 {
		t.Fatal(letters, err)
	}
	if !strings.Contains(letters[0].Message, "Subject: [Test] Hello") || letters[0].SubscriberID != 0 {
		t.Errorf("%+v", letters[0])
	}
}

func TestDeliveries_ShowAddressesOnlyToWhoMaySeeThem(t *testing.T) {
	h := newHouse(t, databasetest.New(t))
	s := h.furnish()
	h.plan(s)
	path := s.path("/campaigns/CAMPAIGN/deliveries")
	if a := h.do("GET", path, ""); a.get("items.0.email") != "ada@example.org" || a.get("items.0.status") != "queued" || a.get("items.0.relay_id") != "<nil>" || a.get("items.0.provider") != "other" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := h.do("GET", path, "", h.token("campaigns:read")); a.status != 200 || a.get("items.0.email") != "<nil>" {
		t.Errorf("%d %s", a.status, a.body)
	}
}
