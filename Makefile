# make test needs Go and make. The other targets install the programs that they compare with, at the versions below,
# into the user's cache directory.

GO      ?= go
CACHE   ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/core-pipeline-cmp
BIN     := bin

HELM3_VERSION     := v3.22.0
HELM4_VERSION     := v4.3.1
KUSTOMIZE_VERSION := v5.8.2
GOLANGCI_VERSION  := v2.15.0
HELM_DOCS_VERSION := v1.14.2
PROMTOOL_VERSION  := v0.316.0
KUBE_SCORE_VERSION := v1.20.0
KUBECONFORM_VERSION := v0.8.0
HELM_UNITTEST_VERSION := v1.1.2
ACTIONLINT_VERSION := v1.7.12
# Built by test/workflows, which types docs/promotion.md.
YQ_VERSION        := v4.54.2
GOVULNCHECK_VERSION := v1.9.0
# The newest that can be built from its module with the Go of this project.
GORELEASER_VERSION := v2.15.1
CYCLONEDX_VERSION := v1.10.0
COSIGN_VERSION    := v3.1.3
BUF_VERSION       := v1.75.0
PROTOC_GEN_GO_VERSION      := v1.36.12
PROTOC_GEN_GO_GRPC_VERSION := v1.6.2
# Some programs, and Argo CD, need a newer Go than this module.
NEWER_GO          := go1.27.0

TOOLS     := $(CACHE)/tools
HELM3     := $(TOOLS)/helm-$(HELM3_VERSION)/helm
HELM4     := $(TOOLS)/helm-$(HELM4_VERSION)/helm
KUSTOMIZE := $(TOOLS)/kustomize-$(KUSTOMIZE_VERSION)/kustomize
HELM_DOCS := $(TOOLS)/helm-docs-$(HELM_DOCS_VERSION)/helm-docs
PROMTOOL  := $(TOOLS)/promtool-$(PROMTOOL_VERSION)/promtool
KUBE_SCORE := $(TOOLS)/kube-score-$(KUBE_SCORE_VERSION)/kube-score
KUBECONFORM := $(TOOLS)/kubeconform-$(KUBECONFORM_VERSION)/kubeconform
HELM_UNITTEST := $(TOOLS)/helm-unittest-$(HELM_UNITTEST_VERSION)/helm-unittest
ACTIONLINT := $(TOOLS)/actionlint-$(ACTIONLINT_VERSION)/actionlint
GOVULNCHECK := $(TOOLS)/govulncheck-$(GOVULNCHECK_VERSION)/govulncheck
GORELEASER := $(TOOLS)/goreleaser-$(GORELEASER_VERSION)/goreleaser
CYCLONEDX := $(TOOLS)/cyclonedx-gomod-$(CYCLONEDX_VERSION)/cyclonedx-gomod
COSIGN    := $(TOOLS)/cosign-$(COSIGN_VERSION)/cosign
PROTO     := $(TOOLS)/proto-$(BUF_VERSION)-$(PROTOC_GEN_GO_VERSION)-$(PROTOC_GEN_GO_GRPC_VERSION)
# Of the Go that it was built with, too: it refuses a module that asks for a newer one.
GOLANGCI  := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)-$(NEWER_GO)/golangci-lint

# The race detector needs a C compiler; without one the tests run without it.
RACE := $(if $(shell command -v cc 2>/dev/null),-race)

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build both programs into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/ ./cmd/...

.PHONY: test
test: ## Run the unit, golden, script, image and policy tests
	$(GO) vet ./...
	$(GO) test -timeout 30m $(RACE) $$($(GO) list ./... | grep -v -e /test/chart -e /test/serve -e /test/workflows)
	$(GO) test -timeout 30m ./test/serve # counts processes and measures waits: alone
	$(GO) test -timeout 30m ./test/chart ./test/workflows # render and run thousands of times, and have nothing to race

.PHONY: cross
cross: ## Build core-pipeline for the other systems people use
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 $(GO) build -trimpath -o /dev/null ./cmd/core-pipeline
	GOOS=windows GOARCH=amd64 CGO_ENABLED=0 $(GO) build -trimpath -o /dev/null ./cmd/core-pipeline

