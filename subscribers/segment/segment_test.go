package segment_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"facteur/subscribers/segment"

	"pgregory.net/rapid"
)

var now = time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)

func ms(text string) int64 {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t.UnixMilli()
}

func ada() *segment.Person {
	return &segment.Person{
		Email: "Ada@Example.org", Name: "Ada Lovelace", Locale: "fr-CA", Domain: "example.org", CreatedAt: ms("2025-12-31T23:30:00Z"),
		Attributes: `{"city":"Lyon","age":"42","height":1.75,"vip":true,"old":"no","tags":["Red","blue",7],"born":"1980-05-01","last":1700000000,"address":{"zip":"69001"},"été":"oui","empty":"","null":null,"two words":"x"}`,
		Subscriptions: []segment.Subscription{
			{ListID: 12, Status: "confirmed", ConfirmedAt: ms("2026-01-10T10:00:00Z")}, {ListID: 13, Status: "unsubscribed", ConfirmedAt: ms("2025-01-10T10:00:00Z")},
		},
		Sent: segment.Sent{Count: 3, FirstAt: ms("2026-01-15T10:00:00Z"), LastAt: ms("2026-03-01T10:00:00Z"), Campaigns: []int64{77}},
	}
}

func TestMatch_JudgesAPerson(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, " \n ": true,
		`email = "ada@example.org"`: true, `email = 'ADA@EXAMPLE.ORG'`: true, `email != "x"`: true, `email contains "lace"`: false,
		`name starts with "ada"`: true, `name ends with "LACE"`: true, `name contains "a l"`: true, `timezone is set`: false, `timezone is not set`: true,
		`timezone != "Europe/Paris"`: true, `timezone not in ("Europe/Paris")`: true, `timezone = ""`: false,
		`domain in ("example.com", "example.org")`: true, `domain not in ("example.com")`: true,
		`locale = "fr"`: true, `locale = "fr-ca"`: true, `locale = "f"`: false, `locale = "en"`: false, `locale in ("en", "fr")`: true,
		`attributes.city = "lyon"`: true, `attributes.city != "paris"`: true, `attributes.town = "lyon"`: false, `attributes.town != "lyon"`: true,
		`attributes.town not in ("a")`: true, `attributes.town in ("a")`: false, `attributes.town is not set`: true, `attributes.empty is set`: false, `attributes.null is set`: false,
		`attributes.age = 42`: true, `attributes.age >= 42`: true, `attributes.age > 42`: false, `attributes.age < 42.5`: true, `attributes.city > 3`: false, `attributes.city != 3`: true,
		`attributes.height = 1.75`: true, `attributes.height <= 1.75`: true, `attributes.height = "1.75"`: true, `attributes.height > -2`: true,
		`attributes.vip is true`: true, `attributes.vip = true`: true, `attributes.vip != true`: false, `attributes.vip is false`: false, `attributes.old is false`: true, `attributes.été is true`: true,
		`attributes.tags contains "red"`: true, `attributes.tags contains 7`: true, `attributes.tags contains "green"`: false, `attributes.tags = "red"`: false,
		`attributes.address.zip starts with "69"`: true, `attributes["two words"] = "X"`: true, `attributes.address["zip"] = "69001"`: true,
		`attributes.born < 1990-01-01`: true, `attributes.born = 1980-05-01`: true, `attributes.last >= 2023-01-01`: true, `attributes.city < 2020-01-01`: false,
		`created_at = 2025-12-31`: true, `created_at < 2025-12-31`: false, `created_at <= 2025-12-31`: true, `created_at > 2025-12-31`: false, `created_at >= 2025-12-31`: true,
		`created_at < 2026-01-01T00:00:00Z`: true, `created_at > 2026-01-01T00:00:00+02:00`: true, `created_at > 80 days ago`: true, `created_at > 1 year ago`: true,
		`created_at < 2 months ago`: true, `created_at < 10 weeks ago`: true, `created_at > 5 hours ago`: false, `created_at < now`: true, `created_at < today`: true, `created_at < in 3 days`: true,
		`list(12) is confirmed`: true, `list("12") is confirmed`: true, `list(13) is unsubscribed`: true, `list(14) is absent`: true, `list(12) is pending`: false,
		`list(12).confirmed_at > 2026-01-01`: true, `list(14).confirmed_at is not set`: true, `list(12).confirmed_at in (2026-01-10, 2026-01-11)`: true,
		`sent_count > 2`: true, `sent_count = 0`: false, `last_sent_at < 10 days ago`: true, `first_sent_at is set`: true, `sent(77)`: true, `not sent(78)`: true,
		`email = "x" or name is set and locale = "fr"`: true, `(email = "x" or name is set) and locale = "en"`: false, `not email = "x" and not (locale = "en")`: true,
		`NOT email = "x" AND locale = "fr" OR sent(1)`: true, `not not sent(77)`: true,
	} {
		c, err := segment.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := c.Match(ada(), now); got != want {
			t.Errorf("%s: %v", text, got)
		}
		again, err := segment.Parse(c.String())
		if err != nil || again.String() != c.String() || again.Match(ada(), now) != want {
			t.Errorf("%s became %s: %v", text, c, err)
		}
	}
	nobody, err := segment.Parse(`attributes.city != "Lyon" and sent_count = 0 and created_at is not set and list(12) is absent`)
	if err != nil || !nobody.Match(&segment.Person{Attributes: "not JSON"}, now) {
		t.Errorf("somebody of whom nothing is known: %v", err)
	}
}

