// Package access is who may do what: API tokens with their scopes, and the
// answers kept for calls that are repeated under an Idempotency-Key.
//
// A token is shown once, when it is made; the database keeps its SHA-256.
// [Store.Check] turns a bearer into an [Actor], whose name goes into the
// journal and whose scopes each route asks for. The token of the settings,
// if there is one, is the actor "admin" and has every scope.
//
// A kept answer ([Reply]) is written in the transaction of its effect, so
// that a call is either done and remembered or neither:
//
//	Claim ──mine──▶ effect ──▶ Keep        Claim ──not mine──▶ the kept answer
package access
