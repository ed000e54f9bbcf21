// Package rig runs the real binary from outside, as an operator would, for
// the drills and the benchmarks: it builds it, starts and kills processes,
// and speaks to the API.
package rig
