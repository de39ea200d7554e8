# make build   builds ./headwater
# make run     starts a demo: a live event fed from a clip, with a page to watch it on; Ctrl-C ends it
# make test    installs what the tests need and is missing, then runs everything
# make soak    24 hours of media in fake time with a random fault at every turn, 10 real minutes over sockets, 200 kills,
#              10 minutes with every player, a recording of 10 minutes taken away
# make dist    packages, with checksums and bills of materials, in dist/
# make vuln    looks for known weaknesses in what is called
# make check   the static checks alone
# make short   the tests that need nothing but Go
# make demo-clip, make players   make testdata/demo.flv, and what the pages have from npm, anew

GO ?= go
SOURCES := $(shell find . -name '*.go' -not -path './node_modules/*') go.mod go.sum $(wildcard internal/watch/page/* internal/watch/vendor/* internal/console/page/* internal/console/vendor/*)

.PHONY: all build run test setup check short bench soak dist vuln demo-clip players clean

all: build

build: headwater

headwater: $(SOURCES)
	$(GO) build -trimpath -o $@ ./cmd/headwater

run: build
	./scripts/demo.sh

# The end-to-end tests come last and alone: some of them measure time.
test: setup check
	$(GO) test -race -timeout 10m $$($(GO) list ./... | grep -v /internal/e2e$$)
	$(GO) test -race -parallel 3 -timeout 12m ./internal/e2e

setup:
	./scripts/setup.sh

# The import rules first: they explain most of what else would fail.
check:
	$(GO) test ./internal/archtest
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "not formatted by gofmt:"; echo "$$out"; exit 1; }

short:
	$(GO) test -short ./...

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

soak:
	HEADWATER_SOAK=24h HEADWATER_SOAK_REAL=10m $(GO) test -v -timeout 1h -run 'TestSoak$$|TestRealSoak$$' ./internal/node
	HEADWATER_KILLS=200 $(GO) test -v -timeout 2h -run 'TestRandomKills$$' ./internal/e2e
	HEADWATER_PLAY=10m $(GO) test -v -timeout 30m -run 'TestPlay$$' ./internal/e2e
	HEADWATER_EXPORT=10m $(GO) test -v -timeout 1h -run 'TestExport$$' ./internal/e2e

dist:
	./scripts/dist.sh

vuln:
	./scripts/vuln.sh

demo-clip:
	./scripts/make-demo-clip.sh

players:
	./scripts/vendor-players.sh

clean:
	rm -f headwater
