/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The return of the call that opened a record. */
#ifndef KTLS_RETURN_H
#define KTLS_RETURN_H

#include "ktls_call_failure.h"
#include "ktls_op.h"
#include "ktls_receive.h"

/* Claim the opened record. Returns true for the one task that reports it. */
static __always_inline bool rx_claim(struct conn *c, u32 was)
{
	return __sync_val_compare_and_swap(&c->rx_state, was, was & ~RX_STATE) == was;
}

/* Dashboard mode: add the record of this return to the sums. */
static __always_inline int add_plain_return(struct conn *c, u32 was, u64 now)
{
	struct plain p = plain_of(&c->rx, now);

	if (rx_claim(c, was))
		add_plain(&c->rx, DIR_RX, &p);
	return 0;
}

/*
 * The same for a record that struct plain does not cover. A function of its own, so that
 * callers do not have its copy on the stack while they report a failed call.
 */
static __noinline int add_full_return(struct conn *c, u32 was, u64 now, u8 op)
{
	struct event e = c->rx;

	e.rec.stamp[3] = now;
	e.rec.op = read_op(op, e.flags);
	set_call(&e, c->call_begun);
	if (rx_claim(c, was))
		emit_record(&e, &c->rx.rec.hidden, &c->sampler[DIR_RX]);
	return 0;
}

static __always_inline int add_return(struct conn *c, u32 was, u64 now, u8 op)
{
	if (is_plain(&c->rx))
		return add_plain_return(c, was, now);
	return add_full_return(c, was, now, op);
}

/*
 * Whether the record of this return is reported. Works on a copy, because matching stores
 * its result in the event.
 */
static __noinline bool return_reported(struct conn *c, u64 now, u8 op, u8 *matched, bool *skipped)
{
	struct event e = c->rx;

	e.rec.stamp[3] = now;
	e.rec.op = op;
	set_call(&e, c->call_begun);
	if (matching && !match_record(&e))
		return false;
	*matched = e.rec.matched;
	*skipped = is_sampled_out(&e, &c->sampler[DIR_RX]);
	return !*skipped;
}

/*
 * Another reader may take over c->rx at any time, and this task may be preempted anywhere.
 * Only the task that changes the state reports the record. It reserves its slot in the
 * ring before, so that records opened afterwards come later in the ring. If the kernel
 * skipped the return of the call that opened the record, this is the return of a later
 * call. With OP_NONE the record keeps the operation with which it began; only read_sock is
 * unknown until it returns.
 */
static __always_inline int call_returns(u64 sk, u8 op, int ret)
{
	struct conn *c = conn_lookup(sk);
	struct slot *place;
	bool skipped = false, taken, behind;
	u64 now, pos;
	u8 matched;
	u32 was;

	if (!c)
		return 0;
	was = *(volatile u32 *)&c->rx_state;
	if (c->rx_call != bpf_get_current_pid_tgid() || (was & RX_STATE) != RX_OPENED) {
		if (c->probes && ret > 0)
			reads_succeed(c);
		return 0;
	}
	/*
	 * Read the clock after checking the queue. This task can be preempted between the
	 * two, and data sent meanwhile must not seem to have been queued.
	 */
	behind = ready_by_data && !c->ready_ts && has_queued(sk);
	now = bpf_ktime_get_ns();
	if (behind)
		c->ready_ts = now;
	if (op == OP_NONE)
		op = c->rx.rec.op;
	if (aggregate)
		return add_return(c, was, now, op);
	op = read_op(op, c->rx.flags);
	matched = c->rx.rec.matched;
	if ((c->rx.flags & FLAG_HIDDEN) || ((matching || sampling) && !return_reported(c, now, op, &matched, &skipped))) {
		/* Count it before another reader's record leaves with the counter. */
		__sync_fetch_and_add(&c->rx.rec.hidden, 1);
		if (!rx_claim(c, was))
			__sync_fetch_and_add(&c->rx.rec.hidden, -1);
		else if (skipped)
			count_sampled_out(&c->sampler[DIR_RX]);
		return 0;
	}
	place = slot_reserve(&c->rx, &pos);
	if (place) {
		place->e = c->rx;
		place->e.rec.stamp[3] = now;
		place->e.rec.op = op;
		set_call(&place->e, c->call_begun);
		place->e.rec.matched = matched;
	}
	taken = rx_claim(c, was);
	if (!place) {
		if (taken)
			add_lost(ring_loss(&c->rx), 1);
		return 0;
	}
	if (taken)
		take_weight(&place->e, &c->sampler[DIR_RX]);
	else
		place->e.kind = 0;
	slot_submit(place, pos);
	return 0;
}

static __always_inline int recvmsg_returns(u64 *ctx)
{
	int ret = recvmsg_args == 5 ? ARG(ctx, 5) : ARG(ctx, 4);

	if (ret < 0)
		read_fails(ctx[0], ret, FUNC_RECVMSG);
	return call_returns(ctx[0], OP_NONE, ret);
}

static __always_inline int splice_read_returns(u64 *ctx)
{
	const struct socket *sock = (void *)ctx[0];
	u64 sk = (u64)BPF_CORE_READ(sock, sk);
	int ret = ARG(ctx, 5);

	if (ret < 0)
		read_fails(sk, ret, FUNC_SPLICE_READ);
	return call_returns(sk, OP_NONE, ret);
}

static __always_inline int read_sock_returns(u64 *ctx)
{
	return call_returns(ctx[0], OP_READ_SOCK, 0);
}

#endif
