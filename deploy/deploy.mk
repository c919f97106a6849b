# What one installs: manual pages, completions, packages, the image, the chart.

.PHONY: man completions

# The date of what is built is the commit's, so that two builds are alike. Without git it is that of zip's oldest file.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 315532800)

man: ## a manual page for each command, of its --help, in bin/man
	@rm -rf bin/man && mkdir -p bin/man
	$(NOCGO) test ./cmd/ktlstop -run 'TestManuals$$' -count 1 -manuals $(CURDIR)/bin/man
	@cp docs/ktlstop.1 bin/man/ktlstop.1

completions: build # what completes commands and flags in bash, zsh and fish, in bin/completions
	@mkdir -p bin/completions
	@for shell in bash zsh fish; do bin/ktlstop completion $$shell > bin/completions/ktlstop.$$shell; done
