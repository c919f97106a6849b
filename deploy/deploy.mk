# Files to install: manual pages, completions, packages, the image, the chart.

.PHONY: man man-check completions dist-programs portable-programs dist packages image kubernetes tools-check release release-check install-check

# Built files have the commit's date, so that two builds are equal. Without git the date is the oldest that zip can store.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 315532800)

man: ## write docs/man anew, the manual pages, from the help of the commands
	$(NOCGO) test ./cmd/ktlstop -run 'TestManual$$' -count 1 -update

man-check: # check that docs/man matches the help, and that man(1) prints no warning
	@command -v mandoc >/dev/null || { packages=mandoc; echo "installing $$packages"; \
		$(SUDO) apt-get -q install -y --no-install-recommends $$packages || \
		{ $(SUDO) apt-get -q update && $(SUDO) apt-get -q install -y --no-install-recommends $$packages; }; }
	$(NOCGO) test ./cmd/ktlstop -run 'TestManual'

completions: build # completions of commands and flags for bash, zsh and fish, in bin/completions
	@mkdir -p bin/completions
	@for shell in bash zsh fish; do bin/ktlstop completion $$shell > bin/completions/ktlstop.$$shell; done

ARCHS   ?= amd64 arm64
IMAGE   ?= bin/ktlstop-image.tar
# With RELEASE=yes, which deploy/release.sh sets, a program does not call itself a development build.
LDFLAGS := -s -w$(if $(RELEASE), -X main.release=yes)
VERSION := $(shell sed -n 's/^const version = "\(.*\)"/\1/p' cmd/ktlstop/version.go)
# Programs of the module in tools/, whose dependencies ktlstop itself does not have.
TOOL    := CGO_ENABLED=0 GOWORK=off $(GO) -C tools
FORMATS := deb rpm apk archlinux

dist: completions # the contents of the packages, in bin/dist
	@rm -rf bin/dist/share bin/man && mkdir -p bin/dist/share bin/man
# The pages get the date and the version, which the committed ones lack.
	@for page in docs/man/*; do sed '/^\.TH /s/"" "ktlstop"/"'$$(date -ud @$$SOURCE_DATE_EPOCH +%F)'" "ktlstop $(VERSION)"/' $$page | \
		gzip -9n > bin/man/$${page##*/}.gz; done
	@for dir in prometheus grafana; do test ! -d deploy/$$dir || cp -r deploy/$$dir bin/dist/share/; done
	@cp -r docs/schema bin/dist/share/ && rm -f bin/dist/share/schema/*.go
	@chmod -R u=rwX,go=rX bin/dist/share && find bin/dist/share -exec touch -d @$$SOURCE_DATE_EPOCH {} +

# Outside the workspace a program names the version of pkg/ktls that it was built with, which the SBOM repeats.
dist-programs: # the program for each architecture, in bin/dist
	@for arch in $(ARCHS); do (set -x; GOWORK=off GOARCH=$$arch $(NOCGO) build -ldflags "$(LDFLAGS)" -o bin/dist/$$arch/ktlstop ./cmd/ktlstop); done

portable-programs: # the program for each system that only reads recordings, in bin/portable
	@for target in linux/riscv64 darwin/arm64 windows/amd64; do os=$${target%/*} arch=$${target#*/}; \
		file=bin/portable/ktlstop_$(VERSION)_$${os}_$$arch; test $$os != windows || file=$$file.exe; \
		(set -x; GOWORK=off GOOS=$$os GOARCH=$$arch $(NOCGO) build -ldflags "$(LDFLAGS)" -o $$file ./cmd/ktlstop); done

bin/nfpm: tools/go.mod
	$(TOOL) build -o ../bin/nfpm github.com/goreleaser/nfpm/v2/cmd/nfpm

packages: dist dist-programs bin/nfpm ## deb, rpm, apk, Arch Linux package and SBOM in bin/packages; ARCHS="amd64 arm64"
	@rm -rf bin/packages && mkdir -p bin/packages
	@export VERSION=$(VERSION); \
		for ARCH in $(ARCHS); do export ARCH; for format in $(FORMATS); do \
		bin/nfpm package -f deploy/nfpm.yaml -p $$format -t bin/packages/; done; done
	@$(TOOL) build -o ../bin/ ./sbom
	@for arch in $(ARCHS); do bin/sbom -version $(VERSION) -o bin/packages/ktlstop_$(VERSION)_$$arch.cdx.json bin/dist/$$arch/ktlstop; done

image: dist-programs ## an OCI image from scratch in bin/ktlstop-image.tar, its digest on standard output
	@$(TOOL) build -o ../bin/ ./image
	@bin/image -o $(IMAGE) -name ktlstop:$(VERSION) -version $(VERSION) -revision "$$(git rev-parse HEAD 2>/dev/null)" \
		$(foreach arch,$(ARCHS),$(arch)=bin/dist/$(arch)/ktlstop)

kubernetes: # the version in the chart, and the chart rendered with its own values, in deploy/kubernetes
	@sed -i 's/^\(version\|appVersion\): .*/\1: $(VERSION)/' deploy/chart/Chart.yaml
	$(TOOL) test ./chart -run 'TestPlain$$' -count 1 -update

tools-check: # vet and test the module in tools/
	@files=$$(gofmt -l tools); test -z "$$files" || { echo "not formatted (make fmt):"; echo "$$files"; exit 1; }
	$(TOOL) vet ./...
	$(TOOL) test ./...

release: ## build the files of a release from the last commit, in dist
	@GO="$(GO)" deploy/release.sh dist

# Both builds compile with the same cache, in which -trimpath leaves nothing that depends on the directory. The check shows
# that neither the directory nor the time gets into a file. Uncommitted changes are ignored.
release-check: # build the release of the last commit twice, in two directories, and compare byte by byte
	@GO="$(GO)" deploy/release.sh --check

install-check: tools-check release-check ## test the installed files: the chart, the unit, and that two builds of a release are equal