.PHONY: golden
golden: ## Rewrite the golden files; review the difference before committing it
	UPDATE_GOLDEN=1 $(GO) test ./plugin ./cmd/...

.PHONY: fuzz
fuzz: ## Run every fuzz target for a short time (FUZZTIME=30s)
	@set -e; for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
	    $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(or $(FUZZTIME),30s) -fuzzminimizetime 10x $$p; \
	  done; \
	done

.PHONY: lint
lint: $(GOLANGCI) ## Run golangci-lint and check that go.mod is tidy; the first time compiles Argo CD and Kubernetes
	$(GOLANGCI) run ./...
	$(GO) mod tidy -diff
	cd release && $(GOLANGCI) run --config ../.golangci.yml ./... && $(GO) mod tidy -diff
	$(E2E) $(GOLANGCI) run --config ../../.golangci.yml ./...
	$(E2E) $(GO) mod tidy -diff
	cd test/e2e/addons/certmanager && $(E2E_GO) $(GOLANGCI) run --config ../../../../.golangci.yml ./... && $(E2E_GO) $(GO) mod tidy -diff

.PHONY: workflows
workflows: $(ACTIONLINT) ## Check the workflows with actionlint and against the rules of this repository, and run their steps
	$(ACTIONLINT)
	$(GO) test -timeout 30m ./test/workflows

.PHONY: vuln
vuln: $(GOVULNCHECK) ## Look for known vulnerabilities in what is called; asks vuln.go.dev
	$(GOVULNCHECK) ./...
	cd release && $(GOVULNCHECK) ./...

.PHONY: parity
parity: $(HELM3) $(HELM4) $(KUSTOMIZE) ## Compare with the helm and kustomize programs
	HELM3=$(HELM3) HELM4=$(HELM4) KUSTOMIZE=$(KUSTOMIZE) PARITY_REQUIRED=1 \
	  $(GO) test -count=1 ./test/parity ./plugin/kustomize

.PHONY: chart
chart: $(HELM_DOCS) $(PROMTOOL) $(KUBE_SCORE) $(KUBECONFORM) $(HELM_UNITTEST) ## Check the chart's documentation, alerts, objects and rules with the programs made for that
	HELM_DOCS=$(HELM_DOCS) PROMTOOL=$(PROMTOOL) KUBE_SCORE=$(KUBE_SCORE) KUBECONFORM=$(KUBECONFORM) HELM_UNITTEST=$(HELM_UNITTEST) CHART_REQUIRED=1 $(GO) test -count=1 -timeout 30m -run 'Program' ./test/chart

.PHONY: chart-test
chart-test: $(HELM3) $(HELM4) $(HELM_UNITTEST) ## For authors of the chart: lint every environment with helm 3 and 4, run the unit tests and the schema's tests
	@set -e; for helm in $(HELM3) $(HELM4); do for env in dev staging prod test; do \
	  $$helm lint --strict --quiet charts/core-pipeline --values charts/core-pipeline/values-$$env.yaml; \
	done; done
	HELM_UNITTEST=$(HELM_UNITTEST) CHART_REQUIRED=1 $(GO) test -count=1 -run 'Schema|ProgramUnittest|Changelog' ./test/chart

.PHONY: monitoring
monitoring: $(PROMTOOL) ## Let the sidecar's alerts fire, and parse its dashboard, with promtool
	PROMTOOL=$(PROMTOOL) MONITORING_REQUIRED=1 $(GO) test -count=1 ./test/monitoring

.PHONY: chart-docs
chart-docs: $(HELM_DOCS) ## Rewrite the chart's README
	$(HELM_DOCS) --chart-search-root charts --template-files README.md.gotmpl --sort-values-order file

.PHONY: proto
proto: $(PROTO)/buf ## Rewrite the stubs of Argo CD's plugin contract
	cd plugin/cmpserver/cmppb && PATH=$(PROTO):$$PATH buf generate

