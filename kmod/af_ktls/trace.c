// SPDX-License-Identifier: GPL-2.0-only
/* The hooks that do nothing but be there; hooks.h says what they mean. */
#define CREATE_TRACE_POINTS
#include "af_ktls_trace.h"

noinline void afktls_attach(struct afktls_sock *ks)
{
	trace_afktls_attach(ks);
}

noinline void afktls_detach(struct afktls_sock *ks)
{
	trace_afktls_detach(ks);
}

noinline void afktls_key(struct afktls_sock *ks, int tx, u16 epoch, u64 seq)
{
	trace_afktls_key(ks, tx, epoch, seq);
}

noinline void afktls_drop(struct afktls_sock *ks, struct afktls_record *rec)
{
	trace_afktls_drop(ks, rec, rec->reason);
}

noinline void afktls_deliver(struct afktls_sock *ks, struct afktls_record *rec, int copied)
{
	trace_afktls_deliver(ks, rec, copied);
}
