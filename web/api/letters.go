package api

import (
	"context"
	"fmt"
	"time"

	"facteur/campaign"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/sending"
)

// Test asks for a campaign's mail before anybody else gets it.
type Test struct {
	To           []string `json:"to" minItems:"1" maxItems:"10" example:"[\"ada@example.com\"]"`
	SubscriberID ID       `json:"subscriber_id,omitempty" doc:"As this person would get it."`
}

// Letter is a mail to one address outside a campaign's run.
type Letter struct {
	ID           ID         `json:"id"`
	Kind         string     `json:"kind"`
	Email        string     `json:"email,omitempty" doc:"Of held letters only for tokens with subscribers:read."`
	SubscriberID *ID        `json:"subscriber_id"`
	Status       string     `json:"status" enum:"queued,sending,sent,deferred,failed,skipped,uncertain"`
	Attempts     int        `json:"attempts"`
	Code         int        `json:"code" doc:"Of the last SMTP answer; 0: none yet."`
	Enhanced     string     `json:"enhanced"`
	Answer       string     `json:"answer"`
	Reason       string     `json:"reason" doc:"Why it was skipped, put off or given up."`
	Held         bool       `json:"held" doc:"It is in doubt, and is not sent again by machine."`
	CreatedAt    *time.Time `json:"created_at"`
	SettledAt    *time.Time `json:"settled_at"`
}

// Letters are those that a call has written.
type Letters struct {
	Letters []Letter `json:"letters"`
}

func letterOf(l sending.Letter) Letter {
	out := Letter{
		ID: idOf(l.ID), Kind: l.Kind, Email: l.Email, Status: l.Status, Attempts: l.Attempts, Code: l.Code, Enhanced: l.Enhanced,
		Answer: l.Answer, Reason: l.Reason, Held: l.Held(), CreatedAt: at(l.CreatedAt), SettledAt: at(l.SettledAt),
	}
	if l.SubscriberID != 0 {
		id := idOf(l.SubscriberID)
		out.SubscriberID = &id
	}
	return out
}

// test composes the mails first; the transaction only writes them.
func (c *calls) test(ctx context.Context, in *struct {
	ByID
	Body Test
},
) (func(context.Context, *database.Tx) (Letters, error), error) {
	mail, err := c.Campaigns.Campaign(ctx, in.id())
	if err != nil {
		return nil, err
	}
	if in.Body.SubscriberID != "" {
		if _, err := c.People.Subscriber(ctx, in.Body.SubscriberID.int()); err != nil {
			return nil, onField("subscriber_id", err)
		}
	}
	letters := make([]sending.Letter, len(in.Body.To))
	for i, to := range in.Body.To {
		if letters[i], err = c.compose(ctx, mail, to, in.Body.SubscriberID.int()); err != nil {
			return nil, onField(fmt.Sprintf("to[%d]", i), err)
		}
	}
	return func(ctx context.Context, tx *database.Tx) (Letters, error) {
		out := Letters{make([]Letter, len(letters))}
		for i, l := range letters {
			if err := c.Sending.WriteLetter(ctx, tx, l); err != nil {
				return Letters{}, err
			}
			out.Letters[i] = letterOf(l)
		}
		return out, nil
	}, nil
}

// compose makes the letter that takes a campaign's mail to one address.
func (c *calls) compose(ctx context.Context, mail campaign.Campaign, to string, person int64) (sending.Letter, error) {
	a, err := address.Parse(to)
	if err != nil {
		return sending.Letter{}, err
	}
	l := sending.Letter{
		ID: c.DB.NewID(), Kind: sending.TestLetter, CampaignID: mail.ID, SubscriberID: person, SenderID: mail.SenderID,
		Email: a.Wire(), Status: "queued", CreatedAt: c.DB.Now().UnixMilli(),
	}
	message, err := c.ComposeTest(ctx, mail, a.Wire(), person, l.ID)
	l.Message = string(message)
	return l, err
}

func (c *calls) letters(ctx context.Context, in *struct {
	ByID
	Limit int `query:"limit" default:"50" minimum:"1" maximum:"500"`
},
) (Page[Letter], error) {
	if _, err := c.Campaigns.Campaign(ctx, in.id()); err != nil {
		return Page[Letter]{}, err
	}
	found, err := c.Sending.Letters(ctx, in.id(), in.Limit)
	return pageOf(Paging{Limit: in.Limit}, found, func(l sending.Letter) int64 { return l.ID }, letterOf), err
}

// heldLetters are those in doubt that wait for a person.
func (c *calls) heldLetters(ctx context.Context, in *struct{ Paging }) (Page[Letter], error) {
	found, err := c.Sending.HeldLetters(ctx, in.Cursor.int(), in.Limit+1)
	return pageOf(in.Paging, found, func(l sending.Letter) int64 { return l.ID }, shownTo(ctx)), err
}

// resendLetter lets a held letter go once more.
func (c *calls) resendLetter(ctx context.Context, tx *database.Tx, in *ByID) (Letter, error) {
	l, err := c.Sending.ResendLetter(ctx, tx, in.id())
	return shownTo(ctx)(l), err
}

// shownTo shows letters, with their addresses to who may see them.
func shownTo(ctx context.Context) func(sending.Letter) Letter {
	may := askedBy(ctx).actor.May("subscribers:read")
	return func(l sending.Letter) Letter {
		if !may {
			l.Email = ""
		}
		return letterOf(l)
	}
}
