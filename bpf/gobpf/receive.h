/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Hooks for received records. */
#ifndef GOBPF_RECEIVE_H
#define GOBPF_RECEIVE_H

#include "plaintext.h"
#include "../ktls_call.h"

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
 * tls_rx_msg_maybe_announce(strp), from 7.2, also runs when there is nothing to announce.
 * A reader that finds the next record itself announces nothing and calls
 * tls_strp_check_rcv(strp).
 */
static __always_inline int record_announced(u64 *ctx)
{
	const struct tls_strparser *strp = (void *)ctx[0];

	return GIVEN(strp, msg_ready) ? record_ready(ctx) : 0;
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
	/* c->rx may still hold the previous, valid record, which keeps its type. */
	emit_kernel_failure(&c->rx, read_seq(c->seq_rx), err, FUNC_STRP_ABORT_STRP, outer_type((void *)c->priv_rx));
	return 0;
}

/*
 * The direct path writes the plaintext into the reader's memory. Save the reader's
 * iterator, which advances meanwhile.
 */
static __always_inline void save_reader(struct conn *c, const struct msghdr *msg)
{
	struct source *s = &c->src[DIR_RX];
	const struct iov_iter *i = &msg->msg_iter;
	u8 type = GIVEN(i, iter_type);

	__builtin_memset(s, 0, sizeof(*s));
	s->skip = GIVEN(i, iov_offset);
	if (bpf_core_enum_value_exists(enum iter_type, ITER_UBUF) &&
	    type == bpf_core_enum_value(enum iter_type, ITER_UBUF)) {
		s->kind = SRC_UBUF;
		s->base = (u64)GIVEN(i, ubuf);
	} else if (type == bpf_core_enum_value(enum iter_type, ITER_IOVEC)) {
		s->kind = SRC_IOVEC;
		s->base = (u64)iter_iov(i);
	} else {
		s->kind = SRC_BVEC;
		s->base = bpf_core_field_exists(i->bvec) ? (u64)GIVEN(i, bvec) : 0;
	}
}

/* Make seq the current record of c->rx; begun is 0 if unknown. A global function, see emit_socket. */
__noinline int start_open(struct conn *c, u64 seq, u64 begun, u32 op)
{
	bool same_call = false;
	u32 was, opening;
	struct event *e;

	if (!c)
		return 0;
	e = &c->rx;
	was = *(volatile u32 *)&c->rx_state;
	opening = ((was & ~RX_STATE) + RX_TICKET) | RX_OPENING;
	if ((was & RX_STATE) == RX_OPENED && __sync_val_compare_and_swap(&c->rx_state, was, opening) == was) {
		same_call = is_current(e);
		if (same_call)
			call_continues(e, begun);
		emit_record(e, &e->rec.hidden);
	}
	if (same_call)
		call_adds_record(e);
	else
		call_begins(e, &c->call_begun, begun);
	if (!c->key_reported[DIR_RX])
		key_missed(c, DIR_RX, seq);
	e->rec.weight = 1;
	if (e->version == TLS_1_3)
		set_no_pad(c);
	e->kind = KIND_RECORD;
	e->rec.stamp[0] = c->ready_ts ? c->ready_ts : begun;
	e->rec.stamp[1] = begun;
	e->rec.stamp[2] = e->rec.stamp[3] = 0;
	e->rec.seq = seq;
	e->rec.op = op;
	e->rec.hits = e->rec.matched = 0;
	set_caller(e);
	c->rx_state = opening;
	c->rx_failed = 0;
	c->ready_ts = 0;
	return 0;
}

/* tls_rx_one_record(sk, msg, darg) */
static __always_inline int open_begins(u64 *ctx)
{
	const struct msghdr *msg = (void *)ctx[1];
	struct conn *c = conn_of_record(ctx[0], DIR_RX);

	if (!c)
		return 0;
	start_open(c, read_seq(c->seq_rx), bpf_ktime_get_ns(), msg ? OP_RECV : OP_SPLICE_READ);
	if (snaplen && msg)
		save_reader(c, msg);
	return 0;
}

static __always_inline void source_of_skb(struct conn *c, const struct sk_buff *skb)
{
	struct source *s = &c->src[DIR_RX];
	const struct skb_shared_info *info = (void *)GIVEN(skb, head) + GIVEN(skb, end);

	__builtin_memset(s, 0, sizeof(*s));
	s->kind = SRC_SKB;
	s->skb = bpf_core_field_exists(skb->data_len) ? (u64)skb : 0;
	s->base = (u64)&info->frags;
	s->skip = GIVEN(skb_cb(skb), strp.strp.offset);
}

/* The hook did not see the reader's memory: the plaintext is counted as unreadable. */
static __always_inline void forget_reader(struct conn *c)
{
	struct source *s = &c->src[DIR_RX];

	__builtin_memset(s, 0, sizeof(*s));
	s->kind = SRC_UBUF;
}

/* Whether the opened record is not the current one: no hook saw it begin, but the kernel has counted it. */
static __always_inline bool begin_missed(const struct conn *c)
{
	u64 next = read_seq(c->seq_rx);

	/* Records opened before the trace are not reported. */
	return next > c->rx.rec.start && (c->rx.kind != KIND_RECORD || c->rx.rec.seq + 1 != next);
}

static __always_inline int open_ends(u64 *ctx)
{
	const struct tls_decrypt_arg *darg = (void *)ctx[2];
	struct conn *c = conn_of_completed(ctx[0], DIR_RX);
	const struct sk_buff *skb;
	struct event *e;
	int ret = ctx[3];

	if (!c)
		return 0;
	if ((c->rx_state & RX_STATE) != RX_OPENING) {
		if (ret < 0 || !begin_missed(c))
			return 0;
		c->ready_ts = 0; /* it may be the time of the next record */
		start_open(c, read_seq(c->seq_rx) - 1, 0, ctx[1] ? OP_RECV : OP_SPLICE_READ);
		forget_reader(c);
	}
	e = &c->rx;
	if (ret < 0) {
		c->rx_state &= ~RX_STATE;
		c->rx_failed = 1;
		e->type = outer_type((void *)c->priv_rx);
		emit_failure(e, e->rec.seq, ret, FUNC_RX_ONE_RECORD);
		return 0;
	}
	skb = GIVEN(darg, skb);
	e->rec.len = GIVEN(skb_cb(skb), strp.strp.full_len);
	e->type = GIVEN(skb_cb(skb), tls.control);
	if (GIVEN(darg, zc))
		e->flags |= FLAG_ZEROCOPY;
	c->rx_state ^= RX_OPENING ^ RX_OPENED;
	if (bpf_core_field_exists(darg->async) && GIVEN(darg, async)) { /* asynchronous crypto completes it */
		e->flags |= FLAG_ASYNC;
		return 0;
	}
	e->rec.stamp[2] = bpf_ktime_get_ns();
	if (is_control(e)) {
		source_of_skb(c, skb);
		set_control(c, e, &c->src[DIR_RX]);
	}
	if (snaplen) {
		if (!(e->flags & FLAG_ZEROCOPY))
			source_of_skb(c, skb);
		copy_payload(e, &c->src[DIR_RX]);
	}
	return 0;
}

#endif
