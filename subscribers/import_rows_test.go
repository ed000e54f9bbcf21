package subscribers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf16"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/subscribers"

	"golang.org/x/text/encoding/charmap"
)

// person finds one person and the list's word on them.
func person(t *testing.T, db *database.DB, key string) (subscribers.Subscriber, map[string]string) {
	t.Helper()
	p, err := subscribers.NewStore(db).SubscriberByKey(context.Background(), key)
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	attributes := map[string]string{}
	if err := json.Unmarshal([]byte(p.Attributes), &attributes); err != nil {
		t.Fatalf("%s: attributes %s: %v", key, p.Attributes, err)
	}
	return p, attributes
}

func TestImporter_ReadsColumnsByTheirNames(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		long := strings.Repeat("é", 70)
		for i, c := range []struct {
			header, row            string
			name, locale, timezone string
			attributes             map[string]string
		}{
			{"email", "X", "", "", "", map[string]string{}},
			{"E-Mail,NAME,Locale,Timezone", "X,Ann Lee,fr,Europe/Paris", "Ann Lee", "fr", "Europe/Paris", map[string]string{}},
			{"mail,full name,language", "X, Ann ,en-GB", "Ann", "en-GB", "", map[string]string{}},
			{"adresse e-mail;nom;langue;fuseau", "X;Zoé;fr;Europe/Paris", "Zoé", "fr", "Europe/Paris", map[string]string{}},
			{"courriel;Prénom;Nom", "X;Zoé;Dubois", "Zoé Dubois", "", "", map[string]string{"first_name": "Zoé", "last_name": "Dubois"}},
			{"Email Address,First Name,Last Name", "X,Ann,Lee", "Ann Lee", "", "", map[string]string{"first_name": "Ann", "last_name": "Lee"}},
			{"email,first name,last name", "X,,Lee", "Lee", "", "", map[string]string{"last_name": "Lee"}},
			{"email,first name,name", "X,Ann,Dr Ann Lee", "Dr Ann Lee", "", "", map[string]string{"first_name": "Ann"}},
			{"email,first name,name", "X,Ann,", "Ann", "", "", map[string]string{"first_name": "Ann"}},
			{
				"email,Postal  Code,shoe-size,Größe (cm)!,empty,_x,", "X,63000,38,170,,1,dropped", "", "", "",
				map[string]string{"postal_code": "63000", "shoe_size": "38", "größe_cm": "170", "_x": "1"},
			},
			{"email,cafe\u0301," + long, "X,1,2", "", "", "", map[string]string{"café": "1", long[:128]: "2"}},
			{"email,quote,html", `X,"say ""hi""` + "\n" + `\",<b>&é` + "\u2028", "", "", "", map[string]string{"quote": "say \"hi\"\n\\", "html": "<b>&é"}},
		} {
			key := fmt.Sprintf("ann.%d@example.com", i)
			done := importBody(t, db, newList(t, db), []byte(c.header+"\n"+strings.Replace(c.row, "X", key, 1)+"\n"))
			if done.Created != 1 {
				t.Errorf("%s: %+v", c.header, done)
				continue
			}
			p, attributes := person(t, db, key)
			if p.Name != c.name || p.Locale != c.locale || p.Timezone != c.timezone || !reflect.DeepEqual(attributes, c.attributes) {
				t.Errorf("%s: %+v, %q", c.header, p, attributes)
			}
		}
	})
}

func TestImporter_ReadsTheEncodingsPeopleUse(t *testing.T) {
	db := databasetest.New(t)
	const text = "email;prénom\nzoe@example.com;Zoé €\n"
	latin1, err := charmap.Windows1252.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	wide := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(text)) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	for why, body := range map[string][]byte{"UTF-8": []byte("\ufeff" + text), "Latin-1": []byte(latin1), "UTF-16": wide} {
		done := importBody(t, db, newList(t, db), body)
		if p, _ := person(t, db, "zoe@example.com"); p.Name != "Zoé €" || done.Refused != 0 || done.Rows != 1 {
			t.Errorf("%s: %+v, %+v", why, p, done)
		}
	}
}