func TestParse_SaysWhereItIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		`emial = "x"`:                  `line 1, column 1: "emial" is unknown: did you mean email? an attribute is written attributes.emial`,
		`city = "x"`:                   `line 1, column 1: "city" is unknown: an attribute is written attributes.city`,
		"email = \"x\"\nand  cuty = 3": `line 2, column 6: `,
		`email = "é" and x`:            `line 1, column 17: `,
		`email`:                        `line 1, column 6: a question is expected behind email`,
		`email = `:                     `line 1, column 9: a value is expected here, not the end`,
		`email = paris`:                `line 1, column 9: a value is expected here; a text stands between quotes: "paris"`,
		`email = "x`:                   `line 1, column 9: the text that begins here has no closing "`,
		`email ~ "x"`:                  `line 1, column 7: '~' has no meaning here`,
		`email = "x" email = "y"`:      `line 1, column 13: "email" is not expected here: join conditions with and, or`,
		`(email = "x"`:                 `line 1, column 13: ")" is expected here to close the bracket, not the end`,
		`email in "x"`:                 `line 1, column 10: "(" is expected here before the values`,
		`email in ()`:                  `line 1, column 11: a value is expected here, not ")"`,
		`created_at contains "x"`:      `line 1, column 12: created_at is no text`,
		`sent_count = "a"`:             `line 1, column 14: sent_count is a number: it cannot be compared with "a"`,
		`created_at > 5`:               `line 1, column 14: created_at is a time`,
		`email > "x"`:                  `line 1, column 7: email is a text`,
		`attributes.a > "x"`:           `line 1, column 16: only numbers and times`,
		`attributes.a starts with 3`:   `line 1, column 26: a text between quotes is expected`,
		`attributes = 3`:               `line 1, column 1: which attribute?`,
		`attributes. = 3`:              `line 1, column 13: the name of an attribute is expected behind the dot`,
		`attributes[a] = 3`:            `line 1, column 12: the name of an attribute is expected here between quotes`,
		`list(x) is confirmed`:         `line 1, column 6: the number of a list is expected`,
		`list(3) = 3`:                  `line 1, column 9: a list is asked with is`,
		`list(3) is happy`:             `line 1, column 12: a list is confirmed, pending`,
		`list(3).x is set`:             `line 1, column 9: a list has .confirmed_at`,
		`sent(0)`:                      `line 1, column 6: the number of a campaign`,
		`email is true`:                `line 1, column 10: email is never true or false`,
		`created_at < 2026-02-30`:      `line 1, column 14: "2026-02-30" is no day of the calendar`,
		`created_at < 3 days`:          `line 1, column 20: "ago" is expected here`,
		`created_at < 1.5 days ago`:    `line 1, column 14: a whole number`,
		`created_at < in 3 apples`:     `line 1, column 19: hours, days`,
		"email = \"\xff\"":             `line 1, column 9: the text is not UTF-8 here`,
		strings.Repeat("(", 60):        `line 1, column 51: brackets and nots are nested more than 50 deep`,
		strings.Repeat("sent(1) or ", 600) + "sent(1)": `there are more than 500 comparisons`,
		strings.Repeat(" ", 10_001) + "x":              `the condition has 10002 bytes, 10000 are allowed`,
	} {
		_, err := segment.Parse(text)
		var e *segment.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s:\n%v\nwant %s", text, err, want)
		}
	}
}

func TestNeeds_SaysWhatMustBeKnown(t *testing.T) {
	c, err := segment.Parse(`attributes.a = 1 or list(3) is absent or sent(7) or sent(8) or last_sent_at is set`)
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Needs(); !n.Attributes || !n.Subscriptions || !n.Sent || fmt.Sprint(n.Campaigns) != "[7 8]" {
		t.Errorf("%+v", n)
	}
	c, _ = segment.Parse(`email is set`)
	if n := c.Needs(); n.Attributes || n.Subscriptions || n.Sent || n.Campaigns != nil {
		t.Errorf("%+v", n)
	}
}

// said is a random condition with its meaning worked out in another way.
type said struct {
	text  string
	holds func(*segment.Person) bool
}

