/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The programs of the gobpf backend, for kernels without type information: kprobes
 * and a perf buffer. They tell of the same records as ktls_trace.bpf.c does, and add
 * nothing up.
 */
#include "hooks.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