func TestImporter_RefusesRowsWithTheirReason(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ctx, store, list := t.Context(), subscribers.NewStore(db), newList(t, db)
		enroll(t, db, list, subscribers.Person{Address: parse(t, "known@example.com"), Name: "Before", Attributes: `{"a":"1","b":"2"}`})
		left := enroll(t, db, list, subscribers.Person{Address: parse(t, "left@example.com")})
		write(t, db, func(tx *database.Tx) error {
			for key, scope := range map[string]int64{"bounced@example.com": 0, "here.not@example.com": list, "elsewhere@example.com": list + 1} {
				if err := store.Suppress(ctx, tx, parse(t, key), scope, "manual", "test"); err != nil {
					return err
				}
			}
			_, err := store.Leave(ctx, tx, left[0], []int64{list}, "page")
			return err
		})
		rows := []string{
			"Email,Name,City",
			"new@example.com,Ann\x07 \tLee,Paris",
			"no address,Ann,Paris",
			"KNOWN@example.com,After,Paris",
			"bounced@example.com,Ann,Paris",
			"left@example.com,Ann,Paris",
			"here.not@example.com,Ann,",
			"elsewhere@example.com,Ann,",
			"long.name@example.com," + strings.Repeat("é", 201) + ",",
			"long.value@example.com,Ann," + strings.Repeat("é", 1001),
			"fits@example.com," + strings.Repeat("é", 200) + "," + strings.Repeat("é", 1000),
			"huge@example.com,Ann," + strings.Repeat("x", 10<<20),
			"many@example.com,Ann,Paris,rue",
			`quote@example.com,"Ann"x,`,
			"nul@example.com,A\x00,",
			"broken@example.com,Zo\xe9 Zo\u00e9 é,",
			",,",
			"new@example.com,Anna,",
			"Bounced@example.com,Ann,",
			`open@example.com,"Ann,`,
		}
		done := importBody(t, db, list, []byte(strings.Join(rows, "\n")))
		type fault struct {
			line           int
			column, reason string
		}
		want := []fault{
			{3, "Email", "no_at"},
			{5, "", "suppressed"},
			{6, "", "unsubscribed"},
			{7, "", "suppressed"},
			{9, "Name", "value_too_long"},
			{10, "City", "value_too_long"},
			{12, "", "record_too_long"},
			{13, "", "too_many_fields"},
			{14, "", "text_after_quote"},
			{15, "Name", "nul_byte"},
			{16, "Name", "bad_encoding"},
			{17, "Email", "empty"},
			{19, "", "suppressed"},
			{20, "", "open_quote"},
		}
		var got []fault
		for _, p := range done.Problems {
			got = append(got, fault{p.Line, p.Column, p.Reason})
			if p.Detail == "" || strings.Contains(p.Detail, "example") {
				t.Errorf("detail %q", p.Detail)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
		if done.Rows != 19 || done.Created != 3 || done.Updated != 2 || done.Refused != int64(len(want)) {
			t.Errorf("%+v", done)
		}
		if p, a := person(t, db, "new@example.com"); p.Name != "Anna" || a["city"] != "Paris" {
			t.Errorf("the second row is laid over the first: %+v", p)
		}
		if p, a := person(t, db, "known@example.com"); p.Name != "After" || p.Email != "known@example.com" || !reflect.DeepEqual(a, map[string]string{"a": "1", "b": "2", "city": "Paris"}) {
			t.Errorf("known: %+v", p)
		}
		sizes, err := store.Sizes(ctx, list)
		if err != nil || sizes[subscribers.Confirmed] != 4 || sizes[subscribers.Unsubscribed] != 1 {
			t.Errorf("%v, %v", sizes, err)
		}
	})
}

func TestImporter_StripsControlsFromNames(t *testing.T) {
	db := databasetest.New(t)
	importBody(t, db, newList(t, db), []byte("email,name,locale\na@example.com,\"\x1b[1mAnn\u0085\u009f\r\nBcc: \x7fx\",fr\x01\n"))
	if p, _ := person(t, db, "a@example.com"); p.Name != "[1mAnn  Bcc: x" || p.Locale != "fr" {
		t.Errorf("%q, %q", p.Name, p.Locale)
	}
}

func TestImporter_KeepsTheFirst50Problems(t *testing.T) {
	db := databasetest.New(t)
	body := "email\n" + strings.Repeat("ann@example.com\n", 480) + strings.Repeat("nobody\n", 1000)
	done := importBody(t, db, newList(t, db), []byte(body))
	if done.Refused != 1000 || done.Updated != 479 || len(done.Problems) != 50 || done.Problems[0].Line != 482 || done.Problems[49].Line != 531 {
		t.Errorf("%+v", done)
	}
}

func TestImporter_IsSafeToRunTwice(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		list, body := newList(t, db), crowd(0, 1300, 7)
		first := importBody(t, db, list, body)
		people := strings.Split(endState(t, db), "\n")[:1300]
		second := importBody(t, db, list, body)
		if first.Created != 1300 || second.Created != 0 || second.Updated != 1300 {
			t.Errorf("%+v\n%+v", first, second)
		}
		if again := strings.Split(endState(t, db), "\n")[:1300]; !reflect.DeepEqual(again, people) {
			t.Error("the second import changed somebody")
		}
	})
}
