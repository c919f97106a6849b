/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The return of the call that opened a record. */
#ifndef GOBPF_RETURN_H
#define GOBPF_RETURN_H

#include "receive.h"

/* Claim the opened record. Returns true for the one task that reports it. */
static __always_inline bool rx_claim(struct conn *c, u32 was)
{
	return __sync_val_compare_and_swap(&c->rx_state, was, was & ~RX_STATE) == was;
}

/*
 * Another reader may take over c->rx at any time. Only the task that changes the state
 * reports the record, and it reserves an entry in the outbox before.
 */
static __always_inline int call_returns(u64 sk, u8 op)
{
	struct conn *c = conn_lookup(sk);
	struct outbox *o = my_outbox();
	struct event_sample *s;
	u32 was;

	if (!c || !o)
		return 0;
	was = *(volatile u32 *)&c->rx_state;
	if ((was & RX_STATE) != RX_OPENED || !is_current(&c->rx))
		return 0;
	s = next_sample(o, &c->rx);
	if (!s)
		return 0;
	s->event = c->rx;
	if (s->event.flags & FLAG_HIDDEN) {
		/* Count it before another reader's record leaves with the counter. */
		__sync_fetch_and_add(&c->rx.rec.hidden, 1);
		if (!rx_claim(c, was))
			__sync_fetch_and_add(&c->rx.rec.hidden, -1);
		return 0;
	}
	if (!rx_claim(c, was))
		return 0;
	s->event.rec.stamp[3] = bpf_ktime_get_ns();
	set_call(&s->event, c->call_begun);
	if (op != OP_NONE) /* otherwise op stays as at the begin: this may be the return of a later call */
		s->event.rec.op = op;
	o->n++;
	return 0;
}

static __always_inline int recvmsg_returns(u64 *ctx)
{
	int ret = ctx[5];
	struct conn *c;

	/* The peer has changed its key, and the program has not set it in the kernel (from 6.14). */
	if (ret == -EKEYEXPIRED) {
		c = conn_lookup(ctx[0]);
		if (c)
			emit_failure(&c->rx, read_seq(c->seq_rx), ret, FUNC_RECVMSG);
	}
	return call_returns(ctx[0], OP_NONE);
}

static __always_inline int splice_read_returns(u64 *ctx)
{
	const struct socket *sock = (void *)ctx[0];

	return call_returns((u64)BPF_CORE_READ(sock, sk), OP_NONE);
}

static __always_inline int read_sock_returns(u64 *ctx)
{
	return call_returns(ctx[0], OP_READ_SOCK);
}

#endif
