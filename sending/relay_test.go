package sending_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending"
	"facteur/sending/smtp"
)

// refusedField is the field that err blames, or "" where err is nil.
func refusedField(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var wrong *sending.Invalid
	if !errors.As(err, &wrong) || wrong.Reason == "" || !strings.HasPrefix(err.Error(), wrong.Field+": ") {
		t.Fatalf("%v is no Invalid that says what is wrong", err)
	}
	return wrong.Field
}

func TestCreateRelay_FillsInWhatIsNotSaid(t *testing.T) {
	each(t, func(h *house) {
		got := h.createRelay(sending.Relay{Host: " relay.test "})
		if got.Name != "relay.test" || got.Host != "relay.test" || got.Security != smtp.StartTLS || got.Port != 587 || got.MaxConnections != 10 ||
			got.Envelope != sending.VERP || got.Weight != 1 || got.EgressIPs != "[]" || got.CreatedAt != h.ms() || got.Health != (sending.Health{State: sending.Healthy}) {
			h.Errorf("%+v", got)
		}
		if stored, err := h.Relay(h.Context(), got.ID); err != nil || stored != got {
			h.Errorf("stored %+v, %v, want %+v", stored, err, got)
		}
		if got := h.verbs("relay", got.ID); len(got) != 1 || got[0] != "create" {
			h.Errorf("journal: %q", got)
		}
		second := h.createRelay(sending.Relay{Name: "second", Host: "relay.test", Security: smtp.TLS})
		if second.Port != 465 || sending.DefaultPort(smtp.None) != 25 {
			h.Errorf("port %d for implicit TLS", second.Port)
		}
		if all, err := h.Relays(h.Context()); err != nil || len(all) != 2 || all[0] != got || all[1] != second {
			h.Errorf("all: %+v, %v", all, err)
		}
		err := h.write(func(ctx context.Context, tx *database.Tx) error {
			_, err := h.CreateRelay(ctx, tx, sending.Relay{Host: "relay.test"}, nil)
			return err
		})
		if !errors.Is(err, database.ErrConflict) {
			h.Errorf("the same name twice: %v", err)
		}
	})
}

func TestCreateRelay_RefusesWhatCannotWork(t *testing.T) {
	h := newHouse(t, databasetest.SQLite(t))
	for _, c := range []struct {
		field string
		relay sending.Relay
		ips   string
	}{
		{field: "host"},
		{field: "host", relay: sending.Relay{Host: "two words"}},
		{field: "host", relay: sending.Relay{Host: "relay.test\r\nX: y"}},
		{field: "host", relay: sending.Relay{Host: "ann@relay.test"}},
		{field: "host", relay: sending.Relay{Host: "smtp://relay.test"}},
		{field: "security", relay: sending.Relay{Host: "relay.test", Security: "ssl"}},
		{field: "port", relay: sending.Relay{Host: "relay.test", Port: -1}},
		{field: "port", relay: sending.Relay{Host: "relay.test", Port: 65536}},
		{field: "max_connections", relay: sending.Relay{Host: "relay.test", MaxConnections: -1}},
		{field: "max_connections", relay: sending.Relay{Host: "relay.test", MaxConnections: 1001}},
		{field: "envelope", relay: sending.Relay{Host: "relay.test", Envelope: "mine"}},
		{field: "weight", relay: sending.Relay{Host: "relay.test", Weight: -1}},
		{field: "weight", relay: sending.Relay{Host: "relay.test", Weight: 1001}},
		{field: "password", relay: sending.Relay{Host: "relay.test", Username: "ann"}},
		{field: "password", relay: sending.Relay{Host: "relay.test", Password: "secret"}},
		{field: "egress_ips", relay: sending.Relay{Host: "relay.test"}, ips: "192.0.2.1,here"},
		{field: "", relay: sending.Relay{Host: "192.0.2.1", Port: 65535, MaxConnections: 1000, Weight: 1000, Security: smtp.None, Envelope: sending.SenderAddr}, ips: "192.0.2.1,2001:db8::1"},
		{field: "", relay: sending.Relay{Host: "::1"}},
	} {
		err := h.write(func(ctx context.Context, tx *database.Tx) error {
			var ips []string
			if c.ips != "" {
				ips = strings.Split(c.ips, ",")
			}
			_, err := h.CreateRelay(ctx, tx, c.relay, ips)
			return err
		})
		if got := refusedField(t, err); got != c.field {
			t.Errorf("%+v: blames %q (%v), want %q", c.relay, got, err, c.field)
		}
	}
	if all, err := h.Relays(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("%d relays stored, %v, want the two that can work", len(all), err)
	}
}

func TestRelay_SealsItsPassword(t *testing.T) {
	h := newHouse(t, databasetest.SQLite(t))
	r := h.createRelay(sending.Relay{Host: "relay.test", Username: "ann", Password: "secret", VerifyTLS: true})
	if r.Password == "" || strings.Contains(r.Password, "secret") {
		t.Errorf("the password is stored as %q", r.Password)
	}
	server, err := h.Server(r, "me.test")
	want := smtp.Server{Host: "relay.test", Port: 587, Security: smtp.StartTLS, Username: "ann", Password: "secret", VerifyTLS: true, HELO: "me.test"}
	if err != nil || server.Password != want.Password || server.Username != want.Username || server.Host != want.Host || server.Port != want.Port ||
		server.Security != want.Security || server.VerifyTLS != want.VerifyTLS || server.HELO != want.HELO {
		t.Errorf("%+v, %v, want %+v", server, err, want)
	}
	r.Password = "AAAA"
	if _, err := h.Server(r, ""); err == nil || !strings.Contains(err.Error(), "relay.test") {
		t.Errorf("a damaged password: %v", err)
	}
}
