// Package call is one HTTP call as every door sees it: its number, who makes
// it from where, how often they may, and whether the server is about to end.
package call
