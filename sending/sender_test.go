package sending_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending"
)

func (h *house) createDomain(d sending.Domain) (sending.Domain, error) {
	h.Helper()
	err := h.write(func(ctx context.Context, tx *database.Tx) (err error) {
		d, err = h.CreateDomain(ctx, tx, d)
		return err
	})
	return d, err
}

func (h *house) createSender(s sending.Sender) (sending.Sender, error) {
	h.Helper()
	err := h.write(func(ctx context.Context, tx *database.Tx) (err error) {
		s, err = h.CreateSender(ctx, tx, s)
		return err
	})
	return s, err
}

func TestCreateDomain_StoresTheALabel(t *testing.T) {
	each(t, func(h *house) {
		d, err := h.createDomain(sending.Domain{Name: " Bücher.Example. "})
		if err != nil || d.Name != "xn--bcher-kva.example" || d.ReturnPath != "bounces.xn--bcher-kva.example" || d.Warmup != "conservative" || d.CreatedAt != h.ms() {
			h.Fatalf("%+v, %v", d, err)
		}
		if got, err := h.Domain(h.Context(), d.ID); err != nil || got != d {
			h.Errorf("by id: %+v, %v", got, err)
		}
		if got, err := h.DomainByName(h.Context(), d.Name); err != nil || got != d {
			h.Errorf("by name: %+v, %v", got, err)
		}
		own, err := h.createDomain(sending.Domain{Name: "news.test", ReturnPath: "Back.News.test", Warmup: "none", DKIM: true})
		if err != nil || own.ReturnPath != "back.news.test" || own.Warmup != "none" || !own.DKIM {
			h.Errorf("%+v, %v", own, err)
		}
		if all, err := h.Domains(h.Context()); err != nil || !reflect.DeepEqual(all, []sending.Domain{d, own}) {
			h.Errorf("all: %+v, %v", all, err)
		}
		if _, err := h.createDomain(sending.Domain{Name: "bücher.example"}); !errors.Is(err, database.ErrConflict) {
			h.Errorf("the same twice: %v", err)
		}
		if _, err := h.Domain(h.Context(), 1); !errors.Is(err, database.ErrNotFound) {
			h.Errorf("unknown: %v", err)
		}
		if got := h.verbs("domain", d.ID); len(got) != 1 || got[0] != "create" {
			h.Errorf("journal: %q", got)
		}
	})
}

func TestCreateDomain_RefusesWhatIsNone(t *testing.T) {
	h := newHouse(t, databasetest.SQLite(t))
	for _, c := range []struct {
		field  string
		domain sending.Domain
	}{
		{"name", sending.Domain{}},
		{"name", sending.Domain{Name: "."}},
		{"name", sending.Domain{Name: "two words.test"}},
		{"name", sending.Domain{Name: "ann@news.test"}},
		{"name", sending.Domain{Name: "news.test\r\nX: y"}},
		{"name", sending.Domain{Name: strings.Repeat("a", 64) + ".test"}},
		{"return_path", sending.Domain{Name: "news.test", ReturnPath: "not one"}},
		{"return_path", sending.Domain{Name: "news.test", ReturnPath: "b@news.test"}},
		{"warmup", sending.Domain{Name: "news.test", Warmup: "fast"}},
	} {
		_, err := h.createDomain(c.domain)
		if got := refusedField(t, err); got != c.field {
			t.Errorf("%+v: blames %q (%v), want %q", c.domain, got, err, c.field)
		}
	}
}

func TestDomain_SaysWhatToPublish(t *testing.T) {
	d := sending.Domain{Name: "news.test", ReturnPath: "bounces.news.test"}
	records := d.Records([]string{"192.0.2.1", "2001:db8::1"})
	if len(records) != 3 || records[0].Name != "bounces.news.test" || records[0].Value != "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all" ||
		records[1].Type != "MX" || records[1].Name != "bounces.news.test" || records[2].Name != "_dmarc.news.test" {
		t.Errorf("%+v", records)
	}
	if got := d.Records(nil)[0]; got.Value != "v=spf1 include:YOUR-RELAY -all" || !strings.Contains(got.Why, "egress_ips") {
		t.Errorf("without addresses: %+v", got)
	}
}

