package sending_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"facteur/internal/database"
	"facteur/sending"
)

// states lists a domain's keys as "selector state".
func (h *house) states(id int64) (all []string) {
	h.Helper()
	keys, err := h.Keys(h.Context(), id)
	if err != nil {
		h.Fatal(err)
	}
	for _, k := range keys {
		all = append(all, k.Selector+" "+string(k.State))
	}
	return all
}

// signs tells whether the keys of a generation sign a domain's mail.
func (h *house) signs(d sending.Domain, generation string) bool {
	h.Helper()
	signer, err := sending.NewSigners(h.Store).Of(h.Context(), d.Name)
	if err != nil || signer == nil {
		h.Fatal(signer, err)
	}
	out, err := signer.Append(nil, []byte("From: a@news.example.com\r\n\r\nHello\r\n"), h.now)
	if err != nil {
		h.Fatal(err)
	}
	return bytes.Contains(out, []byte("s="+generation+"-rsa;")) && bytes.Contains(out, []byte("s="+generation+"-ed25519;"))
}

func TestKeys_AreMadePublishedThenActivated(t *testing.T) {
	each(t, func(h *house) {
		d, err := h.createDomain(sending.Domain{Name: "news.example.com", Warmup: "none", DKIM: true})
		if err != nil {
			h.Fatal(err)
		}
		activate := func(ctx context.Context, tx *database.Tx) error { return h.ActivateKeys(ctx, tx, d) }
		makeKeys := func(ctx context.Context, tx *database.Tx) error { return h.MakeKeys(ctx, tx, d) }
		if !h.signs(d, "facteur1") {
			h.Error("the first keys do not sign")
		}
		if err := h.write(activate); !errors.Is(err, database.ErrNotFound) {
			h.Errorf("nothing to activate: %v", err)
		}
		h.do(makeKeys)
		if err := h.write(makeKeys); !errors.Is(err, sending.ErrInUse) {
			h.Errorf("two generations wait: %v", err)
		}
		if !h.signs(d, "facteur1") {
			h.Error("keys sign that nobody has published")
		}
		h.do(activate)
		if !h.signs(d, "facteur2") {
			h.Error("the new keys do not sign")
		}
		if got := fmt.Sprint(h.states(d.ID)); got != "[facteur2-rsa active facteur2-ed25519 active facteur1-rsa retired facteur1-ed25519 retired]" {
			h.Error(got)
		}
		keys, err := h.Keys(h.Context(), d.ID)
		if err != nil {
			h.Fatal(err)
		}
		if keys[2].Record(d.Name, h.now) == nil || keys[2].Record(d.Name, h.now.AddDate(0, 0, 8)) != nil {
			h.Error("a retired key is published for a week")
		}
		h.do(func(ctx context.Context, tx *database.Tx) error { _, err := h.SetDKIM(ctx, tx, d, false); return err })
		if signer, err := sending.NewSigners(h.Store).Of(h.Context(), d.Name); err != nil || signer != nil {
			h.Errorf("the relay signs: %v, %v", signer, err)
		}
	})
}

func TestCompleteKeys_OfDomainsThatHaveNone(t *testing.T) {
	each(t, func(h *house) {
		d, err := h.createDomain(sending.Domain{Name: "news.example.com", Warmup: "none"})
		if err != nil {
			h.Fatal(err)
		}
		h.do(func(ctx context.Context, tx *database.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE domains SET dkim = ?`, true) // as an older version made it
			return err
		})
		for range 2 {
			if err := h.CompleteKeys(h.Context()); err != nil {
				h.Fatal(err)
			}
			if got := fmt.Sprint(h.states(d.ID)); got != "[facteur1-rsa active facteur1-ed25519 active]" {
				h.Error(got)
			}
		}
	})
}
