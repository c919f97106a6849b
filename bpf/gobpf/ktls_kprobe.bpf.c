/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The programs of the gobpf backend, for kernels without type information: kprobes and a
 * perf buffer. They report the same records as ktls_trace.bpf.c, and keep no sums.
 */
#include "hooks.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
