#!/usr/bin/env bash
# Shows ktlstop on this machine when its kernel can do it, and on a stock kernel under QEMU when it cannot.
set -euo pipefail
cd "$(dirname "$0")/../.."

native() {
	[ "$(id -u)" = 0 ] || return 1
	[ -e /sys/kernel/btf/vmlinux ] || return 1
	modprobe -q tls 2>/dev/null || true
	grep -qw tls /proc/sys/net/ipv4/tcp_available_ulp 2>/dev/null
}

if native; then
	exec bin/ktlstop demo "$@"
fi
echo "This kernel has no kTLS (or you are not root): the demo runs on Linux ${KERNEL:=6.1} under QEMU." >&2
exec bin/vmrun -kernel "$KERNEL" -- bin/ktlstop demo "$@"
