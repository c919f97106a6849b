// Package object holds the BPF programs, and in Go the C structs that they share with user
// space: bpf2go generates them from the object, so that a field has one declaration.
package object

// The objects are built by clang 14 of Debian 12 and committed; make check
// builds them again and compares. Ktls is for a kernel with type information,
// Kprobe for one without, and Learn finds out its layout. Doctor is what ktlstop doctor
// watches with, by itself: whoever traces loads none of it. Dtls is for the module af_ktls,
// and is loaded when that is there.
//
// There is one of each for every processor: on arm64 reads that must come in turn are
// ordered, and Kprobe and Learn read a processor's registers.
//
//go:generate -command bpf2go go tool bpf2go -go-package object -tags linux -cc clang-14 -strip llvm-strip-14 -no-global-types -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I/usr/include/x86_64-linux-gnu"
//go:generate bpf2go -target amd64,arm64 -type event -type record -type about_socket -type about_card -type failure -type held -type driver -type user -type netns_count -type conn -type sums -type side -type slot -type limiter Ktls ../../../../bpf/ktls_trace.bpf.c
//go:generate bpf2go -target amd64,arm64 -type conn Kprobe ../../../../bpf/gobpf/ktls_kprobe.bpf.c
//go:generate bpf2go -target amd64,arm64 Learn ../../../../bpf/gobpf/ktls_learn.bpf.c
//go:generate bpf2go -target amd64,arm64 -type watch_event Doctor ../../../../bpf/ktls_doctor.bpf.c
//go:generate bpf2go -target amd64,arm64 -type dtls_conn -type drop Dtls ../../../../bpf/ktls_dtls.bpf.c
