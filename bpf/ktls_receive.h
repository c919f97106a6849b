/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The hooks of records that are received. */
#ifndef KTLS_RECEIVE_H
#define KTLS_RECEIVE_H

#include "ktls_failure.h"
#include "ktls_plaintext.h"

/* tls_rx_msg_ready(strp) */
static __always_inline int record_ready(u64 *ctx)
{
	const struct tls_strparser *strp = (void *)ctx[0];
	struct conn *c = conn_lookup((u64)GIVEN(strp, sk));

	if (c && !c->ready_ts)
		c->ready_ts = bpf_ktime_get_ns();
	return 0;
}

/* tls_rx_msg_maybe_announce(strp), tls_strp_check_rcv(strp) */
static __always_inline int record_announced(u64 *ctx)
{
	const struct tls_strparser *strp = (void *)ctx[0];

	return GIVEN(strp, msg_ready) ? record_ready(ctx) : 0;
}

HOOK("fentry/tls_rx_msg_ready", msg_ready, record_ready)

/* From 7.2; called also when there is nothing to announce. */
HOOK("fentry/tls_rx_msg_maybe_announce", msg_announce, record_announced)

/* From 7.2: a reader that finds the next record by itself announces nothing. */
HOOK("fexit/tls_strp_check_rcv", msg_parsed, record_announced)

/* A record's header that cannot be one (tls_rx_msg_size) ends the connection. */
static __always_inline int parser_aborts(u64 *ctx)
{
	const struct tls_strparser *strp = (void *)ctx[0];
	struct conn *c = conn_lookup((u64)GIVEN(strp, sk));
	int err = ctx[1];

	if (!c || c->rx_failed)
		return 0;
	c->rx_failed = 1;
	/* c->rx may still be the good record before, and keeps its type. */
	emit_kernel_failure(&c->rx, read_seq(c->seq_rx), err, FUNC_STRP_ABORT_STRP, outer_type((void *)c->priv_rx));
	return 0;
}

HOOK("fentry/tls_strp_abort_strp", abort_strp, parser_aborts)

/* The direct path puts the plaintext into the reader's memory; its iterator moves on meanwhile. */
static __always_inline void remember_reader(struct conn *c, const struct msghdr *msg)
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

/* Whether the kernel may open a record there (tls_update_rx_zc_capable). */
static __always_inline bool may_be_direct(const struct conn *c)
{
	return c->rx.version != TLS_1_3 || c->rx.mode & MODE_NO_PAD;
}

/* The record seq is in the making from now on; begun is 0 where it does not matter. A global function, see emit_socket. */
__noinline int take_up(struct conn *c, u64 seq, u64 begun, u32 op, u32 weight)
{
	bool late = false;
	u32 was, opening;
	struct event *e;

	if (!c)
		return 0;
	e = &c->rx;
	was = *(volatile u32 *)&c->rx_state;
	opening = ((was & ~RX_STATE) + RX_TICKET) | RX_OPENING;
	if ((was & RX_STATE) == RX_OPENED && __sync_val_compare_and_swap(&c->rx_state, was, opening) == was) {
		late = is_current(e);
		if (aggregate && late)
			wait_for_return(e, !c->rx_late, !is_hidden(e));
		e->flags |= FLAG_RETURN_LATER;
		emit_record(e, &e->hidden, &c->sampled[DIR_RX]);
	}
	c->rx_late = late;
	begin_at(c, DIR_RX, seq);
	e->err = weight;
	e->kind = KIND_RECORD;
	e->stamp[0] = c->ready_ts ? c->ready_ts : begun;
	e->stamp[1] = has_stages(e) ? begun : NOT_MEASURED;
	e->stamp[2] = e->stamp[3] = 0;
	e->seq = seq;
	e->op = op;
	e->hits = e->matched = 0;
	set_maker(e, &c->maker[DIR_RX]);
	c->rx_hidden = e->flags & FLAG_HIDDEN;
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
	u64 begun = 0;
	u32 weight;

	if (!c)
		return 0;
	weight = stage_weight(&c->rx, &c->nth[DIR_RX]);
	if (weight || !c->ready_ts)
		begun = bpf_ktime_get_ns();
	take_up(c, read_seq(c->seq_rx), begun, msg ? OP_RECV : OP_SPLICE_READ, weight);
	if (needs_plaintext() && msg && may_be_direct(c))
		remember_reader(c, msg);
	return 0;
}

HOOK("fentry/tls_rx_one_record", open_enter, open_begins)

static __always_inline void source_of_skb(struct conn *c, const struct sk_buff *skb)
{
	struct source *s = &c->src[DIR_RX];
	const struct skb_shared_info *info = (void *)GIVEN(skb, head) + GIVEN(skb, end);

	__builtin_memset(s, 0, sizeof(*s));
	s->kind = SRC_SKB;
	/* What the kernel has opened into memory of its own has no linear part. */
	s->skb = GIVEN(skb, len) != GIVEN(skb, data_len) ? (u64)skb : 0;
	s->base = (u64)&info->frags;
	s->skip = GIVEN(skb_cb(skb), strp.strp.offset);
}

