package loader

// The objects are built by clang 14 of Debian 12 and committed; make check
// builds them again and compares.
//
//go:generate go tool bpf2go -go-package loader -tags linux -target amd64 -cc clang-14 -strip llvm-strip-14 -no-global-types -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I/usr/include/x86_64-linux-gnu" kprobe ../../bpf/ktls_kprobe.bpf.c
//go:generate go tool bpf2go -go-package loader -tags linux -target amd64 -cc clang-14 -strip llvm-strip-14 -no-global-types -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I/usr/include/x86_64-linux-gnu" learn ../../bpf/ktls_learn.bpf.c
