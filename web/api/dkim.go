package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/sending"
)

// DKIMKey is a key that signs a domain's mail, did or will.
type DKIMKey struct {
	Selector  string `json:"selector" example:"facteur1-rsa"`
	Algorithm string `json:"algorithm" enum:"rsa,ed25519"`
	State     string `json:"state" enum:"next,active,retired" doc:"next: to be published and activated; active: signs; retired: signs no more."`
}

// domainWith is a domain with its keys and all that must be published.
func (c *calls) domainWith(ctx context.Context, s *sending.Store, d sending.Domain, ips []string) (Domain, error) {
	out := c.domainOf(d, ips)
	out.Keys = []DKIMKey{}
	keys, err := s.Keys(ctx, d.ID)
	for _, k := range keys {
		out.Keys = append(out.Keys, DKIMKey{k.Selector, string(k.Algorithm), string(k.State)})
		if r := k.Record(d.Name, c.DB.Now()); r != nil && d.DKIM {
			out.DNS = append(out.DNS, Record{r.Name, r.Type, r.Value, r.Why})
		}
	}
	return out, err
}

// wholeDomain reads a domain with all that belongs to it.
func (c *calls) wholeDomain(ctx context.Context, s *sending.Store, id int64) (Domain, error) {
	d, err := s.Domain(ctx, id)
	if err != nil {
		return Domain{}, err
	}
	ips, err := egressIPs(ctx, s)
	if err != nil {
		return Domain{}, err
	}
	return c.domainWith(ctx, s, d, ips)
}

// rotateDKIM makes a domain's next keys.
func (c *calls) rotateDKIM(ctx context.Context, tx *database.Tx, in *ByID) (Domain, error) {
	d, err := c.Sending.With(tx).Domain(ctx, in.id())
	if err != nil {
		return Domain{}, err
	}
	if err := c.Sending.MakeKeys(ctx, tx, d); err != nil {
		return Domain{}, err
	}
	return c.wholeDomain(ctx, c.Sending.With(tx), d.ID)
}

// Activation says how sure one must be that others find the new keys.
type Activation struct {
	Unseen bool `json:"unseen,omitempty" doc:"Sign with the new keys even if their records cannot be seen from here. Mail signed with a key that nobody finds is distrusted."`
}

// activateDKIM lets the next keys sign, once they are seen in DNS.
func (c *calls) activateDKIM(ctx context.Context, in *struct {
	ByID
	Body *Activation
},
) (func(context.Context, *database.Tx) (Domain, error), error) {
	d, err := c.Sending.Domain(ctx, in.id())
	if err != nil {
		return nil, err
	}
	keys, err := c.Sending.Keys(ctx, d.ID)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if k.State != sending.NextKey || in.Body != nil && in.Body.Unseen {
			continue
		}
		r := k.Record(d.Name, c.DB.Now())
		if fault := c.unseen(ctx, r); fault != "" {
			return nil, problem(http.StatusConflict, "key_not_published", fmt.Sprintf("TXT %s: %s; publish %s there, or say unseen", r.Name, fault, r.Value))
		}
	}
	return func(ctx context.Context, tx *database.Tx) (Domain, error) {
		if err := c.Sending.ActivateKeys(ctx, tx, d); err != nil {
			return Domain{}, err
		}
		return c.wholeDomain(ctx, c.Sending.With(tx), d.ID)
	}, nil
}

// unseen says why a record is not found in DNS as it should be; "" if it is.
func (c *calls) unseen(ctx context.Context, r *sending.Record) string {
	c.DNS.Forget(r.Name)
	found, err := c.DNS.TXT(ctx, r.Name)
	same := func(text string) bool {
		return strings.ReplaceAll(text, " ", "") == strings.ReplaceAll(r.Value, " ", "")
	}
	switch {
	case errors.Is(err, address.ErrNoAnswer):
		return "DNS gives no answer"
	case err != nil || len(found) == 0:
		return "there is none"
	case !slices.ContainsFunc(found, same):
		return fmt.Sprintf("it is another, %.60q", found[0])
	}
	return ""
}

// setDKIM chooses who signs a domain's mail.
func (c *calls) setDKIM(ctx context.Context, in *struct {
	ByID
	Body struct {
		DKIM bool `json:"dkim" doc:"false: the domain's relays sign."`
	}
},
) (out Domain, err error) {
	err = c.DB.Write(ctx, func(tx *database.Tx) error {
		d, err := c.Sending.With(tx).Domain(ctx, in.id())
		if err != nil {
			return err
		}
		if _, err := c.Sending.SetDKIM(ctx, tx, d, in.Body.DKIM); err != nil {
			return err
		}
		out, err = c.wholeDomain(ctx, c.Sending.With(tx), d.ID)
		return err
	})
	return out, err
}
