/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Hooks for records that arrive. */
#ifndef KTLS_ARRIVAL_H
#define KTLS_ARRIVAL_H

#include "ktls_missed.h"

/* tls_rx_msg_ready(strp) */
static __always_inline int record_ready(u64 *ctx)
{
	const struct tls_strparser *strp = (void *)ctx[0];
	struct conn *c = conn_lookup((u64)GIVEN(strp, sk));

	if (c && !c->ready_ts)
		c->ready_ts = bpf_ktime_get_ns();
	return 0;
}

/*
 * tls_data_ready(sk). From 7.2 tls_rx_msg_ready is not called for each record; this hook
 * replaces it. While no complete record is queued, the latest arrival is the one that
 * completes it. Bytes queued behind another record count as arrived when that record is
 * opened (open_ends) or read (call_returns).
 */
static __always_inline int data_arrives(u64 *ctx)
{
	struct conn *c = conn_lookup(ctx[0]);

	if (c && !has_record(c))
		c->ready_ts = bpf_ktime_get_ns();
	return 0;
}

/* A header that cannot be a record header (tls_rx_msg_size) ends the connection. */
static __always_inline int parser_aborts(u64 *ctx)
{
	const struct tls_strparser *strp = (void *)ctx[0];
	struct conn *c = conn_lookup((u64)GIVEN(strp, sk));
	int err = ctx[1];

	if (!c || c->rx_failed)
		return 0;
	c->rx_failed = 1;
	if (!c->rx.kind && c->tx.kind) /* nothing was read yet, but something was sent */
		copy_owner(&c->rx, &c->tx);
	/* c->rx may still hold the previous, valid record, which keeps its type. */
	emit_kernel_failure(&c->rx, read_seq(c->seq_rx), err, FUNC_STRP_ABORT_STRP, outer_type((void *)c->priv_rx));
	return 0;
}

#endif
