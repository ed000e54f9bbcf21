// Command services runs a command with the real servers that tests need beside
// it:
//
//	go run ./cmd/services [--need postgres,redis] [--no-install] -- COMMAND ARGS…
//
// It installs what is missing from Debian's packages if it may (as root, or by
// sudo without a password), starts the servers on free loopback ports in
// temporary folders, puts their URLs into the environment
// (FACTEUR_TEST_POSTGRES_URL, FACTEUR_TEST_REDIS_URL), runs the command, stops
// the servers and ends with the command's exit code. A variable that is set
// already is kept, and no server is started for it.
//
// What is missing and may not be installed is named, one line each, and the
// command runs without it. With CI=true that is a failure: exit code 1, and the
// command does not run.
package main
