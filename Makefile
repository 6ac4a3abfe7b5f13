# 天威通: everything a developer or CI does. `make help` lists it.
.PHONY: help setup build web run demo test test-go test-web check generate lint manual lighthouse bench fuzz attack cover clean
GO ?= go
PKG := ./...
export GOFLAGS ?= -buildvcs=false

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## install what building and testing need (apt-get as root; says what it does)
	@./scripts/setup.sh

build: web ## build the pages and bin/tianweitong
	$(GO) build -trimpath -o bin/tianweitong ./cmd/tianweitong

# The pages are built when a source of theirs is newer than they are.
WEB := $(shell find go.mod web cmd/phonewasm phone splitkey pki scripts/web.sh scripts/wasm.sh scripts/compress.mjs \
	\( -name node_modules -o -name dist -o -name e2e -o -path web/phone/public/core \) -prune -o -type f ! -name '*_test.go' ! -name '*.test.*' -print 2>/dev/null)

web: web/phone/dist/.built ## build the pages alone

web/phone/dist/.built: $(WEB)
	@./scripts/web.sh

# LAN=1 serves by https on the local network, for a real phone.
run: ## set up, build and start everything: app, sandbox panel, a trading platform (LAN=1 for a real phone)
	@./scripts/setup.sh run
	@test -x bin/tianweitong || echo "Building; the first time takes a few minutes."
	@$(MAKE) --no-print-directory build
	./bin/tianweitong serve --demo-platform --log warn $(if $(LAN),--lan)

demo: build ## walk the whole chain against an in-process server
	./bin/tianweitong demo

test: setup check build test-web test-go ## set up and run every test (what CI runs)

check: ## formatting, vet, generated code
	@./scripts/web.sh packages
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "run gofmt on:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet $(PKG)
	@$(MAKE) --no-print-directory generate
	@git diff --exit-code -- internal/store/db docs/openapi web/shared/src/api/schema.d.ts web/shared/src/api/console.d.ts || { echo "generated code differs: commit what 'make generate' wrote"; exit 1; }

test-go: ## every Go test, with one PostgreSQL server for all packages; journeys in a browser among them
	@mkdir -p bin && rm -f bin/unsteady.log
	TWT_REQUIRE_BROWSER=1 TWT_UNSTEADY=$(CURDIR)/bin/unsteady.log $(GO) run ./test/withpg $(GO) test -count=1 -timeout 20m $(PKG); \
	code=$$?; test ! -f bin/unsteady.log || cat bin/unsteady.log; exit $$code

test-web: web ## types, lint and unit tests of the pages
	npm --prefix web run --silent check
	npm --prefix web run --silent lint
	npm --prefix web run --silent test

manual: web ## take the manual's pictures anew (needs ImageMagick's convert)
	@command -v convert >/dev/null || { echo "ImageMagick's convert is missing: apt-get install imagemagick"; exit 1; }
	@./scripts/manual.sh

lighthouse: build ## performance and accessibility of the first screen (median of 3; nothing is asserted)
	@./scripts/lighthouse.sh

generate: ## regenerate sqlc's code, the OpenAPI documents and the pages' types of them
	@./scripts/web.sh packages
	CGO_ENABLED=0 $(GO) -C tools tool sqlc generate -f ../internal/store/sqlc.yaml
	$(GO) run ./cmd/tianweitong openapi --out docs/openapi
	npm --prefix web run --silent types

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
	rm -rf bin data web/phone/public/core web/phone/src/core/built.json web/phone/src/core/wasm_exec.js
	find web/phone/dist web/sandbox/dist web/console/dist -mindepth 1 ! -name .keep -delete
