# 天威通: everything a developer or CI does. `make help` lists it.
.PHONY: help setup build run demo test test-go check generate lint bench fuzz attack cover clean
GO ?= go
PKG := ./...
export GOFLAGS ?= -buildvcs=false

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## install what building and testing need (apt-get as root; says what it does)
	@./scripts/setup.sh

build: ## build bin/tianweitong
	$(GO) build -trimpath -o bin/tianweitong ./cmd/tianweitong

run: ## set up, build and start the product embedded (SQLite, own CAs, sandbox providers)
	@./scripts/setup.sh run
	@test -x bin/tianweitong || echo "Building; the first time takes a few minutes."
	@$(MAKE) --no-print-directory build
	./bin/tianweitong serve

demo: build ## walk the whole chain against an in-process server
	./bin/tianweitong demo

test: setup check test-go ## set up and run every test (what CI runs)

check: ## formatting, vet, generated code
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "run gofmt on:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet $(PKG)
	@$(MAKE) --no-print-directory generate
	@git diff --exit-code -- internal/store/db docs/openapi || { echo "generated code differs: commit what 'make generate' wrote"; exit 1; }

test-go: ## every Go test, with one PostgreSQL server for all packages
	$(GO) run ./test/withpg $(GO) test -count=1 -timeout 10m $(PKG)

generate: ## regenerate sqlc's code and the OpenAPI documents
	CGO_ENABLED=0 $(GO) -C tools tool sqlc generate -f ../internal/store/sqlc.yaml
	$(GO) run ./cmd/tianweitong openapi --out docs/openapi

lint: ## gofmt, vet, staticcheck
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))"
	$(GO) vet $(PKG)
	$(GO) -C tools tool staticcheck -version >/dev/null && cd tools && $(GO) build -o ../bin/staticcheck honnef.co/go/tools/cmd/staticcheck && cd .. && ./bin/staticcheck $(PKG)

bench: build ## print the table of figures (nothing is asserted on time)
	@./scripts/bench.sh

fuzz: ## fuzz every decoder for FUZZTIME each (default 30s)
	@./scripts/fuzz.sh

attack: ## the long forms of the protocol's and the fault tests
	SPLITKEY_FULL=1 $(GO) test -count=1 -timeout 60m ./splitkey/...
	TWT_LONG=1 $(GO) run ./test/withpg $(GO) test -count=1 -timeout 120m ./test/fault ./internal/custody/...

cover: ## coverage of everything
	$(GO) run ./test/withpg $(GO) test -count=1 -coverprofile=bin/cover.out -coverpkg=$(PKG) $(PKG) && $(GO) tool cover -func=bin/cover.out | tail -1

clean: ## remove what was built and the embedded data
	rm -rf bin data
