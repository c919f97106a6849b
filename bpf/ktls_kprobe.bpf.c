/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* ktls_trace.bpf.c a second way: kprobes and a perf buffer, for kernels without type information. */
#define KTLSTOP_KPROBE
#include "ktls_trace.bpf.c"
