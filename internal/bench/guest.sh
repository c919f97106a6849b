#!/bin/sh
# `make bench` runs this in the guest: KERNEL WAYS. The tracepoint that counts system calls is a file of tracefs.
set -e
[ -d /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing
if [ -f "bin/kmod/$1/af_ktls.ko" ]; then
	modprobe -a tls udp_tunnel ip6_udp_tunnel
	insmod "bin/kmod/$1/af_ktls.ko"
fi
case "$2" in
streams) sizes=1KiB,16KiB,256KiB,4MiB ;; # beyond 4 MiB the cost no longer changes
*) sizes=1KiB,4KiB,16KiB,64KiB,1MiB,1GiB ;;
esac
bin/ktlstop bench -o json --ways "$2" --sizes "$sizes" --max-bytes 4MiB --duration 200ms --repeat 3
if [ "$2" = streams ]; then # the same sizes and bounds, in C; benchdoc puts both results together
	bin/yardstick 4194304 200 3 1024 16384 262144 4194304
fi
