package throttle_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/throttle"
)

func TestProviders_ByExchanger(t *testing.T) {
	p := throttle.DefaultProviders()
	for host, want := range map[string]string{
		"aspmx.l.google.com": "google", "ALT1.ASPMX.L.GOOGLE.COM.": "google", "acme-com.mail.protection.outlook.com": "microsoft", "mta5.am0.yahoodns.net": "yahoo",
		"mx01.mail.icloud.com": "apple", "mail.protonmail.ch": "proton", "mx.acme.example": throttle.Other, "acme-com.l-v1.mx.microsoft": "microsoft", "mx.microsoft.com": throttle.Other, "google.com.evil.example": throttle.Other, "": throttle.Other, "notgoogle.com": throttle.Other,
	} {
		if got := p.OfMX(host); got != want {
			t.Errorf("%q: %s, want %s", host, got, want)
		}
	}
	if p.Reports("google") || !p.Reports("yahoo") || !p.Reports(throttle.Other) || p.Limit("google").Connections != 5 || p.Limit(throttle.Other) != (throttle.Limit{}) {
		t.Error("what the file says of providers is not known")
	}
}

func TestLoadProviders_LaysAFileOverTheBuiltIn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "providers")
	write := func(text string) (*throttle.Providers, error) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return throttle.LoadProviders(file)
	}
	p, err := write("# ours\nbluewin per_second:3 mx:.bluewin.ch bluewin.ch\ngoogle gmail.com\n")
	if err != nil || p.OfDomain("bluewin.ch") != "bluewin" || p.OfMX("mx.bluewin.ch") != "bluewin" || p.Limit("bluewin").PerSecond != 3 || !p.Known("bluewin") ||
		!p.Reports("google") || p.OfDomain("googlemail.com") != throttle.Other || p.OfDomain("yahoo.com") != "yahoo" {
		t.Errorf("%+v, %v", p, err)
	}
	for text, why := range map[string]string{"a.b c.d": "line 1", "\n\nx silence": "line 3", "x mx:example.com": "mx:example.com", "x speed:3": "speed:3", "x connections:-1": "connections:-1", "X a.b": "lower-case"} {
		if _, err := write(text); err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), file) {
			t.Errorf("%q: %v, want %q", text, err, why)
		}
	}
}

// What two providers claim is the operator's to say; within one file it is a mistake.
func TestParseProviders_GivesEachDomainOneProvider(t *testing.T) {
	const base = "google mx:.google.com gmail.com\nyahoo yahoo.com"
	for range 20 { // no order of a map decides
		p, err := throttle.ParseProviders(base, "zzz mx:.google.com yahoo.com\naaa gmail.com")
		if err != nil || p.OfDomain("gmail.com") != "aaa" || p.OfDomain("yahoo.com") != "zzz" || p.OfMX("aspmx.l.google.com") != "zzz" {
			t.Fatalf("%s, %s, %s, %v", p.OfDomain("gmail.com"), p.OfDomain("yahoo.com"), p.OfMX("aspmx.l.google.com"), err)
		}
	}
	for text, why := range map[string]string{"a x.example\nb x.example": "line 2: provider b: x.example is in line 1 too", "a x.example\n\na y.example": "line 3: provider a: a is in line 1 too", "a mx:.x.example\nb mx:.x.example": "line 2"} {
		if _, err := throttle.ParseProviders(base, text); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %q", text, err, why)
		}
	}
}

func FuzzProviders(f *testing.F) {
	f.Add("google ; * ; unusual rate|4\\.7\\.28 ; 2 ; 10/min ; 30m ; somewhere\ngoogle gmail.com")
	f.Add("* ; rate ; - ; 3 ; 1 connections ; 10m ; somewhere")
	f.Add("google silent connections:5 mx:.google.com gmail.com")
	f.Add("x a.b:c mx:. connections:99999999999")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := throttle.ParseProviders("", text)
		if err == nil && !p.Known(throttle.Other) {
			t.Errorf("%q: other is unknown", text)
		}
	})
}

func TestProvidersOf_NotesWhatIsToBeLearned(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := throttle.NewStore(db)
		err := write(t, db, func(ctx context.Context, tx *database.Tx) error {
			got, err := s.ProvidersOf(ctx, tx, []string{"gmail.com", "acme.example", "acme.example", "other.example"})
			if err == nil && (got["gmail.com"] != "google" || got["acme.example"] != throttle.Other) {
				t.Errorf("%v", got)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if known, err := s.Known(t.Context(), []string{"acme.example", "yahoo.fr", "never.example"}); err != nil || known["acme.example"] != throttle.Other || known["yahoo.fr"] != "yahoo" || known["never.example"] != throttle.Other {
			t.Errorf("%v, %v", known, err)
		}
	})
}
