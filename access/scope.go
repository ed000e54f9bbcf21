package access

import (
	"fmt"
	"slices"
	"strings"
)

// All is the scope that stands for every other.
const All = "*"

// subjects are what scopes are about; each has a :read and a :write.
var subjects = [...]string{"lists", "subscribers", "campaigns", "relays", "domains", "senders", "throttles", "tokens", "stop", "suppressions", "privacy", "keys", "feedback", "webhooks"}

// readings are what can only be read.
var readings = [...]string{"status", "metrics"}

// Scopes are all scopes that a token may have, [All] first.
func Scopes() []string {
	scopes := []string{All}
	for _, s := range subjects {
		scopes = append(scopes, s+":read", s+":write")
	}
	for _, s := range readings {
		scopes = append(scopes, s+":read")
	}
	return scopes
}

// Actor is who makes a call.
type Actor struct {
	Name   string // "token:ID" or "admin", as the journal names it
	Scopes []string
}

// May tells whether the actor has a scope. Writing does not include reading.
func (a Actor) May(scope string) bool {
	return slices.Contains(a.Scopes, scope) || slices.Contains(a.Scopes, All)
}

// Invalid is a value that cannot be stored, with the field it came in.
type Invalid struct {
	Field  string
	Reason string
}

func (e *Invalid) Error() string { return e.Field + ": " + e.Reason }

// checkScopes refuses what is no scope, and nothing at all.
func checkScopes(scopes []string) error {
	if len(scopes) == 0 {
		return &Invalid{"scopes", "is empty: name at least one of " + strings.Join(Scopes(), ", ")}
	}
	for _, s := range scopes {
		if !slices.Contains(Scopes(), s) {
			return &Invalid{"scopes", fmt.Sprintf("%q is unknown: want some of %s", s, strings.Join(Scopes(), ", "))}
		}
	}
	return nil
}