/* The reader's memory was not seen, and is told as unreadable. */
static __always_inline void forget_reader(struct conn *c)
{
	struct source *s = &c->src[DIR_RX];

	__builtin_memset(s, 0, sizeof(*s));
	s->kind = SRC_UBUF;
}

/*
 * Whether a record was opened that is not the one in the making: the kernel has
 * counted it, and the hook that should have seen it begin was skipped, see TWIN.
 */
static __always_inline bool begin_missed(const struct conn *c) { return (__s64)(read_seq(c->seq_rx) - c->next[DIR_RX]) > 0; }

static __always_inline int open_ends(u64 *ctx)
{
	const struct tls_decrypt_arg *darg = (void *)ctx[2];
	struct conn *c = conn_of_made(ctx[0], DIR_RX);
	const struct sk_buff *skb;
	struct event *e;
	int ret = ctx[3];

	if (!c)
		return 0;
	if ((c->rx_state & RX_STATE) != RX_OPENING) {
		if (ret < 0 || !begin_missed(c))
			return 0;
		c->ready_ts = 0; /* it may be that of the record behind it */
		take_up(c, read_seq(c->seq_rx) - 1, 0, ctx[1] ? OP_RECV : OP_SPLICE_READ, 1);
		forget_reader(c);
	}
	e = &c->rx;
	if (ret < 0) {
		c->rx_state &= ~RX_STATE;
		c->rx_failed = 1;
		e->type = outer_type((void *)c->priv_rx);
		emit_failure(e, e->seq, ret, FUNC_RX_ONE_RECORD);
		return 0;
	}
	c->next[DIR_RX] = e->seq + 1;
	skb = GIVEN(darg, skb);
	e->len = GIVEN(skb_cb(skb), strp.strp.full_len);
	e->type = GIVEN(skb_cb(skb), tls.control);
	if (GIVEN(darg, zc))
		e->flags |= FLAG_ZEROCOPY;
	pick(e, &c->sampled[DIR_RX]);
	c->rx_state ^= RX_OPENING ^ RX_OPENED;
	if (bpf_core_field_exists(darg->async) && GIVEN(darg, async)) { /* decrypt_done has the rest */
		e->flags |= FLAG_ASYNC;
		return 0;
	}
	e->stamp[2] = stage_time(e);
	if (is_control(e)) {
		source_of_skb(c, skb);
		set_control(e, &c->src[DIR_RX]);
	}
	if (needs_plaintext()) {
		if (!(e->flags & FLAG_ZEROCOPY))
			source_of_skb(c, skb);
		take_plaintext(e, &c->src[DIR_RX]);
	}
	return 0;
}

TWIN("fexit/tls_rx_one_record", open_exit, open_ends)

/* Whether this task is the one to tell of the record that was opened. */
static __always_inline bool rx_taken(struct conn *c, u32 was)
{
	return __sync_val_compare_and_swap(&c->rx_state, was, was & ~RX_STATE) == was;
}

/* Dashboard mode: add the record of this return up. */
static __always_inline int add_return(struct conn *c, u32 was, u64 now, u8 op)
{
	struct event e = c->rx;
	bool late = c->rx_late;

	e.stamp[3] = now;
	e.op = op;
	if (!rx_taken(c, was))
		return 0;
	if (late)
		all_returned(&e);
	emit_record(&e, &c->rx.hidden, &c->sampled[DIR_RX]);
	return 0;
}

/* Whether the record of this return is told. A copy is asked about: the answer is left in it. */
static __always_inline bool return_stays(struct conn *c, u64 now, u8 op, u8 *matched, bool *skipped)
{
	struct event e = c->rx;

	e.stamp[3] = now;
	e.op = op;
	if (matching && !match_record(&e))
		return false;
	*matched = e.matched;
	*skipped = left_out(&e, &c->sampled[DIR_RX]);
	return !*skipped;
}

/*
 * Another reader may take c->rx over right now, and this task may be taken off
 * the processor anywhere. Only who changes the state tells of the record, and its
 * place in the ring is taken before: what is opened afterwards comes behind it.
 */
static __always_inline int call_returns(u64 sk, u8 op)
{
	struct conn *c = conn_lookup(sk);
	struct event *place = 0;
	bool skipped = false;
	u64 now, used;
	u8 matched;
	u32 was;

	if (!c)
		return 0;
	was = *(volatile u32 *)&c->rx_state;
	if ((was & RX_STATE) != RX_OPENED || !is_current(&c->rx))
		return 0;
	now = bpf_ktime_get_ns();
	if (aggregate)
		return add_return(c, was, now, op);
	matched = c->rx.matched;
	if ((c->rx.flags & FLAG_HIDDEN) || ((matching || sampling) && !return_stays(c, now, op, &matched, &skipped))) {
		/* Before another reader's record can leave without it. */
		__sync_fetch_and_add(&c->rx.hidden, 1);
		if (!rx_taken(c, was))
			__sync_fetch_and_add(&c->rx.hidden, -1);
		else if (skipped)
			skip(&c->sampled[DIR_RX]);
		return 0;
	}
	used = ring_used();
	if (has_room(&c->rx, used))
		place = bpf_ringbuf_reserve(&events, sizeof(*place), 0);
	if (place) {
		*place = c->rx;
		place->stamp[3] = now;
		place->op = op;
		place->matched = matched;
	}
	if (!rx_taken(c, was)) {
		if (place)
			bpf_ringbuf_discard(place, BPF_RB_NO_WAKEUP);
		return 0;
	}
	if (place) {
		stand_for(place, &c->sampled[DIR_RX]);
		bpf_ringbuf_submit(place, wakeup(used));
	} else {
		add_lost(ring_loss(&c->rx), 1);
	}
	return 0;
}


