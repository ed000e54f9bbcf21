package throttle

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"facteur/internal/address"
)

// ErrScope is a scope that limits cannot be set for.
var ErrScope = errors.New("unknown scope")

// The scopes without a name of their own.
const (
	AllScope     = "all"     // everything that leaves
	DefaultScope = "default" // every lane that has no limit of its own, nor one of its provider
)

// The kinds of scopes that name something.
const (
	relayScope    = "relay"
	domainScope   = "domain"
	providerScope = "provider" // every lane of a provider that has no limit of its own
	laneScope     = "lane"
	campaignScope = "campaign"
)

// scopeForms are how scopes are written.
const scopeForms = "all, default, relay:ID, domain:NAME, provider:NAME, lane:NAME/PROVIDER or campaign:ID"

// ParseScope reads a scope and returns its one spelling. known says which
// providers there are.
func ParseScope(text string, known func(provider string) bool) (string, error) {
	kind, name, named := strings.Cut(text, ":")
	bad := func(why string) error {
		return fmt.Errorf("scope %q: %s: %w: want %s", text, why, ErrScope, scopeForms)
	}
	switch {
	case !named && (kind == AllScope || kind == DefaultScope):
		return kind, nil
	case !named:
		return "", bad("no such scope")
	case kind == relayScope || kind == campaignScope:
		id, err := strconv.ParseInt(name, 10, 64)
		if err != nil || id <= 0 {
			return "", bad(fmt.Sprintf("%q is no id", name))
		}
		return IDScope(kind, id), nil
	case kind == providerScope:
		if !known(name) {
			return "", bad(fmt.Sprintf("provider %q is unknown", name))
		}
		return text, nil
	case kind == domainScope || kind == laneScope:
		domain, provider, slash := strings.Cut(name, "/")
		a, err := address.Parse("postmaster@" + domain)
		switch {
		case err != nil:
			return "", bad(fmt.Sprintf("%q is no domain", domain))
		case kind == domainScope && !slash:
			return domainScope + ":" + a.Domain(), nil
		case kind == domainScope:
			return "", bad("a domain has no slash")
		case !known(provider):
			return "", bad(fmt.Sprintf("provider %q is unknown", provider))
		}
		return Lane{a.Domain(), provider}.Scope(), nil
	}
	return "", bad("no such scope")
}

// IDScope is the scope of a "relay" or a "campaign".
func IDScope(kind string, id int64) string { return kind + ":" + strconv.FormatInt(id, 10) }

// RelayScope is a relay's scope.
func RelayScope(id int64) string { return IDScope(relayScope, id) }

// CampaignScope is a campaign's scope.
func CampaignScope(id int64) string { return IDScope(campaignScope, id) }

// DomainScope is a sending domain's scope.
func DomainScope(name string) string { return domainScope + ":" + name }

// Scope is the lane's own scope.
func (l Lane) Scope() string { return laneScope + ":" + l.Domain + "/" + l.Provider }
