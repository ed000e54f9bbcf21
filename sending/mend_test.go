package sending_test

import (
	"context"
	"testing"

	"facteur/internal/database"
	"facteur/sending"
	"facteur/sending/smtp"
)

func TestMendRelay_LetsAStoredPasswordGoOnlyWhereItWasMeantToGo(t *testing.T) {
	each(t, func(h *house) {
		made := h.createRelay(sending.Relay{Host: "relay.test", Username: "ada", Password: "secret"})
		mend := func(to sending.Relay, password *string) (r sending.Relay, err error) {
			err = h.write(func(ctx context.Context, tx *database.Tx) error {
				r, err = h.MendRelay(ctx, tx, made.ID, to, nil, password)
				return err
			})
			return r, err
		}
		for what, to := range map[string]sending.Relay{
			"host": {Host: "evil.test", Username: "ada"}, "port": {Host: "relay.test", Port: 2525, Username: "ada"}, "username": {Host: "relay.test", Username: "bob"},
		} {
			if _, err := mend(to, nil); refusedField(h.T, err) != "password" {
				h.Errorf("another %s with the stored password: %v", what, err)
			}
		}
		kept, err := mend(sending.Relay{Host: "relay.test", Username: "ada", Weight: 3}, nil)
		if err != nil || kept.Weight != 3 || kept.ChangedAt == 0 || kept.Security != smtp.StartTLS {
			h.Errorf("%+v, %v", kept, err)
		}
		if s, err := h.Server(kept, ""); err != nil || s.Password != "secret" {
			h.Errorf("the kept password is %q, %v", s.Password, err)
		}
		fresh := "other"
		moved, err := mend(sending.Relay{Host: "new.test", Username: "ada", Password: ""}, &fresh)
		if err != nil || moved.Host != "new.test" || moved.ChangedAt <= kept.ChangedAt {
			h.Errorf("%+v, %v", moved, err)
		}
		if s, err := h.Server(moved, ""); err != nil || s.Password != "other" || moved.Password == "other" {
			h.Errorf("the new password is %q, %v", s.Password, err)
		}
		if got := h.verbs("relay", made.ID); len(got) != 3 || got[2] != "mend" {
			h.Errorf("journal: %q", got)
		}
	})
}
