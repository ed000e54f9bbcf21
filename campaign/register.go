package campaign

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"html/template"
	"slices"

	"facteur/subscribers"
	"facteur/subscribers/consent"
)

// Register is the register of processing activities (GDPR art. 30) as far as
// this installation can know it. What only people know is marked.
type Register struct {
	MadeAt         string                `json:"made_at"`
	Controllers    []RegisterController  `json:"controllers"`
	Purposes       []RegisterPurpose     `json:"purposes"`
	DataSubjects   string                `json:"categories_of_data_subjects"`
	DataCategories []string              `json:"categories_of_personal_data"`
	Recipients     []RegisterRecipient   `json:"recipients"`
	Transfers      string                `json:"transfers_to_third_countries"`
	Retention      subscribers.Retention `json:"erasure_time_limits"`
	Security       []string              `json:"security_measures"`
}

// RegisterController is as whom mails are sent.
type RegisterController struct {
	Name          string `json:"name"`
	Email         string `json:"email"`
	PostalAddress string `json:"postal_address"`
}

// RegisterPurpose is a list and why its people may be mailed.
type RegisterPurpose struct {
	List   string           `json:"list"`
	People int64            `json:"people"`
	OptIn  string           `json:"opt_in"`
	Bases  map[string]int64 `json:"legal_bases"` // yeses by basis
}

// RegisterRecipient is who else gets to see addresses: a relay.
type RegisterRecipient struct {
	Name     string `json:"name"`
	Host     string `json:"host"`
	Security string `json:"transport_security"`
}

// registerSample is how many people's attributes are looked at for their names.
const registerSample = 5000

// Register gathers the register from what is set up and stored.
func (s *Store) Register(ctx context.Context) (Register, error) {
	r := Register{
		MadeAt: moment(s.db.Now().UnixMilli()), Controllers: []RegisterController{}, Purposes: []RegisterPurpose{}, Recipients: []RegisterRecipient{},
		DataSubjects: "people who signed up to lists, or were brought with a stated basis",
		Transfers:    "none by facteur itself; to be completed for the relays above",
		DataCategories: []string{
			"e-mail address, name, language, time zone", "what was agreed to, when, by which form, from which network address and browser", "which mails were sent, and what the receiving server answered",
			"what was left, and the reason if one was given",
		},
		Security: []string{
			"consents in an append-only, hash-chained and signed ledger", "passwords, private keys and tokens sealed or hashed", "links in mails are signed and carry no address",
			"no tracking pixel, no rewritten link", "logs without addresses", "every change in a journal with its actor",
		},
	}
	for _, step := range []func(context.Context, *Register) error{s.registerSenders, s.registerLists, s.registerAttributes} {
		if err := step(ctx, &r); err != nil {
			return Register{}, err
		}
	}
	var err error
	r.Retention, err = s.people.Retention(ctx)
	return r, err
}

func (s *Store) registerSenders(ctx context.Context, r *Register) error {
	senders, err := s.senders.Senders(ctx)
	if err != nil {
		return err
	}
	for _, v := range senders {
		r.Controllers = append(r.Controllers, RegisterController{Name: v.FromName, Email: v.FromEmail, PostalAddress: v.PostalAddress})
	}
	relays, err := s.senders.Relays(ctx)
	for _, v := range relays {
		r.Recipients = append(r.Recipients, RegisterRecipient{Name: v.Name, Host: v.Host, Security: string(v.Security)})
	}
	return err
}

func (s *Store) registerLists(ctx context.Context, r *Register) error {
	bases, err := consent.CountBases(ctx, s.q)
	if err != nil {
		return err
	}
	for after := int64(0); ; {
		lists, err := s.people.Lists(ctx, after, 500)
		if err != nil || len(lists) == 0 {
			return err
		}
		for _, l := range lists {
			after = l.ID
			sizes, err := s.people.Sizes(ctx, l.ID)
			if err != nil {
				return err
			}
			p := RegisterPurpose{List: l.Name, OptIn: string(l.OptIn), People: sizes[subscribers.Confirmed], Bases: bases[l.ID]}
			if p.Bases == nil {
				p.Bases = map[string]int64{}
			}
			r.Purposes = append(r.Purposes, p)
		}
	}
}

func (s *Store) registerAttributes(ctx context.Context, r *Register) error {
	people, err := s.people.Subscribers(ctx, 0, registerSample)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, p := range people {
		var attributes map[string]json.RawMessage
		if json.Unmarshal([]byte(p.Attributes), &attributes) != nil {
			continue
		}
		for name := range attributes {
			seen[name] = true
		}
	}
	var names []string
	for name := range seen {
		names = append(names, "attribute: "+name)
	}
	slices.Sort(names)
	r.DataCategories = append(r.DataCategories, names...)
	return nil
}

//go:embed register.html
var registerText string

// HTML is the register as a page.
func (r Register) HTML() ([]byte, error) {
	t, err := template.New("register").Parse(registerText)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, r)
	return b.Bytes(), err
}