func TestCreateSender_BindsDomainAndRelays(t *testing.T) {
	each(t, func(h *house) {
		d, err := h.createDomain(sending.Domain{Name: "news.test"})
		if err != nil {
			h.Fatal(err)
		}
		relays := []int64{h.createRelay(sending.Relay{Host: "a.test"}).ID, h.createRelay(sending.Relay{Host: "b.test"}).ID}
		s, err := h.createSender(sending.Sender{FromEmail: "Ann@News.Test", FromName: "Ann’s news", ReplyTo: "re@other.test", PostalAddress: "1 Road", RelayIDs: relays})
		if err != nil {
			h.Fatal(err)
		}
		if s.DomainID != d.ID || s.Domain != "news.test" || s.ReturnPath != d.ReturnPath || s.FromEmail != "Ann@news.test" || s.CreatedAt != h.ms() {
			h.Errorf("%+v", s)
		}
		if got, err := h.Sender(h.Context(), s.ID); err != nil || !reflect.DeepEqual(got, s) {
			h.Errorf("stored %+v, %v, want %+v", got, err, s)
		}
		if all, err := h.Senders(h.Context()); err != nil || len(all) != 1 || !reflect.DeepEqual(all[0], s) {
			h.Errorf("all: %+v, %v", all, err)
		}
		if _, err := h.Sender(h.Context(), 1); !errors.Is(err, database.ErrNotFound) {
			h.Errorf("unknown: %v", err)
		}
		if got := h.verbs("sender", s.ID); len(got) != 1 || got[0] != "create" {
			h.Errorf("journal: %q", got)
		}
	})
}

func TestCreateSender_RefusesWhatCannotSend(t *testing.T) {
	h := newHouse(t, databasetest.SQLite(t))
	if _, err := h.createDomain(sending.Domain{Name: "news.test"}); err != nil {
		t.Fatal(err)
	}
	relays := []int64{h.createRelay(sending.Relay{Host: "relay.test"}).ID}
	for _, c := range []struct {
		field  string
		change func(*sending.Sender)
	}{
		{"", func(*sending.Sender) {}},
		{"from_email", func(s *sending.Sender) { s.FromEmail = "" }},
		{"from_email", func(s *sending.Sender) { s.FromEmail = "news.test" }},
		{"from_email", func(s *sending.Sender) { s.FromEmail = "zoé@news.test" }},
		{"from_email", func(s *sending.Sender) { s.FromEmail = "ann@elsewhere.test" }},
		{"from_email", func(s *sending.Sender) { s.FromEmail = "ann@sub.news.test" }},
		{"from_name", func(s *sending.Sender) { s.FromName = "Ann\r\nBcc: all@news.test" }},
		{"from_name", func(s *sending.Sender) { s.FromName = "Ann\x00" }},
		{"reply_to", func(s *sending.Sender) { s.ReplyTo = "nobody" }},
		{"reply_to", func(s *sending.Sender) { s.ReplyTo = "ann@news.test\r\nBcc: all@news.test" }},
		{"postal_address", func(s *sending.Sender) { s.PostalAddress = " \n " }},
		{"relay_ids", func(s *sending.Sender) { s.RelayIDs = nil }},
		{"relay_ids", func(s *sending.Sender) { s.RelayIDs = append(relays[:1:1], 1) }},
	} {
		s := sending.Sender{FromEmail: "ann@news.test", PostalAddress: "1 Road", RelayIDs: relays}
		c.change(&s)
		_, err := h.createSender(s)
		if got := refusedField(t, err); got != c.field {
			t.Errorf("%+v: blames %q (%v), want %q", s, got, err, c.field)
		}
	}
}
