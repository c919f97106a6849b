/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Hooks for queued records, until they are opened. */
#ifndef KTLS_RECEIVE_H
#define KTLS_RECEIVE_H

#include "ktls_arrival.h"
#include "ktls_call.h"
#include "ktls_control.h"
#include "ktls_op.h"

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

/* Whether the kernel may open a record into the reader's memory (tls_update_rx_zc_capable). */
static __always_inline bool may_be_direct(const struct conn *c)
{
	return c->rx.version != TLS_1_3 || c->rx.mode & MODE_NO_PAD;
}

/* Make seq the current record of c->rx; begun is 0 where nobody needs the time. */
static __always_inline void begin_rx(struct conn *c, u64 seq, u64 begun, u32 op, u32 weight, u32 was)
{
	struct event *e = &c->rx;

	e->kind = KIND_RECORD;
	e->rec.weight = weight;
	e->rec.stamp[0] = c->ready_ts ? c->ready_ts : begun;
	e->rec.stamp[1] = has_stages(e) ? begun : NOT_MEASURED;
	e->rec.stamp[2] = e->rec.stamp[3] = 0;
	e->rec.seq = seq;
	e->rec.op = op;
	if (matching)
		e->rec.hits = e->rec.matched = 0;
	set_caller(c, e, DIR_RX);
	c->rx_call = bpf_get_current_pid_tgid();
	c->rx_failed = 0;
	c->rx_state = ((was & ~RX_STATE) + RX_TICKET) | RX_OPENING;
	c->ready_ts = 0;
}

/* Without stages this runs when the record was opened, which is not when its call began. */
static __always_inline void begin_call(struct conn *c, u64 begun) { call_begins(&c->rx, &c->call_begun, stages ? begun : 0); }

/*
 * Start to open a record, and report the previous one if its call continues. A global
 * function, see emit_socket.
 */
__noinline int start_open(struct conn *c, u64 seq, u64 begun, u32 op, u32 weight)
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
		same_call = c->rx_call == bpf_get_current_pid_tgid();
		if (same_call) {
			e->rec.op = read_op(e->rec.op, e->flags);
			call_continues(e, begun);
		}
		emit_record(e, &e->rec.hidden, &c->sampler[DIR_RX]);
	}
	if (same_call)
		call_adds_record(e);
	else
		begin_call(c, begun);
	begin_record_at(c, DIR_RX, seq);
	begin_rx(c, seq, begun, op, weight, was);
	return 0;
}

/*
 * The fast path of start_open: no record is current and the sequence is the expected one.
 * Returns false if start_open has to handle the record.
 */
static __always_inline bool start_open_expected(struct conn *c, u64 seq, u64 begun, u32 op, u32 weight)
{
	if (c->rx_state & RX_STATE || !c->key_reported[DIR_RX] || seq != c->next[DIR_RX])
		return false;
	begin_call(c, begun);
	begin_rx(c, seq, begun, op, weight, c->rx_state);
	return true;
}

/* A record starts to be opened, or with completed has been opened. */
static __always_inline void begin_open(struct conn *c, u32 op, bool completed)
{
	u32 weight = stage_weight(&c->rx, &c->nth[DIR_RX]);
	u64 begun = 0, seq = begin_seq(c, DIR_RX, !weight, completed);

	if ((stages && weight) || !c->ready_ts)
		begun = bpf_ktime_get_ns();
	if (!start_open_expected(c, seq, begun, op, weight))
		start_open(c, seq, begun, op, weight);
}

/* tls_rx_one_record(sk, msg, darg) */
static __always_inline int open_begins(u64 *ctx)
{
	const struct msghdr *msg = (void *)ctx[1];
	struct conn *c = conn_of_record(ctx[0], DIR_RX);

	if (!c)
		return 0;
	begin_open(c, msg ? OP_RECV : OP_SPLICE_READ, false);
	if (needs_plaintext() && msg && may_be_direct(c))
		save_reader(c, msg);
	return 0;
}

