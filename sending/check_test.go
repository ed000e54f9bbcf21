package sending_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/sending"
	"facteur/sending/doctor"
	"facteur/sending/smtp"
)

func TestKeepCheck_TellsWhatIsNew(t *testing.T) {
	each(t, func(h *house) {
		var d sending.Domain
		h.do(func(ctx context.Context, tx *database.Tx) (err error) {
			d, err = h.CreateDomain(ctx, tx, sending.Domain{Name: "news.example"})
			return err
		})
		due := func(want int) {
			h.Helper()
			if all, err := h.Unchecked(h.Context()); err != nil || len(all) != want {
				h.Errorf("%d domains are due, want %d: %v", len(all), want, err)
			}
		}
		keep := func(want string, findings ...doctor.Finding) {
			h.Helper()
			h.do(func(ctx context.Context, tx *database.Tx) error {
				came, err := h.KeepCheck(ctx, tx, d, doctor.Report{Domain: d.Name, Findings: findings})
				if got := fmt.Sprint(came); got != want {
					h.Errorf("came %s, want %s", got, want)
				}
				return err
			})
		}
		if _, err := h.LastCheck(h.Context(), d.ID); !errors.Is(err, database.ErrNotFound) {
			h.Error(err)
		}
		due(0) // its records are still being published
		h.now = h.now.Add(time.Hour)
		due(1)
		spf := doctor.Finding{Check: "spf", Code: "spf_missing", Severity: doctor.Error, About: "bounces.news.example"}
		weak := doctor.Finding{Check: "dkim", Code: "dkim_weak", Severity: doctor.Warning, About: "s1._domainkey.news.example"}
		unknown := doctor.Finding{Check: "spf", Code: "spf_unknown", Severity: doctor.Warning, About: "TXT bounces.news.example"}
		listed := doctor.Finding{Check: "blocklists", Code: "blocklist_listed", Severity: doctor.Error, About: "192.0.2.1 bl.test"}
		fine := doctor.Finding{Check: "mx", Code: "mx_ok", Severity: doctor.OK, About: "news.example"}

		keep("[spf_missing (bounces.news.example)]", spf, weak, fine) // the warning stands from the beginning
		due(0)
		began := h.now.UnixMilli()
		h.now = h.now.Add(24 * time.Hour)
		due(1)
		keep("[]", spf, weak, fine)
		h.now = h.now.Add(24 * time.Hour)
		keep("[]", unknown, weak) // a silent server ends no fault
		if c, err := h.LastCheck(h.Context(), d.ID); err != nil || c.ChangedAt != began || c.CheckedAt != h.now.UnixMilli() || len(c.Standing) != 2 || len(c.Report.Findings) != 2 {
			h.Errorf("%+v, %v", c, err)
		}
		keep("[]", spf, weak) // and what was known before is not new after it
		keep("[blocklist_listed (192.0.2.1 bl.test)]", spf, weak, listed)
		keep("[]", weak)
		if c, err := h.LastCheck(h.Context(), d.ID); err != nil || c.ChangedAt != h.now.UnixMilli() || len(c.Standing) != 1 {
			h.Errorf("%+v, %v", c, err)
		}
		keep("[spf_missing (bounces.news.example)]", spf, weak)
		keep("[]", spf, weak, doctor.Finding{Check: "blocklists", Code: "blocklist_refused", Severity: doctor.Warning, About: "bl.test"}, unknown)
	})
}

func TestSubject_IsWhatTheSendersUse(t *testing.T) {
	each(t, func(h *house) {
		relay := func(name, envelope string, ips ...string) (r sending.Relay) {
			h.do(func(ctx context.Context, tx *database.Tx) (err error) {
				r, err = h.CreateRelay(ctx, tx, sending.Relay{Name: name, Host: name + ".test", Security: smtp.TLS, Envelope: envelope, VerifyTLS: true}, ips)
				return err
			})
			return r
		}
		one, two := relay("one", sending.VERP, "192.0.2.1", "2001:db8::1"), relay("two", sending.SenderAddr, "192.0.2.1", "192.0.2.2")
		subject := func(name string, relays ...int64) doctor.Subject {
			var d sending.Domain
			h.do(func(ctx context.Context, tx *database.Tx) (err error) {
				if d, err = h.CreateDomain(ctx, tx, sending.Domain{Name: name, DKIM: name == "a.example"}); err == nil && len(relays) > 0 {
					_, err = h.CreateSender(ctx, tx, sending.Sender{FromEmail: "news@" + name, PostalAddress: "1 Road", RelayIDs: relays})
				}
				return err
			})
			s, err := h.Subject(h.Context(), d)
			if err != nil {
				h.Fatal(err)
			}
			return s
		}
		if s := subject("a.example", one.ID); s.ReturnPath != "bounces.a.example" || fmt.Sprint(s.Egress) != "[192.0.2.1 2001:db8::1]" || len(s.Relays) != 1 || len(s.Keys) != 2 || s.Keys[0].Selector == "" || s.Keys[0].Public == "" || s.Relays[0] != (doctor.Relay{Addr: "one.test:465", Implicit: true}) {
			h.Errorf("%+v", s)
		}
		if s := subject("b.example", two.ID); s.ReturnPath != "b.example" || len(s.Keys) != 0 {
			h.Errorf("the envelope is the sender's: %+v", s)
		}
		if s := subject("c.example"); s.ReturnPath != "bounces.c.example" || fmt.Sprint(s.Egress) != "[192.0.2.1 2001:db8::1 192.0.2.2]" {
			h.Errorf("%+v", s)
		}
	})
}
