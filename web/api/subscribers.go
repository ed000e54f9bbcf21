package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/subscribers"
	"facteur/subscribers/consent"
)

// NewSubscriber is a person brought to a list.
type NewSubscriber struct {
	Email      string     `json:"email" example:"ada@example.com"`
	Name       string     `json:"name,omitempty" maxLength:"300"`
	Locale     string     `json:"locale,omitempty" maxLength:"35" example:"fr"`
	Timezone   string     `json:"timezone,omitempty" maxLength:"64" example:"Europe/Paris"`
	Attributes Attributes `json:"attributes,omitempty"`
	Consent    *Consent   `json:"consent,omitempty" doc:"The yes this person gave elsewhere. Without it, on a list with opt_in double, a confirmation mail goes out and the person is pending."`
	IP         string     `json:"ip,omitempty" format:"ip" doc:"From where the person signed up, for the ledger and the limits."`
	UserAgent  string     `json:"user_agent,omitempty" maxLength:"300" doc:"With which browser, for the ledger."`
	Wording    int64      `json:"wording_version,omitempty" minimum:"0" doc:"Which version of the list's words they saw; 0: the newest."`
}

// Consent is a yes as its bringer states it.
type Consent struct {
	Basis   string    `json:"basis" enum:"double_opt_in,opt_in,customer,contract,legitimate_interest_b2b"`
	Source  string    `json:"source" maxLength:"500" doc:"Where it was given." example:"checkout of the shop"`
	At      time.Time `json:"at" doc:"When it was given."`
	Wording string    `json:"wording,omitempty" maxLength:"5000" doc:"The words agreed to."`
}

// Subscriber is a person.
type Subscriber struct {
	ID            ID             `json:"id"`
	Email         string         `json:"email"`
	Name          string         `json:"name"`
	Locale        string         `json:"locale"`
	Timezone      string         `json:"timezone"`
	Attributes    Attributes     `json:"attributes"`
	CreatedAt     *time.Time     `json:"created_at"`
	UpdatedAt     *time.Time     `json:"updated_at"`
	TrackingAt    *time.Time     `json:"tracking_at" doc:"When they agreed that we see what they open and follow; null: they did not."`
	Subscriptions []Subscription `json:"subscriptions,omitempty" doc:"Only where one person is asked for."`
}

// Subscription is where a person stands with a list.
type Subscription struct {
	ListID      ID         `json:"list_id"`
	Status      string     `json:"status" enum:"pending,confirmed,unsubscribed"`
	ConfirmedAt *time.Time `json:"confirmed_at"`
	ChangedAt   *time.Time `json:"changed_at"`
}

// Subscribed is a person as they stand with one list.
type Subscribed struct {
	Subscriber
	ListID       ID         `json:"list_id"`
	Status       string     `json:"status" enum:"pending,confirmed,unsubscribed"`
	ConfirmedAt  *time.Time `json:"confirmed_at"`
	Confirmation string     `json:"confirmation,omitempty" enum:"sent,not_needed" doc:"Only after a sign-up: whether a confirmation mail goes out."`
}

func subscriberOf(p subscribers.Subscriber) Subscriber {
	return Subscriber{
		ID: idOf(p.ID), Email: p.Email, Name: p.Name, Locale: p.Locale, Timezone: p.Timezone, Attributes: Attributes(p.Attributes),
		CreatedAt: at(p.CreatedAt), UpdatedAt: at(p.UpdatedAt), TrackingAt: at(p.TrackingAt),
	}
}

func (c *calls) subscribe(ctx context.Context, tx *database.Tx, in *struct {
	ByID
	Body NewSubscriber
},
) (Subscribed, error) {
	people := c.People.With(tx)
	list, err := people.List(ctx, in.id())
	if err != nil {
		return Subscribed{}, err
	}
	person, err := in.Body.person()
	if err != nil {
		return Subscribed{}, err
	}
	if in.Body.Consent == nil && list.OptIn == subscribers.Double {
		return c.signUp(ctx, tx, list, person, in.Body)
	}
	yes, err := in.Body.Consent.statement(c.DB.Now())
	if err != nil {
		return Subscribed{}, err
	}
	done, err := people.Enroll(ctx, tx, list.ID, []subscribers.Person{person}, yes, true)
	if err == nil {
		err = done[0].Err
	}
	if err != nil {
		return Subscribed{}, err
	}
	return c.subscribed(ctx, people, list.ID, done[0].ID)
}

// signUp takes a wish on behalf of the operator's own program and asks for the yes.
func (c *calls) signUp(ctx context.Context, tx *database.Tx, list subscribers.List, person subscribers.Person, in NewSubscriber) (Subscribed, error) {
	people := c.People.With(tx)
	wording, err := c.wordingOf(ctx, people, list, person.Locale, in.Wording)
	if err != nil {
		return Subscribed{}, err
	}
	done, limited, err := c.Greeter.SignUp(ctx, tx, subscribers.SignUp{
		ListID: list.ID, Person: person, Wording: wording, Source: "api", At: c.DB.Now(),
		Evidence: consent.Evidence{IP: in.IP, UserAgent: in.UserAgent, Form: "api"},
	})
	switch {
	case limited:
		return Subscribed{}, err
	case err != nil:
		return Subscribed{}, err
	case done.SubscriberID == 0, done.Status == "":
		return Subscribed{}, subscribers.ErrSuppressed
	case !done.Asked && done.Status != subscribers.Confirmed:
		return Subscribed{}, subscribers.ErrSuppressed
	}
	out, err := c.subscribed(ctx, people, list.ID, done.SubscriberID)
	out.Confirmation = "not_needed"
	if done.Asked {
		out.Confirmation = "sent"
	}
	return out, err
}