# 10,000 requests take a minute or two; strace is a package of the system's.
.PHONY: soak
soak: ## Serve thousands of requests, 5 % of them hostile, and watch the system calls
	command -v strace >/dev/null || { apt-get update -q; apt-get install -y -q --no-install-recommends strace; }
	SOAK_REQUESTS=10000 SERVE_REQUIRED=1 $(GO) test -count=1 -timeout 30m -v -run 'TestSoak|TestSystemCalls' ./test/serve

# The clusters need root on Linux. Elsewhere `make e2e E2E_REQUIRED=` skips what cannot run there.
E2E_REQUIRED ?= 1
# The settings of programs.GoEnvironment, so that what tests, linters and programs have in common is compiled once.
E2E_GO := GOTOOLCHAIN=$(NEWER_GO) CGO_ENABLED=0 GOFLAGS="$$($(GO) env GOFLAGS) -gcflags=all=-dwarf=false"
E2E := cd test/e2e && $(E2E_GO)
# Compilers, linkers and the servers under test collect less garbage.
E2E_TESTS := HELM3=$(HELM3) HELM4=$(HELM4) E2E_REQUIRED=$(E2E_REQUIRED) $(E2E_GO) GOGC=400 $(GO) test -count=1 -p 1 -timeout 60m
# Not the criteria of the project's success, but what Argo CD does beyond them.
TRAPS := ^TestT[0-9]|^TestManyApplications|^TestHelm

.PHONY: e2e
e2e: $(HELM3) $(HELM4) e2e-packages ## Run the tests against the real Argo CD programs, a real kube-apiserver and clusters
	[ "$$(id -u)-$$(uname)" != 0-Linux ] || { $(E2E) GOGC=400 HELM4=$(HELM4) $(GO) run ./platform/e2e build; }
	cd test/e2e && $(E2E_TESTS) $(E2E_ALONE)
	$(MAKE) e2e-servers
	$(MAKE) e2e-criteria

# They boot clusters of their own. One part comes after the other: each keeps two processors busy, and beside each other
# waits of both run out on a slow machine.
E2E_ALONE := ./cluster ./gettingstarted

# Each test waits for what it claims, so that more than there are may begin at once.
.PHONY: e2e-criteria
e2e-criteria: $(HELM3) $(HELM4) ## The part of e2e that shows the ten criteria
	cd test/e2e && $(E2E_TESTS) -v -parallel 16 -skip '$(TRAPS)' ./live

# Three packages at once: those of the application wait for it most of their time.
.PHONY: e2e-servers
e2e-servers: $(HELM3) $(HELM4) ## The part of e2e that needs no cluster
	cd test/e2e && others=$$($(E2E_GO) $(GO) list ./... | grep -v -e /live$$ $(E2E_ALONE:./%=-e /%$$)) && $(E2E_TESTS) -p 3 $$others

.PHONY: e2e-traps
e2e-traps: $(HELM3) $(HELM4) e2e-packages ## Let happen on clusters what docs/traps.md says goes wrong
	cd test/e2e && $(E2E_TESTS) -v -run '$(TRAPS)' ./live

.PHONY: e2e-kind
e2e-kind: ## Type docs/getting-started.md with docker and kind
	cd test/e2e && E2E_KIND=1 E2E_REQUIRED=1 GOTOOLCHAIN=$(NEWER_GO) $(GO) test -count=1 -v -run TestGettingStarted ./gettingstarted

# One package after the other, because each test wants the cluster for itself.
.PHONY: e2e-kubeconfig
e2e-kubeconfig: $(HELM3) $(HELM4) ## Run what needs only an API server on the cluster of E2E_KUBECONFIG, and leave that as it was
	@[ -n "$(E2E_KUBECONFIG)" ] || { echo "E2E_KUBECONFIG does not name the kubeconfig file of a cluster" >&2; exit 1; }
	cd test/e2e && E2E_KUBECONFIG=$(abspath $(E2E_KUBECONFIG)) $(E2E_TESTS) -v ./apiserver ./appsets

