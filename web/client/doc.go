// Package client speaks to a running facteur over its API, for the commands
// that must go through the server (law 10) and for the rig.
package client
