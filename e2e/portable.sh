#!/usr/bin/env bash
# Checks the parts that need no kernel to trace on other systems and processors: they build, and where an emulator runs
# the program, it prints a recording exactly as bin/ktlstop does. Usage: e2e/portable.sh OS/PROCESSOR...
set -euo pipefail
cd "$(dirname "$0")/.."

# The packages whose tests also build on any system, and those whose tests run on another processor.
vetted=(./pkg/event ./pkg/ktls/... ./internal/{ending,feed,flow,inspect/...,kubelet,lru,match,names,otlp,packet,safe,session,sink,source,units})
tested=(./pkg/event ./internal/{source,sink,packet})

recording=docs/picture/recording.jsonl
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

fail() {
	echo "portable: $*" >&2
	exit 1
}

# run writes a program's output for the recording to a file.
run() { # FILE PROGRAM...
	local file=$1
	shift
	{
		"$@" trace --read $recording
		"$@" trace --read $recording -o json
		"$@" trace --read $recording -o pcapng
		"$@" --read $recording -o json --speed 0
	} >"$file"
}

# alike compares what a program says under its emulator with what bin/ktlstop says.
alike() { # TARGET PROGRAM EMULATOR
	run "$out/other" "$3" "$2"
	cmp "$out/native" "$out/other" || fail "$1 does not show $recording as bin/ktlstop does"
	echo "$1: shows $recording as bin/ktlstop does, $(wc -c <"$out/other") bytes"
}

# refuses wants one line and the status 1 where there are no BPF programs.
refuses() { # TARGET PROGRAM EMULATOR
	local status=0 said
	said=$("$3" "$2" trace 2>&1) || status=$?
	[[ $status == 1 && $said == *"tracing needs x86-64 or arm64"*"--read FILE"* && $said != *$'\n'* ]] ||
		fail "$1: trace ends with $status and says: $said"
}

run "$out/native" bin/ktlstop
for target in "$@"; do
	export GOOS=${target%/*} GOARCH=${target#*/} CGO_ENABLED=0
	program=bin/portable/ktlstop-$GOOS-$GOARCH
	go build -ldflags "-s -w" -o "$program" ./cmd/ktlstop
	go vet "${vetted[@]}"
	case $target in
	linux/arm64) alike "$target" "$program" qemu-aarch64-static ;;
	linux/riscv64)
		alike "$target" "$program" qemu-riscv64-static
		refuses "$target" "$program" qemu-riscv64-static
		go test -vet=off -exec qemu-riscv64-static "${tested[@]}"
		;;
	*) echo "$target: builds; nothing runs it here" ;;
	esac
done