// wordingOf is the version of a list's words that was asked for.
func (c *calls) wordingOf(ctx context.Context, people *subscribers.Store, list subscribers.List, locale string, version int64) (subscribers.Wording, error) {
	if version == 0 {
		return people.WordingFor(ctx, list.ID, locale)
	}
	all, err := people.Wordings(ctx, list.ID)
	if err != nil {
		return subscribers.Wording{}, err
	}
	for _, w := range all {
		if w.Version == version {
			return w, nil
		}
	}
	return subscribers.Wording{}, invalid("wording_version", fmt.Sprintf("the list has no version %d", version))
}

// subscribed shows a person as they stand with one list.
func (c *calls) subscribed(ctx context.Context, people *subscribers.Store, listID, id int64) (Subscribed, error) {
	p, err := people.Subscriber(ctx, id)
	if err != nil {
		return Subscribed{}, err
	}
	subs, err := people.Subscriptions(ctx, id)
	if err != nil {
		return Subscribed{}, err
	}
	for _, s := range subs {
		if s.ListID == listID {
			return Subscribed{Subscriber: subscriberOf(p), ListID: idOf(listID), Status: string(s.Status), ConfirmedAt: at(s.ConfirmedAt)}, nil
		}
	}
	return Subscribed{}, fmt.Errorf("subscription of %d to list %d: %w", id, listID, database.ErrNotFound)
}

func (n NewSubscriber) person() (subscribers.Person, error) {
	a, err := address.Parse(n.Email)
	if err != nil {
		return subscribers.Person{}, onField("email", err)
	}
	if _, err := time.LoadLocation(n.Timezone); err != nil {
		return subscribers.Person{}, invalid("timezone", fmt.Sprintf("%q is not a time zone: want a name such as Europe/Paris", n.Timezone))
	}
	attributes, err := subscribers.CleanAttributes(string(n.Attributes))
	if err != nil {
		return subscribers.Person{}, invalid("attributes", err.Error())
	}
	return subscribers.Person{Address: a, Name: strings.TrimSpace(n.Name), Locale: n.Locale, Timezone: n.Timezone, Attributes: attributes}, nil
}

// statement is the consent that was given, or the sign-up itself on a list that trusts it.
func (s *Consent) statement(now time.Time) (consent.Statement, error) {
	if s == nil {
		return consent.Statement{Basis: consent.OptIn, Source: "api", At: now}, nil
	}
	yes := consent.Statement{Basis: consent.Basis(s.Basis), Source: s.Source, At: s.At, Wording: s.Wording}
	return yes, stated(yes, "consent.", now)
}

// stated refuses a statement, naming the field, which is the first word of what is wrong with it.
func stated(yes consent.Statement, prefix string, now time.Time) error {
	if err := yes.Check(now); err != nil {
		field, reason, _ := strings.Cut(err.Error(), " ")
		return invalid(prefix+field, reason)
	}
	return nil
}

func (c *calls) subscribers(ctx context.Context, in *struct {
	Paging
	Email string `query:"email" doc:"Only the person with this address."`
},
) (Page[Subscriber], error) {
	var found []subscribers.Subscriber
	var err error
	if in.Email == "" {
		found, err = c.People.Subscribers(ctx, in.Cursor.int(), in.Limit+1)
	} else {
		found, err = c.byEmail(ctx, in.Email)
	}
	return pageOf(in.Paging, found, func(p subscribers.Subscriber) int64 { return p.ID }, subscriberOf), err
}

func (c *calls) byEmail(ctx context.Context, email string) ([]subscribers.Subscriber, error) {
	a, err := address.Parse(email)
	if err != nil {
		return nil, onField("email", err)
	}
	p, err := c.People.SubscriberByKey(ctx, a.Key())
	if errors.Is(err, database.ErrNotFound) {
		return nil, nil
	}
	return []subscribers.Subscriber{p}, err
}

func (c *calls) subscriber(ctx context.Context, in *ByID) (Subscriber, error) {
	p, err := c.People.Subscriber(ctx, in.id())
	if err != nil {
		return Subscriber{}, err
	}
	subs, err := c.People.Subscriptions(ctx, p.ID)
	out := subscriberOf(p)
	for _, s := range subs {
		out.Subscriptions = append(out.Subscriptions, Subscription{idOf(s.ListID), string(s.Status), at(s.ConfirmedAt), at(s.ChangedAt)})
	}
	return out, err
}

func (c *calls) listSubscribers(ctx context.Context, in *struct {
	ByID
	Paging
	Status string `query:"status" enum:"pending,confirmed,unsubscribed"`
},
) (Page[Subscribed], error) {
	if _, err := c.People.List(ctx, in.id()); err != nil {
		return Page[Subscribed]{}, err
	}
	found, err := c.People.Listed(ctx, in.id(), subscribers.Status(in.Status), in.Cursor.int(), in.Limit+1)
	return pageOf(in.Paging, found, func(p subscribers.Listed) int64 { return p.ID }, func(p subscribers.Listed) Subscribed {
		return Subscribed{Subscriber: subscriberOf(p.Subscriber), ListID: idOf(in.id()), Status: string(p.Status), ConfirmedAt: at(p.ConfirmedAt)}
	}), err
}
