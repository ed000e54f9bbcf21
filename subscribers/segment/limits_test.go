package segment_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"facteur/subscribers/segment"
)

func TestParse_TakesWhatIsJustWithinTheLimits(t *testing.T) {
	for name, text := range map[string]string{
		"50 brackets":     strings.Repeat("(", 50) + "sent(1)" + strings.Repeat(")", 50),
		"50 nots":         strings.Repeat("not ", 50) + "sent(1)",
		"500 comparisons": strings.Repeat("sent(1) or ", 499) + "sent(1)",
		"10,000 bytes":    `email = "` + strings.Repeat("x", 10_000-len(`email = ""`)) + `"`,
	} {
		if _, err := segment.Parse(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParse_SaysWhereALimitIsPassed(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"51 brackets":     {strings.Repeat("(", 51) + "sent(1)" + strings.Repeat(")", 51), "line 1, column 51: brackets and nots are nested more than 50 deep"},
		"51 nots":         {strings.Repeat("not\n", 51) + "sent(1)", "line 51, column 1: brackets and nots are nested more than 50 deep"},
		"501 comparisons": {strings.Repeat("sent(1) or\n", 500) + "sent(1)", "line 501, column 1: there are more than 500 comparisons"},
		"10,001 bytes":    {`email = "` + strings.Repeat("x", 10_001-len(`email = ""`)) + `"`, "line 1, column 10001: the condition has 10001 bytes, 10000 are allowed"},
	} {
		_, err := segment.Parse(c.text)
		var e *segment.Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestString_IsNeverTooLongToParse(t *testing.T) {
	text := "attributes.x in(" + strings.Repeat("1,", 4990) + "1)"
	c, err := segment.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := segment.Parse(c.String())
	if err != nil || again.String() != c.String() {
		t.Errorf("%d bytes became %d: %v", len(text), len(c.String()), err)
	}
}

func TestString_IsCanonical(t *testing.T) {
	for text, want := range map[string]string{
		" \n ":                              "",
		`EMAIL="x"`:                         `email = "x"`,
		`email <> 'it"s'`:                   `email != "it\"s"`,
		`name = "a\n\t\\b"`:                 `name = "a\n\t\\b"`,
		`((sent(1))) AND (sent("2"))`:       `sent(1) and sent(2)`,
		`(sent(1) or sent(2)) and sent(3)`:  `(sent(1) or sent(2)) and sent(3)`,
		`sent(1) or (sent(2) and sent(3))`:  `sent(1) or sent(2) and sent(3)`,
		`not (sent(1) and sent(2))`:         `not (sent(1) and sent(2))`,
		`attributes["city"] = 'Lyon'`:       `attributes.city = "Lyon"`,
		`attributes["2fa"] IS True`:         `attributes.2fa is true`,
		`attributes["a b"].c Is Not Set`:    `attributes["a b"].c is not set`,
		`created_at<1 Days AGO`:             `created_at < 1 day ago`,
		`created_at > In 2 week`:            `created_at > in 2 weeks`,
		`created_at < 2026-01-31t10:00:00z`: `created_at < 2026-01-31T10:00:00Z`,
		`attributes.a not  in(1,"b",TRUE)`:  `attributes.a not in (1, "b", true)`,
		`list("3") Is Absent`:               `list(3) is absent`,
	} {
		c, err := segment.Parse(text)
		if err != nil || c.String() != want {
			t.Errorf("%s became %v: %v", text, c, err)
		}
	}
}

func TestNeeds_NamesEachIdOnce(t *testing.T) {
	c, err := segment.Parse(`sent(7) or list(3) is absent or sent(8) and sent(7) or list(3).confirmed_at is set`)
	if err != nil {
		t.Fatal(err)
	}
	n := c.Needs()
	if len(n.Campaigns) != 2 || len(n.Lists) != 1 {
		t.Errorf("%+v", n)
	}
	n.Campaigns[0] = 99
	if c.Needs().Campaigns[0] != 7 {
		t.Error("a condition was changed from outside")
	}
}

func TestMatch_ServesManyAtOnce(t *testing.T) {
	c, err := segment.Parse(`attributes.city = "LYON" and name contains "É" and created_at < 2 days ago and attributes.age in (41, 42)`)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			p := ada()
			p.Name = "Adé"
			for range 200 {
				if !c.Match(p, now) || c.String() == "" || !c.Needs().Attributes {
					t.Error("another answer")
					return
				}
			}
		})
	}
	all.Wait()
}

func TestMatch_ReadsWhatImportsKeep(t *testing.T) {
	p := &segment.Person{
		Name: "Straße ΣΑΣ Cafe\u0301", Attributes: `{"id":412345678901234567,"idt":" 412345678901234567 ","2fa":"yes","zip":"69001","n":1234,"rate":1.50,"huge":1e400,
		"when":"1700000000.5","at":1700000000,"spoken":"2026-03-14 10:00:00","milli":1700000000000,"tags":["Red",3,true,["x"],null,{"a":1}],"none":[],"o":{"2x":1},"hex":"0x1p4","inf":"Infinity","line":"a\nb"}`,
	}
	for text, want := range map[string]bool{
		`name contains "STRASSE"`: true, `name contains "σας"`: true, `name ends with "CAFÉ"`: true, `name starts with "strasse"`: true,
		`attributes.id = 412345678901234567`: true, `attributes.id = 412345678901234568`: false, `attributes.id < 412345678901234568`: true,
		`attributes.id = "412345678901234567"`: true, `attributes.idt = 412345678901234567`: true, `attributes.idt = 412345678901234566`: false,
		`attributes.2fa is true`: true, `attributes.o.2x = 1`: true, `attributes.o = 1`: false, `attributes.o != 1`: true, `attributes.o is set`: true,
		`attributes.zip contains 69`: true, `attributes.zip contains "90"`: true, `attributes.n contains 23`: true, `attributes.zip = 69001.0`: true,
		`attributes.rate = "1.5"`: true, `attributes.rate = 1.5`: true, `attributes.huge > 1`: false, `attributes.huge is set`: true,
		`attributes.hex = 16`: false, `attributes.inf > 1`: false,
		`attributes.when > 2023-11-14T22:13:20.4Z`: true, `attributes.when < 2023-11-14T22:13:20.6Z`: true, `attributes.at = 2023-11-14T22:13:20Z`: true,
		`attributes.spoken = 2026-03-14`: true, `attributes.spoken = 2026-03-14T10:00:00Z`: true, `attributes.milli > 2000-01-01`: false,
		`attributes.tags contains "RED"`: true, `attributes.tags contains "re"`: false, `attributes.tags contains 3`: true, `attributes.tags contains true`: true,
		`attributes.tags contains "x"`: false, `attributes.tags = "red"`: false, `attributes.tags != "red"`: true, `attributes.tags starts with "r"`: false,
		`attributes.none is set`: true, `attributes.none contains "x"`: false, `attributes.line = "a\nb"`: true,
		`attributes.at = today`: false, `created_at is not set`: true, `sent_count = 0`: true, `sent_count is set`: true,
	} {
		c, err := segment.Parse(text)
		if err != nil || c.Match(p, now) != want {
			t.Errorf("%s is not %v: %v", text, want, err)
		}
	}
}

func TestParse_HelpsWithWhatPeopleWrite(t *testing.T) {
	for text, want := range map[string]string{
		`name = “Ada”`:             `line 1, column 8: '“' has no meaning here; texts stand between straight quotes`,
		`attributes.shoe-size = 4`: `line 1, column 16: '-' has no meaning here; an attribute with such a name is written attributes["shoe-size"]`,
		`list(3) is not confirmed`: `line 1, column 12: not stands before the list: not list(3) is confirmed`,
		`created_at in 3 days`:     `line 1, column 15: "(" is expected here before the values; a time to come stands behind`,
		`attributes.a = ٣`:         `line 1, column 16: '٣' has no meaning here`,
	} {
		if _, err := segment.Parse(text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
