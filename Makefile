# What can be done here; CONTRIBUTING.md says when. Every module is built by its own go.mod, as its users build it, so
# that what passes here does not lean on the workspace.

MODULES := . grpclimit server bench tools

# What make run stores in: memory, or an address such as redis://127.0.0.1:6379.
STORE := memory
# What make mutants, make matrix and the fuzz tests are confined to: a regular expression.
ONLY :=
# Which share of the faults make mutants applies, such as 2/6 of 0/6 to 5/6; all of them unless said.
SHARE :=
# How long make check runs each fuzz test, such as 1m; none unless said.
FUZZ :=
# Where make vulnerabilities finds the database, such as file:///var/lib/vulndb; https://vuln.go.dev unless said.
VULNDB := https://vuln.go.dev
# More arguments for go test and for the benchmarks.
TESTFLAGS :=
BENCHFLAGS :=
# How long make chaos takes, the seed of its faults (0 for a new one), which topologies, and a fault of the product that it
# must see: charge-on-refusal, forget-an-expiry, run-a-tick-twice, take-the-whole-share, keep-an-old-certificate or
# keep-an-old-token.
CHAOS := 3m
SEED := 0
TOPOLOGY := single,sentinel,cluster
BREAK :=

export GOWORK := off
export PATH := $(CURDIR)/.tools:$(PATH)

# in_each runs a command in every module.
in_each = @set -e; for m in $(MODULES); do echo "in $$m: $(1)"; (cd $$m && $(1)); done

.PHONY: help build run test e2e chaos check vulnerabilities mutants matrix bench generate linters

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "%-16s%s\n", $$1, $$2}' Makefile

build: ## build bin/sluice
	cd server && go build -o ../bin/sluice ./cmd/sluice

run: build ## serve on 127.0.0.1:8080 with example policies; STORE=redis://127.0.0.1:6379 keeps state there
	bin/sluice serve --store '$(STORE)'

# Under the race detector a tenth of the sequences is generated that stores are compared by; without it, all.
test: ## run every test of every module, with the race detector; installs redis-server where it is missing
	@sh tools/install.sh .tools
	$(call in_each,go test -race -timeout 20m $(TESTFLAGS) ./...)
	go test -timeout 20m -run '^Test(Conformance(BehindADenyCache)?|EqualsMemory)$$' -skip /in_real_time $(TESTFLAGS) ./store/memstore ./store/redisstore

e2e: ## try every door with real proxies and clients, which it brings into .tools/programs; Debian on x86-64 only
	@sh tools/install.sh .tools
	cd tools && go run ./programs -into ../.tools/programs
	cd server && go test -race -count=1 -tags e2e -timeout 15m $(TESTFLAGS) ./e2e/doors

chaos: ## break real servers on real Redis for three minutes, and check all that they answer; CHAOS=1h for longer, SEED=N to repeat
	@sh tools/install.sh .tools
	cd server && go build -o ../bin/chaos ./e2e/chaos && exec ../bin/chaos -for '$(CHAOS)' -seed '$(SEED)' -topology '$(TOPOLOGY)' -break '$(BREAK)'

check: linters ## what must hold of the sources without running them: form, vet, dependencies, generated files, links, faults that are stale; FUZZ=1m runs every fuzz test for so long
	@echo gofumpt -l .; files=$$(gofumpt -l .); test -z "$$files" || { echo "gofumpt -w would change:" $$files; exit 1; }
	$(call in_each,go mod tidy -diff)
	$(call in_each,go build -o /dev/null ./...)
	$(call in_each,go vet -tags e2e ./...)
	$(call in_each,staticcheck -tags e2e -checks all ./...)
	@echo make generate, in a copy; copy=$$(mktemp -d); trap 'rm -rf "$$copy"' EXIT; set -e; \
		tar -cf - --exclude=./.git --exclude=./.tools --exclude=./bin . | tar -xf - -C "$$copy"; \
		$(MAKE) -s -C "$$copy" generate; \
		diff -r -x .git -x .tools -x bin . "$$copy" || { echo "generated files differ: run make generate"; exit 1; }
	cd tools && go run ./links
	cd tools && go run ./mutants -list >/dev/null
	$(if $(FUZZ),cd tools && go run ./fuzz -for '$(FUZZ)' -only '$(ONLY)')

vulnerabilities: linters ## look for known vulnerabilities in what every module calls, by govulncheck; needs Go's vulnerability database, VULNDB=file:///DIR for a copy of it
	$(call in_each,govulncheck -db '$(VULNDB)' ./...)

mutants: ## apply named faults to a copy, one after the other, and see the tests fail on each; ONLY=REGEXP for some, SHARE=0/6 for a sixth
	@sh tools/install.sh .tools
	cd tools && go run ./mutants -only '$(ONLY)' -share '$(SHARE)'

matrix: ## run the store's tests on every version of Redis and Valkey that is supported; ONLY=REGEXP for some
	cd tools && go run ./matrix -only '$(ONLY)'

bench: ## measure this library and others side by side, and write docs/benchmarks.md; BENCHFLAGS=-short for a first look
	@sh tools/install.sh .tools
	@command -v h2load >/dev/null || (cd tools && go run ./programs -into ../.tools/programs -only '^h2load$$')
	cd bench && go run . -docs ../docs $(BENCHFLAGS)

generate: ## write the generated files again
	$(call in_each,go generate ./...)

linters:
	@cd tools && GOBIN='$(CURDIR)/.tools' go install tool