static __always_inline int recvmsg_returns(u64 *ctx)
{
	int ret = recvmsg_args == 5 ? ARG(ctx, 5) : ARG(ctx, 4);
	struct conn *c;

	/* The peer has changed its key and nobody has told the kernel (from 6.14). */
	if (ret == -EKEYEXPIRED) {
		c = conn_lookup(ctx[0]);
		if (c)
			emit_failure(&c->rx, read_seq(c->seq_rx), ret, FUNC_RECVMSG);
	}
	return call_returns(ctx[0], OP_RECV);
}

static __always_inline int splice_read_returns(u64 *ctx)
{
	const struct socket *sock = (void *)ctx[0];

	return call_returns((u64)BPF_CORE_READ(sock, sk), OP_SPLICE_READ);
}

static __always_inline int read_sock_returns(u64 *ctx)
{
	return call_returns(ctx[0], OP_READ_SOCK);
}

HOOK("fexit/tls_sw_recvmsg", recvmsg_exit, recvmsg_returns)
HOOK("fexit/tls_sw_splice_read", splice_read_exit, splice_read_returns)
HOOK("fexit/tls_sw_read_sock", read_sock_exit, read_sock_returns)

/*
 * Dashboard mode: what asynchronous crypto says of the record seq belongs into
 * the event in the making, if it still is that record's. One that could not be
 * opened is none.
 */
static __always_inline void opened_late(struct conn *c, u64 seq, int err)
{
	u32 was = *(volatile u32 *)&c->rx_state;

	if ((was & RX_STATE) != RX_OPENED || c->rx.seq != seq)
		return;
	if (err)
		rx_taken(c, was);
	else
		c->rx.stamp[2] = stage_time(&c->rx);
}

/*
 * Asynchronous crypto has opened a record, in softirq or in a worker. It is
 * TLS 1.2 (TLS 1.3 is opened synchronously), so that the additional data, the
 * first piece of the output, begins with the sequence (RFC 5246 section 6.2.3.3).
 */
SEC("fentry/tls_decrypt_done")
int decrypt_done(u64 *ctx)
{
	const struct crypto_async_request *req = (void *)ctx[0];
	const struct aead_request *aead = (void *)req;
	const struct tls_decrypt_ctx *dctx;
	struct sg_head out;
	int err = ctx[1];
	struct source *s;
	struct event e;
	struct conn *c;
	u32 zero = 0;
	u64 aad;

	if (err == -EINPROGRESS)
		return 0;
	if (done_is_req)
		aead = BPF_CORE_READ(req, data);
	if (!read_sg(&out, (u64)BPF_CORE_READ(aead, dst))) {
		count_lost(LOST_PAYLOAD_UNREADABLE, DIR_RX);
		return 0;
	}
	aad = page_addr(out.page) + out.offset;
	dctx = (void *)(aad - bpf_core_field_offset(struct tls_decrypt_ctx, aad));
	c = conn_lookup((u64)BPF_CORE_READ(dctx, sk));
	s = bpf_map_lookup_elem(&async_source, &zero);
	if (!c || !s || c->rx_hidden)
		return 0;
	if (aggregate)
		opened_late(c, read_seq(aad), err);
	if (err) {
		c->rx_failed = 1;
		emit_kernel_failure(&c->rx, read_seq(aad), err, FUNC_DECRYPT_DONE, c->rx.type);
		return 0;
	}
	if (aggregate && c->rx.conn != stream_conn)
		return 0;
	e = c->rx;
	e.kind = KIND_OPENED;
	e.seq = read_seq(aad);
	e.flags = FLAG_ASYNC;
	e.stamp[1] = 0; /* c->rx may be another record by now */
	e.stamp[2] = bpf_ktime_get_ns();
	if (needs_plaintext()) {
		__builtin_memset(s, 0, sizeof(*s));
		s->kind = SRC_SG;
		s->base = (u64)BPF_CORE_READ(aead, dst);
		s->at = 1;
		s->wrap = ~0U;
		e.len = read_be16(aad + 11); /* behind sequence, type and version */
		e.hits = 0;
		e.state = PICKED; /* no record of asynchronous crypto is left out */
		if (match_payload)
			look_at(&e, s);
		copy_payload(&e, s);
	}
	emit(&e);
	return 0;
}


#endif