# Without them, the tests say so.
.PHONY: e2e-packages
e2e-packages: ## Install the system's packages that the end-to-end tests need, or say which are missing
	@for p in runc:runc nft:nftables iptables:iptables conntrack:conntrack ip:iproute2 nsenter:util-linux git:git debootstrap:debootstrap npm:npm redis-server:redis-server igzip:isal; do \
	  command -v $${p%:*} >/dev/null || missing="$$missing $${p#*:}"; done; \
	ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$$missing postgresql"; \
	[ -z "$$missing" ] || if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -q && apt-get install -y -q --no-install-recommends $$missing; \
	else echo "the tests need the packages$$missing" >&2; fi

.PHONY: e2e-up
e2e-up: $(HELM4) e2e-packages ## Leave clusters with Argo CD and the application to play with; needs root on Linux
	$(E2E) GOGC=400 HELM4=$(HELM4) $(GO) run ./platform/e2e up

.PHONY: e2e-down
e2e-down: ## Take them away
	$(E2E) $(GO) run ./platform/e2e down

.PHONY: e2e-oldest
e2e-oldest: ## Run serve against the client of the oldest Argo CD that is supported; compiles another Argo CD
	cd test/e2e/argocd-2.14 && $(GO) vet ./... && $(GO) test -count=1 -timeout 30m ./...

.PHONY: bench
bench: $(HELM3) $(KUSTOMIZE) ## Measure against helm template and kustomize build in the same run
	$(GO) test -run '^$$' -bench . -benchmem ./plugin
	HELM3=$(HELM3) KUSTOMIZE=$(KUSTOMIZE) BENCH_REQUIRED=1 $(GO) test -count=1 -run '^$$' -bench . -benchtime $(if $(BENCH_SHORT),3x,40x) ./test/bench
	cd test/e2e && HELM3=$(HELM3) KUSTOMIZE=$(KUSTOMIZE) BENCH_REQUIRED=1 GOTOOLCHAIN=$(NEWER_GO) \
	  $(GO) test -count=1 -run '^$$' -bench . -benchtime 1x -timeout 60m ./bench

# Releases: see CONTRIBUTING.md. RELEASE_FLAGS is empty where a tag is released.
RELEASE_FLAGS ?= --snapshot

.PHONY: release-snapshot
release-snapshot: $(GORELEASER) $(CYCLONEDX) $(HELM3) ## Build into dist/ what a tag would release: programs, SBOMs, checksums, image, chart
	GOFLAGS= PATH=$(dir $(CYCLONEDX)):$$PATH $(GORELEASER) release $(RELEASE_FLAGS) --clean --skip=publish
	cd release && $(GO) run . image --dist ../dist --plugin ../plugin/plugin.yaml --out ../dist/image \
	  --version "v$$(sed -n 's/.*"version":"\([^"]*\)".*/\1/p' ../dist/metadata.json)" \
	  --revision "$$(git rev-parse HEAD)" --created "$$(git show -s --format=%cI HEAD)"
	$(HELM3) package charts/core-pipeline --destination dist

.PHONY: release-build
release-build: ## Build into dist/ what the tag at HEAD releases
	$(MAKE) release-snapshot RELEASE_FLAGS=

.PHONY: release-notes
release-notes: ## Print what CHANGELOG.md says about VERSION
	@cd release && $(GO) run . notes --changelog ../CHANGELOG.md --version "$(VERSION)"

.PHONY: release-push
release-push: ## Push the image of dist/ to TO=registry/name:tag and print its name with the digest
	@cd release && $(GO) run . push --layout ../dist/image --to "$(TO)"

.PHONY: release-test
release-test: $(HELM3) $(HELM4) $(CYCLONEDX) ## Build twice and compare; push, pull, verify and run image and chart against a registry on loopback
	command -v gpg >/dev/null || { apt-get update -q; apt-get install -y -q --no-install-recommends gnupg; }
	cd release && $(GO) vet ./... && HELM3=$(HELM3) HELM4=$(HELM4) CYCLONEDX=$(CYCLONEDX) RELEASE_REQUIRED=1 $(GO) test -count=1 -timeout 30m ./...

.PHONY: release-sign
release-sign: $(COSIGN) ## Sign and verify image and checksums with cosign, with a throw-away key; compiles cosign
	cd release && COSIGN=$(COSIGN) $(GO) test -count=1 -run TestSign ./...

.PHONY: tool-helm
tool-helm: $(HELM3) ## Install helm and print where it is
	@echo $(HELM3)

.PHONY: tools
tools: $(HELM3) $(HELM4) $(KUSTOMIZE) $(GOLANGCI) $(HELM_DOCS) $(PROMTOOL) $(KUBE_SCORE) $(KUBECONFORM) $(HELM_UNITTEST) ## Install the programs that the targets above use

# As core-pipeline is built, so that what they share is compiled once.
$(HELM3):
	CGO_ENABLED=0 GOBIN=$(@D) GOGC=400 $(GO) install -trimpath helm.sh/helm/v3/cmd/helm@$(HELM3_VERSION)

$(HELM4):
	CGO_ENABLED=0 GOTOOLCHAIN=$(NEWER_GO) GOBIN=$(@D) GOGC=400 $(GO) install -gcflags=all=-dwarf=false -ldflags=-s\ -w helm.sh/helm/v4/cmd/helm@$(HELM4_VERSION)

$(KUSTOMIZE):
	GOTOOLCHAIN=$(NEWER_GO) GOBIN=$(@D) $(GO) install sigs.k8s.io/kustomize/kustomize/v5@$(KUSTOMIZE_VERSION)

$(PROTO)/buf:
	export GOTOOLCHAIN=$(NEWER_GO) GOBIN=$(@D) && $(GO) install google.golang.org/protobuf/cmd/protoc-gen-go@$(PROTOC_GEN_GO_VERSION) && \
	  $(GO) install google.golang.org/grpc/cmd/protoc-gen-go-grpc@$(PROTOC_GEN_GO_GRPC_VERSION) && \
	  $(GO) install github.com/bufbuild/buf/cmd/buf@$(BUF_VERSION)

$(GOLANGCI):
	GOTOOLCHAIN=$(NEWER_GO) GOBIN=$(@D) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

$(ACTIONLINT):
	GOBIN=$(@D) $(GO) install github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION)

$(GOVULNCHECK):
	GOBIN=$(@D) $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)

