// Package servicestest gives a test a real server of its own, for tests that
// kill, suspend or empty it. Tests that only use a server share the one whose
// URL command services puts into the environment.
package servicestest
