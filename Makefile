# `make` lists the targets. CI runs .ci/run, which is `make check install-check test bench-count`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

KERNELS  ?=
PACKAGES ?= ./internal/kmodtest ./internal/tlsnic ./internal/afktls ./pkg/ktls/raw ./pkg/ktls ./pkg/loader ./e2e/programs ./e2e
# Two guests side by side: an emulated processor is seldom busy all the time.
JOBS     ?= 2
SMP      ?= 2
RUN      ?=
SOAK     ?= 30m
SKIP     ?=
# Flags of go test in make unit: .ci/run has run vet before.
VET      ?=
GO       ?= go
NOCGO    := CGO_ENABLED=0 $(GO)
# Both modules of go.work: ./... does not descend into the second.
ALL      := ./... ./pkg/ktls/...
# For every build, so that Go's own packages are compiled only once, with -trimpath.
export GOFLAGS := $(strip -trimpath $(GOFLAGS))
SUDO     := $(if $(filter-out 0,$(shell id -u)),sudo)

.PHONY: help build build-arm64 build-gobpf vmrun selftest selftest-record kmod preload dtlscat dkms-deb dkms-check stress-afktls generate clang picture recording btf btf-add btfextract examples check unit programs openssl35 roots engines test-programs dashboard observe archives collector vmtest test test-all bench bench-library yardstick bench-tools bench-modes bench-tracer bench-user bench-check bench-count cost soak demo fmt clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-13s %s\n", $$1, $$2 }'

build: ## build bin/ktlstop
	$(NOCGO) build -ldflags "-s -w" -o bin/ktlstop ./cmd/ktlstop

build-gobpf: # bin/ktlstop-gobpf: with the gobpf backend, for kernels without type information; needs cgo
	@command -v gcc >/dev/null && test -e /usr/include/stdio.h || { packages="gcc libc6-dev"; echo "installing $$packages"; \
		$(SUDO) apt-get -q install -y --no-install-recommends $$packages || \
		{ $(SUDO) apt-get -q update && $(SUDO) apt-get -q install -y --no-install-recommends $$packages; }; }
	CGO_ENABLED=1 $(GO) build -tags gobpf -ldflags "-s -w" -o bin/ktlstop-gobpf ./cmd/ktlstop

build-server: # a server with Go's own TLS, which the tests of doctor examine
	$(NOCGO) build -ldflags "-s -w" -o bin/tlsserver ./e2e/cmd/tlsserver

build-arm64: # the programs that tests run in arm64 guests, which see them in place of bin
	GOARCH=arm64 $(NOCGO) build -ldflags "-s -w" -o bin/arm64/ ./cmd/ktlstop ./e2e/cmd/tlsserver

vmrun: ## build bin/vmrun and bin/vmtest, and bin/arm64/vmrun for guests with that processor
	GOARCH=arm64 $(NOCGO) build -ldflags "-s -w" -o bin/arm64/ ./internal/vm/cmd/vmrun
	$(NOCGO) build -ldflags "-s -w" -o bin/ ./internal/vm/cmd/vmrun ./internal/vm/cmd/vmtest ./internal/vm/cmd/selftest

selftest: vmrun # the kernel's own test of its TLS code, built once, which TestSelftest runs
	@program=$$(bin/selftest) && ln -sfn "$$program" bin/kernel-selftest

selftest-record: selftest # record the results of the selftest without ktlstop; KERNELS="6.1 7.3"
	$(NOCGO) test -c -o bin/e2e.test ./e2e
	@cd e2e && mkdir -p testdata/selftest && for kernel in $(KERNELS); do (set -x; ../bin/vmrun -kernel $$kernel -timeout 20m \
		-share testdata/selftest -- ../bin/e2e.test -test.v -test.run 'TestSelftest$$' -test.timeout 20m -record); done

kmod: ## build the kernel modules of kmod/ for each kernel, in bin/kmod; KERNELS="6.1 7.3"
	$(NOCGO) build -ldflags "-s -w" -o bin/ ./internal/vm/cmd/kmodbuild
	@bin/kmodbuild $(KERNELS)