$(GORELEASER):
	GOBIN=$(@D) $(GO) install github.com/goreleaser/goreleaser/v2@$(GORELEASER_VERSION)

$(CYCLONEDX):
	GOBIN=$(@D) $(GO) install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX_VERSION)

$(COSIGN):
	GOBIN=$(@D) $(GO) install github.com/sigstore/cosign/v3/cmd/cosign@$(COSIGN_VERSION)

$(HELM_DOCS):
	GOTOOLCHAIN=$(NEWER_GO) GOBIN=$(@D) $(GO) install github.com/norwoodj/helm-docs/cmd/helm-docs@$(HELM_DOCS_VERSION)

$(PROMTOOL):
	GOTOOLCHAIN=$(NEWER_GO) GOBIN=$(@D) $(GO) install -tags remove_all_sd github.com/prometheus/prometheus/cmd/promtool@$(PROMTOOL_VERSION)

$(KUBE_SCORE):
	GOTOOLCHAIN=$(NEWER_GO) GOBIN=$(@D) $(GO) install github.com/zegl/kube-score/cmd/kube-score@$(KUBE_SCORE_VERSION)

$(KUBECONFORM):
	GOTOOLCHAIN=$(NEWER_GO) GOBIN=$(@D) $(GO) install github.com/yannh/kubeconform/cmd/kubeconform@$(KUBECONFORM_VERSION)

# Its go.mod replaces a module, which `go install` refuses: a module of its own repeats that.
$(HELM_UNITTEST):
	mkdir -p $(@D)/module && cd $(@D)/module && rm -f go.mod go.sum && \
	  export GOTOOLCHAIN=$(NEWER_GO) && $(GO) mod init helm-unittest && \
	  $(GO) mod edit -require github.com/helm-unittest/helm-unittest@$(HELM_UNITTEST_VERSION) \
	    -replace github.com/vmware-labs/yaml-jsonpath=github.com/helm-unittest/yaml-jsonpath@v0.4.0 && \
	  $(GO) build -mod=mod -o $@ github.com/helm-unittest/helm-unittest/cmd/helm-unittest