func genCondition(depth int) *rapid.Generator[said] {
	return rapid.Custom(func(t *rapid.T) said {
		if depth == 0 || rapid.IntRange(0, 3).Draw(t, "leaf") == 0 {
			return genComparison().Draw(t, "comparison")
		}
		a, b := genCondition(depth-1).Draw(t, "a"), genCondition(depth-1).Draw(t, "b")
		switch rapid.IntRange(0, 2).Draw(t, "join") {
		case 0:
			return said{"(" + a.text + ") and (" + b.text + ")", func(p *segment.Person) bool { return a.holds(p) && b.holds(p) }}
		case 1:
			return said{"(" + a.text + ") or (" + b.text + ")", func(p *segment.Person) bool { return a.holds(p) || b.holds(p) }}
		}
		return said{"not (" + a.text + ")", func(p *segment.Person) bool { return !a.holds(p) }}
	})
}

func genComparison() *rapid.Generator[said] {
	return rapid.Custom(func(t *rapid.T) said {
		n := rapid.Int64Range(0, 5).Draw(t, "n")
		switch rapid.IntRange(0, 4).Draw(t, "what") {
		case 0:
			city := rapid.SampledFrom([]string{"Lyon", "Nice", "Évry"}).Draw(t, "city")
			return said{fmt.Sprintf(`attributes.city = "%s"`, strings.ToUpper(city)), func(p *segment.Person) bool { return strings.Contains(p.Attributes, `"city":"`+city+`"`) }}
		case 1:
			return said{fmt.Sprintf(`sent_count >= %d`, n), func(p *segment.Person) bool { return p.Sent.Count >= n }}
		case 2:
			return said{fmt.Sprintf(`last_sent_at > %d days ago`, n), func(p *segment.Person) bool { return p.Sent.LastAt > now.AddDate(0, 0, -int(n)).UnixMilli() }}
		case 3:
			return said{fmt.Sprintf(`list(%d) is confirmed`, n+1), func(p *segment.Person) bool {
				for _, s := range p.Subscriptions {
					if s.ListID == n+1 && s.Status == "confirmed" {
						return true
					}
				}
				return false
			}}
		}
		return said{fmt.Sprintf(`attributes.n <= %d`, n), func(p *segment.Person) bool {
			for i := int64(0); i <= n; i++ {
				if strings.Contains(p.Attributes, fmt.Sprintf(`"n":"%d"`, i)) {
					return true
				}
			}
			return false
		}}
	})
}

func genPerson() *rapid.Generator[*segment.Person] {
	return rapid.Custom(func(t *rapid.T) *segment.Person {
		p := &segment.Person{Attributes: "{}"}
		if rapid.Bool().Draw(t, "attributes") {
			p.Attributes = fmt.Sprintf(`{"city":"%s","n":"%d"}`, rapid.SampledFrom([]string{"Lyon", "Nice", "Évry", "Metz"}).Draw(t, "city"), rapid.IntRange(0, 7).Draw(t, "n"))
		}
		p.Sent.Count = rapid.Int64Range(0, 6).Draw(t, "sent")
		if p.Sent.Count > 0 {
			p.Sent.LastAt = now.Add(-time.Duration(rapid.IntRange(0, 200).Draw(t, "hours")) * time.Hour).UnixMilli()
		}
		for i := range rapid.IntRange(0, 4).Draw(t, "lists") {
			p.Subscriptions = append(p.Subscriptions, segment.Subscription{ListID: int64(i + 1), Status: rapid.SampledFrom([]string{"confirmed", "pending", "unsubscribed"}).Draw(t, "status")})
		}
		return p
	})
}

func TestMatch_IsWhatTheConditionSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, p := genCondition(4).Draw(t, "condition"), genPerson().Draw(t, "person")
		c, err := segment.Parse(s.text)
		if err != nil {
			t.Fatal(s.text, err)
		}
		if got := c.Match(p, now); got != s.holds(p) {
			t.Fatalf("%s: %v for %+v", s.text, got, p)
		}
		again, err := segment.Parse(c.String())
		if err != nil || again.String() != c.String() || again.Match(p, now) != s.holds(p) {
			t.Fatalf("%s became %s: %v", s.text, c, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`email = "x"`, `not (attributes["a b"].c in (1, 2.5, "x") or list(3).confirmed_at > 3 days ago)`, `created_at <= 2026-01-31T10:00:00Z`, `((`, `sent(1)`, "a\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := segment.Parse(text)
		if err != nil {
			var e *segment.Error
			if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 {
				t.Fatal(err)
			}
			return
		}
		c.Match(ada(), now)
		again, err := segment.Parse(c.String())
		if err != nil {
			t.Fatalf("%q became %q: %v", text, c, err)
		}
		if again.String() != c.String() || again.Match(ada(), now) != c.Match(ada(), now) || !reflect.DeepEqual(again.Needs(), c.Needs()) {
			t.Fatalf("%q became %q became %q", text, c, again)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	c, err := segment.Parse(`attributes.city = "Lyon" and attributes.age > 40`)
	if err != nil {
		b.Fatal(err)
	}
	p := &segment.Person{Attributes: `{"city":"Lyon","age":"42"}`}
	b.ReportAllocs()
	for b.Loop() {
		if !c.Match(p, now) {
			b.Fatal("no")
		}
	}
}