preload: ## build bin/afktls-preload.so, which gives the DTLS sessions of GnuTLS programs to the module af_ktls
	@command -v gcc >/dev/null && test -e /usr/include/gnutls/gnutls.h || { packages="gcc libc6-dev libgnutls28-dev"; echo "installing $$packages"; \
		$(SUDO) apt-get -q install -y --no-install-recommends $$packages || \
		{ $(SUDO) apt-get -q update && $(SUDO) apt-get -q install -y --no-install-recommends $$packages; }; }
	@mkdir -p bin
	gcc -O2 -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden -Ikmod/af_ktls -o bin/afktls-preload.so kmod/af_ktls/preload/*.c

dtlscat: # a program with AF_KTLS below GnuTLS's handshake, which the tests of the module run
	@command -v gcc >/dev/null && test -e /usr/include/gnutls/dtls.h || { packages="gcc libc6-dev libgnutls28-dev"; echo "installing $$packages"; \
		$(SUDO) apt-get -q install -y --no-install-recommends $$packages || \
		{ $(SUDO) apt-get -q update && $(SUDO) apt-get -q install -y --no-install-recommends $$packages; }; }
	@mkdir -p bin
	gcc -O2 -Wall -Wextra -Werror -o bin/dtlscat internal/afktls/dtlscat/dtlscat.c -lgnutls

dkms-deb: ## build a Debian package in bin that builds af_ktls where it is installed
	@kmod/dkms-deb af_ktls bin

dkms-check: dkms-deb kmod # check that the sources in the package build; KERNELS="6.1 7.3"
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; dpkg-deb -x bin/af-ktls-dkms_*_all.deb "$$dir"; mkdir "$$dir/kmod"; \
		mv "$$dir"/usr/src/af_ktls-* "$$dir/kmod/af_ktls"; bin/kmodbuild -src "$$dir/kmod" -o "$$dir/out" $(KERNELS); ls -l "$$dir"/out/*/

STRESS_KERNEL ?= 7.3
STRESS_DEBUG  ?= slub_debug=FZPU page_poison=1 kfence.sample_interval=10

stress-afktls: vmrun kmod # open and close af_ktls sockets for ten minutes, then a million datagrams and a million options
	$(NOCGO) test -c -o bin/afktls.test ./internal/afktls
	cd internal/afktls && ../../bin/vmrun -kernel $(STRESS_KERNEL) -timeout 20m -append "$(STRESS_DEBUG)" -- ../../bin/afktls.test -test.v -test.run 'TestStress$$' -stress 10m -test.timeout 20m
	cd internal/afktls && ../../bin/vmrun -kernel $(STRESS_KERNEL) -timeout 2h -- ../../bin/afktls.test -test.v -test.run 'TestFuzzDatagrams$$' -fuzzcount 333334 -fuzztime 40m -fuzzseed $(or $(SEED),1) -test.timeout 2h
	cd internal/afktls && ../../bin/vmrun -kernel $(STRESS_KERNEL) -timeout 2h -- ../../bin/afktls.test -test.v -test.run 'TestFuzzOptions$$' -fuzzcount 1000000 -fuzztime 100m -fuzzseed $(or $(SEED),1) -test.timeout 2h

clang: # generated objects are compared byte by byte, so the compiler's version is fixed
	@command -v clang-14 >/dev/null && command -v llvm-strip-14 >/dev/null && test -e /usr/include/bpf/bpf_helpers.h || { \
		packages="clang-14 llvm-14 libbpf-dev"; echo "installing $$packages"; \
		$(SUDO) apt-get -q install -y --no-install-recommends $$packages || \
		{ $(SUDO) apt-get -q update && $(SUDO) apt-get -q install -y --no-install-recommends $$packages; }; }

generate: clang ## compile bpf/ and generate its Go bindings
	$(GO) generate ./pkg/loader/...

BTF := pkg/loader/testdata/btf

