package api

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"facteur/internal/database"
	"facteur/subscribers"
	"facteur/subscribers/consent"
)

// NewWording are words that people agree to.
type NewWording struct {
	Text   string `json:"text" minLength:"1" maxLength:"5000" example:"I would like to get the newsletter."`
	Locale string `json:"locale,omitempty" maxLength:"35" example:"en" doc:"Their language; none: for any."`
}

// Wording is a version of them. It never changes.
type Wording struct {
	Version   int64      `json:"version"`
	Locale    string     `json:"locale"`
	Text      string     `json:"text"`
	CreatedAt *time.Time `json:"created_at"`
}

func wordingOf(w subscribers.Wording) Wording {
	return Wording{w.Version, w.Locale, w.Text, at(w.CreatedAt)}
}

func (c *calls) addWording(ctx context.Context, tx *database.Tx, in *struct {
	ByID
	Body NewWording
},
) (Wording, error) {
	w, err := c.People.AddWording(ctx, tx, in.id(), in.Body.Locale, in.Body.Text)
	return wordingOf(w), err
}

// Wordings are all versions of a list's words.
type Wordings struct {
	Items []Wording `json:"items" doc:"Newest first."`
}

func (c *calls) wordings(ctx context.Context, in *ByID) (Wordings, error) {
	if _, err := c.People.List(ctx, in.id()); err != nil {
		return Wordings{}, err
	}
	all, err := c.People.Wordings(ctx, in.id())
	out := Wordings{make([]Wording, len(all))}
	for i, w := range all {
		out.Items[i] = wordingOf(w)
	}
	return out, err
}

// Reconfirmation asks people for their yes again.
type Reconfirmation struct {
	ConfirmedBefore time.Time `json:"confirmed_before" doc:"Whose yes is older than this."`
	Otherwise       string    `json:"otherwise,omitempty" enum:"keep,unsubscribe" default:"keep" doc:"What becomes of who does not answer within 30 days."`
}

// Invited says how many people will be asked.
type Invited struct {
	Invited int64 `json:"invited"`
}

func (c *calls) reconfirm(ctx context.Context, in *struct {
	ByID
	Body Reconfirmation
},
) (*kept[Invited], error) {
	if _, err := c.People.List(ctx, in.id()); err != nil {
		return nil, err
	}
	return claimed(ctx, c, 202, bodyOf(ctx), func() (Invited, error) {
		var all Invited
		for after := int64(0); ; { // in pages of their own: asking twice invites once
			last := int64(0)
			err := c.DB.Write(ctx, func(tx *database.Tx) error {
				n, end, err := c.People.Reconfirm(ctx, tx, in.id(), in.Body.ConfirmedBefore.UnixMilli(), after, subscribers.Lapse(in.Body.Otherwise))
				last = end
				all.Invited += n
				return err
			})
			if after = last; err != nil || last == 0 {
				return all, err
			}
		}
	})
}

// Consented is a row of the ledger about a person.
type Consented struct {
	ID         ID                `json:"id"`
	ListID     *ID               `json:"list_id" doc:"null: about all lists."`
	Act        string            `json:"act" enum:"requested,given,withdrawn,restored,expired,erased"`
	Basis      string            `json:"basis"`
	Source     string            `json:"source"`
	Wording    string            `json:"wording"`
	Version    int64             `json:"wording_version"`
	StatedAt   *time.Time        `json:"stated_at"`
	RecordedAt *time.Time        `json:"recorded_at"`
	Evidence   *consent.Evidence `json:"evidence" doc:"null: none, or erased."`
}

// Consents are all rows about a person.
type Consents struct {
	Items []Consented `json:"items" doc:"Oldest first."`
}

func (c *calls) consents(ctx context.Context, in *ByID) (Consents, error) {
	acts, err := consent.Of(ctx, c.DB, in.id())
	if err == nil && len(acts) == 0 {
		_, err = c.People.Subscriber(ctx, in.id())
	}
	out := Consents{make([]Consented, len(acts))}
	for i, a := range acts {
		out.Items[i] = Consented{
			ID: idOf(a.ID), Act: string(a.Act), Basis: string(a.Basis), Source: a.Said.Source, Wording: a.Said.Wording, Version: a.Said.Version,
			StatedAt: at(a.StatedAt), RecordedAt: at(a.RecordedAt), Evidence: a.Evidence,
		}
		if a.ListID != 0 {
			id := idOf(a.ListID)
			out.Items[i].ListID = &id
		}
	}
	return out, err
}

func (c *calls) consentProof(ctx context.Context, in *ByID) (consent.Proof, error) {
	return c.People.Proof(ctx, in.id())
}

// Ledger is how the consent ledger is.
type Ledger struct {
	Head      *consent.Seal         `json:"head" doc:"The newest seal."`
	Waiting   int64                 `json:"waiting" doc:"Transactions whose rows wait for their seal; none for longer than about a second."`
	Keys      []string              `json:"keys" doc:"Our public keys (Ed25519, hex): publish them, so that others can check proofs."`
	CheckedAt *time.Time            `json:"checked_at" doc:"When the daily check went through the whole chain."`
	Check     *consent.LedgerReport `json:"check" doc:"What it found."`
}

func (c *calls) ledger(ctx context.Context, _ *struct{}) (Ledger, error) {
	_, keys, err := c.Keys.SigningKey(ctx, "ledger")
	if err != nil {
		return Ledger{}, err
	}
	out := Ledger{Keys: keys}
	if out.Waiting, err = consent.Waiting(ctx, c.DB); err != nil {
		return Ledger{}, err
	}
	head, err := consent.Head(ctx, c.DB)
	switch {
	case err == nil:
		out.Head = &head
	case !errors.Is(err, database.ErrNotFound):
		return Ledger{}, err
	}
	run, err := c.Campaigns.LastChore(ctx, c.LedgerDuty)
	if errors.Is(err, database.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return Ledger{}, err
	}
	out.CheckedAt, out.Check = at(run.EndedAt), &consent.LedgerReport{}
	return out, json.Unmarshal([]byte(run.Result), out.Check)
}

func (c *calls) checkLedger(ctx context.Context, _ *struct{}) (*kept[consent.LedgerReport], error) {
	_, keys, err := c.Keys.SigningKey(ctx, "ledger")
	if err != nil {
		return nil, err
	}
	found, err := c.People.CheckLedger(ctx, keys)
	if err != nil {
		return nil, err
	}
	if found.Faults == nil {
		found.Faults = []consent.LedgerFault{}
	}
	return encode(200, found)
}