static __always_inline void source_of_skb(struct conn *c, const struct sk_buff *skb)
{
	struct source *s = &c->src[DIR_RX];
	const struct skb_shared_info *info = (void *)GIVEN(skb, head) + GIVEN(skb, end);

	__builtin_memset(s, 0, sizeof(*s));
	s->kind = SRC_SKB;
	/* A buffer that the kernel allocated for decryption has no linear part. */
	s->skb = GIVEN(skb, len) != GIVEN(skb, data_len) ? (u64)skb : 0;
	s->base = (u64)&info->frags;
	s->skip = GIVEN(skb_cb(skb), strp.strp.offset);
	next_frag(s); /* fetched now, so that the copy needs no loop */
	skip_bytes(s);
}

/* The hook did not see the reader's memory: the plaintext is counted as unreadable. */
static __always_inline void forget_reader(struct conn *c)
{
	struct source *s = &c->src[DIR_RX];

	__builtin_memset(s, 0, sizeof(*s));
	s->kind = SRC_UBUF;
}

/*
 * Whether the opened record is not the current one: the kernel has counted it, and the
 * hook of its begin was skipped, see HOOK_TWICE.
 */
static __always_inline bool begin_missed(const struct conn *c) { return (__s64)(read_seq(c->seq_rx) - c->next[DIR_RX]) > 0; }

/* The record announced a new key: the next record can be read once the program sets it. */
static __always_inline void report_awaited_key(struct conn *c)
{
	if (c->awaited || !awaits_key(c))
		return;
	c->awaited = bpf_ktime_get_ns();
	emit_socket(c, STATE_AWAITS_KEY, DIR_RX, 0);
}

static __always_inline int open_ends(u64 *ctx)
{
	const struct tls_decrypt_arg *darg = (void *)ctx[2];
	int ret = ctx[3];
	struct conn *c = conn_get(ctx[0], DIR_RX, ret >= 0);
	const struct sk_buff *skb;
	struct event *e;

	if (!c)
		return 0;
	if (!stages) {
		if (ret >= 0 ? preempts && read_seq(c->seq_rx) == c->next[DIR_RX] : c->rx_failed && c->rx.rec.seq == c->next[DIR_RX])
			return 0; /* the other attachment has handled it */
		begin_open(c, ctx[1] ? OP_RECV : OP_SPLICE_READ, ret >= 0);
	} else if ((c->rx_state & RX_STATE) != RX_OPENING) {
		if (ret < 0 || !begin_missed(c))
			return 0;
		c->ready_ts = 0; /* it may be the time of the next record */
		start_open(c, read_seq(c->seq_rx) - 1, 0, ctx[1] ? OP_RECV : OP_SPLICE_READ, 1);
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
	c->next[DIR_RX] = e->rec.seq + 1;
	skb = GIVEN(darg, skb);
	e->rec.len = GIVEN(skb_cb(skb), strp.strp.full_len);
	e->type = GIVEN(skb_cb(skb), tls.control);
	if (e->type != TYPE_DATA && !is_measured(e)) /* it becomes an event */
		update_caller(c, e, DIR_RX);
	if (GIVEN(darg, zc))
		e->flags |= FLAG_ZEROCOPY;
	if (c->card & CARD_RX)
		set_record_card(c, e);
	sample_record(e, &c->sampler[DIR_RX]);
	c->rx_state ^= RX_OPENING ^ RX_OPENED;
	if (bpf_core_field_exists(darg->async) && GIVEN(darg, async)) { /* decrypt_done completes it */
		e->flags |= FLAG_ASYNC;
		return 0;
	}
	e->rec.stamp[2] = stage_time(e);
	if (ready_by_data && has_stages(e) && more_behind(c, ctx[0]))
		c->ready_ts = e->rec.stamp[2];
	if (is_control(e)) {
		source_of_skb(c, skb);
		set_control(c, e, &c->src[DIR_RX]);
		report_awaited_key(c);
		if (is_close_notify(e))
			c->notified[DIR_RX] = NOTIFIED_YES;
	}
	if (needs_plaintext()) {
		if (!(e->flags & FLAG_ZEROCOPY))
			source_of_skb(c, skb);
		take_plaintext(e, &c->src[DIR_RX]);
	}
	return 0;
}

#endif