# The types of each kernel, from its packages, without booting it.
btf: btfextract ## store the types of Debian's kernels that the programs name in pkg/loader/testdata/btf; KERNELS="6.1 7.3-rt"
	@for kernel in $(or $(KERNELS),$$(bin/vmkernel)); do dir=$$(bin/vmkernel $$kernel); \
		case $$kernel in *-arm64*) name=$$kernel;; *) name=$$kernel-amd64;; esac; \
		(set -x; bin/btfextract -o $(BTF)/debian-$$name.btf $$dir/vmlinuz $$dir/lib/modules/*/kernel/net/tls/tls.ko); done

btf-add: btfextract ## the same for any kernel: NAME=ubuntu-24.04-6.8-amd64, of the running one or of IMAGE and MODULE
	@test -n "$(NAME)" || { echo "make btf-add NAME=DISTRIBUTION-RELEASE-KERNEL-ARCHITECTURE [IMAGE=/boot/vmlinuz-... MODULE=.../tls.ko]"; exit 2; }
	bin/btfextract -o $(BTF)/$(NAME).btf $(IMAGE) $(MODULE)
	$(GO) test ./pkg/loader -run 'TestCorpus$$/^$(NAME).btf$$'

btfextract:
	$(NOCGO) build -ldflags "-s -w" -o bin/ ./pkg/loader/internal/corpus/cmd/btfextract ./internal/vm/cmd/vmkernel

picture: ## draw the manual's pictures anew
	$(NOCGO) test ./cmd/ktlstop -run 'TestPictures|TestFilm' -update

recording: build vmrun programs roots # record the traffic of the pictures anew on the kernel KERNEL
	@bin/vmrun -kernel $(or $(KERNEL),7.3) -timeout 10m -share docs/picture -- docs/picture/traffic.sh docs/picture

examples: clang ## compile the socket filters in bpf/examples to bin/examples
	@mkdir -p bin/examples; for f in bpf/examples/*.bpf.c; do (set -x; clang-14 -O2 -g -Wall -Werror -target bpf \
		-mcpu=v3 -I/usr/include/x86_64-linux-gnu -c $$f -o bin/examples/$$(basename $$f .bpf.c).o); done

SUM := find pkg/loader -type f -print0 | sort -z | xargs -0 sha256sum

check: ## formatting, vet, and whether the generated files are current
	@files=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
		test -z "$$files" || { echo "not formatted (make fmt):"; echo "$$files"; exit 1; }
	$(GO) vet $(ALL)
	GOWORK=off $(GO) -C pkg/ktls vet ./...
	$(GO) mod tidy -diff && $(GO) -C pkg/ktls mod tidy -diff
	$(NOCGO) vet -tags nootlp ./cmd/ktlstop
	@if command -v gcc >/dev/null; then set -x; CGO_ENABLED=1 $(GO) vet -tags gobpf ./pkg/loader/... ./cmd/ktlstop; fi
	@$(MAKE) --no-print-directory man-check
	@before=$$($(SUM)); $(MAKE) --no-print-directory generate; after=$$($(SUM)); \
		diff <(echo "$$before") <(echo "$$after") || { echo "generated files were not current: commit what changed"; exit 1; }

PORTABLE ?= linux/arm64 linux/riscv64 darwin/arm64 windows/amd64

.PHONY: portable
portable: build ## build for other systems and processors, and read a recording where an emulator runs the program
	@command -v qemu-riscv64-static >/dev/null || { packages=qemu-user-static; echo "installing $$packages"; \
		$(SUDO) apt-get -q install -y --no-install-recommends $$packages || \
		{ $(SUDO) apt-get -q update && $(SUDO) apt-get -q install -y --no-install-recommends $$packages; }; }
	@e2e/portable.sh $(PORTABLE)

unit: ## run all tests that need neither root nor a kernel
	@if command -v gcc >/dev/null; then set -x; CGO_ENABLED=1 $(GO) test $(VET) -race $(ALL); CGO_ENABLED=1 $(GO) test $(VET) -race -tags gobpf ./pkg/loader/...; \
		else echo "no gcc: testing without the race detector"; set -x; $(NOCGO) test $(VET) $(ALL); fi

# The programs of others that the guest tests run. RUNLEVEL keeps the packages from starting their services.
PROGRAMS := nginx:nginx-light curl:curl openssl:openssl gnutls-cli:gnutls-bin /usr/bin/python3:python3 tmux:tmux tcpdump:tcpdump tshark:tshark ip:iproute2 \
	openconnect:openconnect ocserv:ocserv gnutls-serv:gnutls-bin ping:iputils-ping crun:crun systemd-analyze:systemd
export PATH := $(PATH):/usr/sbin:/sbin

programs: # programs of others that make traffic
	@packages=; for p in $(PROGRAMS); do command -v $${p%%:*} >/dev/null || packages="$$packages $${p##*:}"; done; \
		test -z "$$packages" || { echo "installing$$packages"; export RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive; \
		$(SUDO) apt-get -q install -y --no-install-recommends $$packages || \
		{ $(SUDO) apt-get -q update && $(SUDO) apt-get -q install -y --no-install-recommends $$packages; }; }

openssl35: vmrun # a newer OpenSSL than the host's, unpacked once, which TestOpenSSL runs
	@dir=$$($(NOCGO) run ./internal/vm/cmd/foreign) && ln -sfn "$$dir" bin/openssl35

roots: ## unpack trees of Debian's programs, once, which e2e/programs runs
	@$(NOCGO) build -ldflags "-s -w" -o bin/ ./internal/vm/cmd/roots
	@mkdir -p bin/root && dir=$$(bin/roots trixie) && ln -sfn "$$dir" bin/root/trixie
# HAProxy comes from Debian's unreleased suites, which can drop it any day: then its own test fails and no other.
	@dir=$$(bin/roots haproxy) && ln -sfn "$$dir" bin/root/haproxy || { rm -f bin/root/haproxy; \
		echo "make roots: no tree with HAProxy; TestHAProxy of e2e/programs fails without it, the other tests do not" >&2; }

engines: # Prometheus, VictoriaMetrics and VictoriaLogs, fetched and built once
	@dir=$$($(NOCGO) run ./internal/vm/cmd/engines) && mkdir -p bin && ln -sfn "$$dir" bin/engines

dashboard: ## make the Grafana dashboard anew, deploy/grafana/ktlstop.json
	cd internal/observe && GOWORK=off $(NOCGO) run ./cmd/grafana > ../../deploy/grafana/ktlstop.json

observe: engines ## test dashboard, alert rules and receivers of metrics and events, on real servers
	export GOWORK=off; cd internal/observe && $(NOCGO) vet ./... && KTLSTOP_ENGINES=1 $(NOCGO) test ./...

# The first build takes five minutes, so CI leaves it out.
collector: ## push to an OpenTelemetry collector, built from its own modules
	cd internal/observe/collector && GOWORK=off $(NOCGO) build -ldflags "-s -w" -o ../../../bin/collector .
	cd internal/observe && GOWORK=off KTLSTOP_ENGINES=1 $(NOCGO) test -count 1 -run 'TestCollector$$' .

# Node.js runs both engines in its process; they take 700 MB in bin/archives.
archives: ## run the SQL of docs/fleet.md on ClickHouse and DuckDB, by their npm packages
	@mkdir -p bin/archives && cp internal/observe/archives/* bin/archives && cat docs/picture/recording.jsonl internal/sink/testdata/events.jsonl > bin/archives/events.jsonl
	cd bin/archives && npm install --no-package-lock --no-audit --no-fund && node run.mjs ../../docs/fleet.md events.jsonl

# A run of all kernels includes one for arm64.
vmtest: $(if $(KERNELS),$(if $(findstring arm64,$(KERNELS)),build-arm64),build-arm64)
vmtest: build packages build-server vmrun build-gobpf programs openssl35 roots engines selftest examples kmod dtlscat preload ## run the guest tests; KERNELS="6.1 7.3" PACKAGES=./pkg/ktls RUN=Regexp JOBS=2
	bin/vmtest -kernels "$(KERNELS)" -packages "$(PACKAGES)" -run '$(RUN)' -skip '$(SKIP)' -jobs $(JOBS) -smp $(SMP)

test-programs: export KTLSTOP_PROGRAMS := all
test-programs: build vmrun roots ## test nginx, HAProxy, redis and others on each of KERNELS="6.12 7.3", with a line for each program
	bin/vmtest -v -kernels "$(or $(KERNELS),6.12)" -packages ./e2e/programs -run '$(RUN)' -skip '$(SKIP)' -jobs $(JOBS) -smp $(SMP)

test: unit observe vmtest ## all tests

test-all: export KTLSTOP_ALL := 1
test-all: test ## all tests, before a release: more kernels, and every case of the kernel's own selftest

soak: build vmrun ## a flood of 200,000 records, half an hour of random traffic: no growth, exact counts; KERNELS=6.1 SOAK=30m
	$(NOCGO) test -c -tags soak -o bin/soak.test ./e2e
	cd e2e && ../bin/vmrun -kernel $(or $(firstword $(KERNELS)),6.1) -timeout 2h -- ../bin/soak.test -test.v -test.run 'TestFlood|TestSoak' -test.timeout 2h -soak $(SOAK)

BENCH_KERNEL ?= 6.1
BENCH_DTLS_KERNEL ?= 7.3

# Counting instructions, with one processor: figures repeat on any machine.
bench: bench-library bench-modes bench-tracer bench-user ## measure everything in the guest and write docs/bench.md; BENCH_KERNEL=6.1

BENCHDOC = $(NOCGO) run ./internal/bench/cmd/benchdoc

bench-library: KERNELS := $(BENCH_KERNEL) $(BENCH_DTLS_KERNEL)
bench-library: build vmrun kmod yardstick # kernel TLS, AF_KTLS, user-space TLS and TCP; DTLS and UDP
	bin/vmrun -icount -kernel $(BENCH_KERNEL) -timeout 40m -- internal/bench/guest.sh $(BENCH_KERNEL) streams > bin/bench-library.json
	bin/vmrun -icount -kernel $(BENCH_DTLS_KERNEL) -timeout 40m -- internal/bench/guest.sh $(BENCH_DTLS_KERNEL) datagrams > bin/bench-datagrams.json
	$(BENCHDOC) library=bin/bench-library.json datagrams=bin/bench-datagrams.json

yardstick: # bin/yardstick, the C program that bench-library compares the library with
	@command -v gcc >/dev/null && test -e /usr/include/linux/tls.h || { packages="gcc libc6-dev"; echo "installing $$packages"; \
		$(SUDO) apt-get -q install -y --no-install-recommends $$packages || \
		{ $(SUDO) apt-get -q update && $(SUDO) apt-get -q install -y --no-install-recommends $$packages; }; }
	gcc -O2 -Wall -Wextra -Werror -static -pthread -o bin/yardstick internal/bench/yardstick/yardstick.c

# The tools that the tracer's cost is compared with.
bench-tools: PROGRAMS := bpftrace:bpftrace tcpdump:tcpdump strace:strace
bench-tools: programs

# The kernels whose costs docs/bench.md shows side by side.
COUNT_KERNELS := $(or $(KERNELS),6.1 6.12 7.3)
COUNT = bin/vmrun -icount -mem 4096 -timeout 40m -share bin
GOBENCH = $(NOCGO) test -run '^$$' -bench . -benchmem ./pkg/loader/internal/assemble ./internal/flow ./internal/sink ./internal/inspect ./internal/tui

cost: build vmrun
	$(NOCGO) build -o bin/cost ./internal/cost/cmd/cost

# Measures each mode on each kernel; $(1) are arguments of bin/cost. Two guests side by side, since each has one processor.
count = printf '%s\n' $(COUNT_KERNELS) | xargs -P $(JOBS) -I KERNEL $(COUNT) -kernel KERNEL -- bin/cost -ktlstop bin/ktlstop $(1) -o bin/count-KERNEL.json

# A mode has one of two costs, some 120 instructions apart, depending on the boot: the committed figures are the higher of
# two runs, so that bench-count reports only regressions.
bench-modes: cost bench-tools # measure each mode on each kernel, and other tools: all figures that bench-count compares with
	$(call count,-others -rounds 3)
	$(BENCHDOC) $(foreach k,$(COUNT_KERNELS),modes/$(k)=bin/count-$(k).json)

bench-tracer: cost bench-tools # measure a record by size and by number of connections, and the tool's own process
	$(COUNT) -kernel $(BENCH_KERNEL) -- bin/cost -tables -starts 2 -ktlstop bin/ktlstop -o bin/bench-tracer.json
	$(BENCHDOC) tracer=bin/bench-tracer.json

bench-user: build cost # measure the cost of an event in user space
	$(GOBENCH) -count 5 > bin/bench.txt
	bin/cost -benches bin/bench.txt -screens -ktlstop bin/ktlstop -o bin/bench-user.json
	$(BENCHDOC) user=bin/bench-user.json

bench-count: cost ## fail if tracing costs more than docs/bench.json says; KERNELS=6.1, UPDATE=1 only shows the cost
	$(call count,$(if $(UPDATE),,-against docs/bench.json))
	@bin/cost $(if $(UPDATE),-show,-check docs/bench.json) $(foreach k,$(COUNT_KERNELS),bin/count-$(k).json)

bench-check: bench-count ## the same, and fail if the user side allocates more
	$(GOBENCH) -benchtime 100x > bin/check.txt
	bin/cost -benches bin/check.txt -o bin/check-user.json
	bin/cost -check-user docs/bench.json bin/check-user.json

demo: build vmrun ## run the demo, on this machine's kernel or on one under QEMU
	@internal/vm/demo.sh

include deploy/deploy.mk

fmt: ## format the Go code
	gofmt -w $$(git ls-files -co --exclude-standard '*.go')

clean: ## remove built files
	rm -rf bin dist
