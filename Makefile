# facteur: "make help" lists what there is.

# What to look at; everything, unless said otherwise: make test PKG=./worker/...
PKG ?= ./...
# Packages under the race detector.
RACE ?= $(PKG)
# More flags for go test: make test FLAGS='-run Scheduler -v'
FLAGS ?=
# How often each test runs. Never 0 times: a cached answer of a test that talks
# to a server says nothing.
COUNT ?= 1
# How many tests of a package run at once: most wait more than they work.
PARALLEL ?= 4
# Patience with one package's tests.
TIMEOUT ?= 20m
# How long each fuzz target runs.
FUZZTIME ?= 1m
# How many people make month mails.
RECIPIENTS ?= 1000000
# Arguments of demo, drill and bench: make drill ARGS='...'
ARGS ?=

# SQLite is compiled with these: to sync data without the file's times where the
# system can, and without counting its memory under a lock.
export CGO_CFLAGS ?= -O2 -g -DHAVE_FDATASYNC=1 -DSQLITE_DEFAULT_MEMSTATUS=0

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

services := go run ./cmd/services
tool := go tool -modfile=internal/tools/go.mod

.DEFAULT_GOAL := build
.DELETE_ON_ERROR:

.PHONY: help
help: ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: compiler ## bin/facteur
	CGO_ENABLED=1 go build -trimpath -buildvcs=false -ldflags '-X main.version=$(VERSION)' -o bin/facteur ./cmd/facteur

.PHONY: demo
demo: build ## a sample campaign to a sandbox, all in one process; ARGS=--exit ends after it
	bin/facteur demo $(ARGS)

.PHONY: test
test: ## all tests, with the real servers they need (CI=true: nothing may be skipped)
	$(services) -- go test -count=$(COUNT) -parallel=$(PARALLEL) -timeout=$(TIMEOUT) $(FLAGS) $(PKG)

.PHONY: race
race: ## all tests under the race detector
	$(services) -- go test -race -count=$(COUNT) -parallel=$(PARALLEL) -timeout=$(TIMEOUT) $(FLAGS) $(RACE)

.PHONY: check
check: format vet staticcheck tidy layout ## format, vet, staticcheck, modules, layout of packages

.PHONY: fuzz
fuzz: compiler ## each fuzz target for FUZZTIME=1m
	@set -eu; \
	listed=$$(go test -list '^Fuzz' $(PKG)); \
	targets=$$(echo "$$listed" | awk '/^Fuzz/ { found[n++] = $$1 } \
		/^ok/ { for (i = 0; i < n; i++) print $$2 ":" found[i]; n = 0 }'); \
	if [ -z "$$targets" ]; then echo 'fuzz: no fuzz target in $(PKG)' >&2; exit 1; fi; \
	failed=; \
	for target in $$targets; do \
		echo "fuzz $$target"; \
		go test -run '^$$' -fuzz "^$${target##*:}\$$" -fuzztime $(FUZZTIME) "$${target%:*}" || failed="$$failed $$target"; \
	done; \
	if [ -n "$$failed" ]; then echo "fuzz: failed:$$failed" >&2; exit 1; fi

.PHONY: cluster
cluster: build ## PostgreSQL, Redis, a sandbox and five processes on loopback, as docker-compose.yml has them, until Ctrl-C
	$(services) --need postgres,redis -- go run ./cmd/cluster

.PHONY: drill
drill: ## failures played through at full length
	$(services) --need postgres,redis -- go run ./cmd/drill $(ARGS)

.PHONY: month
month: compiler ## a warm-up of RECIPIENTS=1000000 people to three providers under a moved clock
	FACTEUR_MONTH_RECIPIENTS=$(RECIPIENTS) go test ./worker -count=1 -timeout 2h -run Month -v | grep -v level=

.PHONY: mutants
mutants: compiler ## the guards of the laws taken out one at a time: which test sees it; ARGS=WORD for some
	$(services) --need postgres,redis -- go run -C internal/tools ./mutants -root $(CURDIR) $(ARGS)

.PHONY: sheets
sheets: ## the pictures of docs/templates.md, with Chromium
	FACTEUR_SHEETS=$(CURDIR)/docs/templates go test ./campaign/templates -count=1 -run ContactSheets -v

.PHONY: bench
bench: ## speed, side by side with the peers
	$(services) --need postgres,redis -- go run ./cmd/bench $(ARGS)

.PHONY: clean
clean: ## remove what was built
	rm -rf bin

# The parts of check, each of use alone.

.PHONY: format
format:
	@unformatted=$$($(tool) gofumpt -l .) && if [ -n "$$unformatted" ]; then \
		echo "not formatted; run: $(tool) gofumpt -w ."; echo "$$unformatted"; exit 1; fi

.PHONY: vet
vet: compiler
	go vet $(PKG)
	go vet -tags drill ./cmd/facteur

.PHONY: staticcheck
staticcheck: compiler
	$(tool) staticcheck $(PKG)

.PHONY: tidy
tidy:
	go mod tidy -diff

# The table of allowed imports is a test; no test would be a pass, so look first.
.PHONY: layout
layout: compiler
	@go test -list '^TestLayout' ./cmd/facteur | grep -q '^TestLayout' || \
		{ echo 'layout: cmd/facteur has no TestLayout...' >&2; exit 1; }
	go test -count=1 -run '^TestLayout' ./cmd/facteur

.PHONY: compiler
compiler:
	@command -v $$(go env CC) >/dev/null || \
		{ echo "no C compiler ($$(go env CC)); SQLite is built with it: apt-get install build-essential" >&2; exit 1; }
