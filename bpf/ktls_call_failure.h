/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Failed calls that lead to no failed record. A call that succeeds pays nothing for this:
 * the hooks see failures in returns that they examine anyway, or in functions that only a
 * call in trouble reaches.
 */
#ifndef KTLS_CALL_FAILURE_H
#define KTLS_CALL_FAILURE_H

#include "ktls_resync.h"

#define EINTR 4
#define EAGAIN 11
#define EOPNOTSUPP 95
#define ERESTARTSYS 512
#define SECOND 1000000000ULL

/* The limiter of failures of this kind, or else the one that reported longest ago. */
static __always_inline struct limiter *limiter_of(struct conn *c, u16 err, u8 func)
{
	struct limiter *f = &c->failures[0];

	for (u32 i = 0; i < LIMITERS; i++) {
		if (c->failures[i].err == err && c->failures[i].func == func)
			return &c->failures[i];
		if (c->failures[i].reported_at < f->reported_at)
			f = &c->failures[i];
	}
	return f;
}

static __always_inline void save_last(struct limiter *f, const struct event *e)
{
	const u64 *comm = (const void *)e->comm;

	f->seq = e->failure.seq;
	f->cgroup = e->cgroup;
	f->comm[0] = comm[0];
	f->comm[1] = comm[1];
	f->pid = e->pid;
	f->tid = e->tid;
	f->uid = e->uid;
	f->type = e->type;
	f->flags = e->flags;
}

/*
 * A read had no room for the record type. The reader may be about to provide some, so the
 * failure is reported only if a second passes without it.
 */
static __always_inline bool suppress_probe(struct conn *c, struct limiter *f, struct event *e)
{
	if (f->err != e->failure.err || f->func != e->failure.func) {
		f->reported_at = e->failure.time;
		f->err = e->failure.err;
		f->func = e->failure.func;
		f->more = 0;
	}
	save_last(f, e);
	__sync_fetch_and_add(&f->more, 1);
	c->probes = true;
	suppressed = 1;
	return false;
}

/*
 * A call has read the record that earlier reads could not return: those reads count as
 * probes, not as failures.
 */
static __always_inline void reads_succeed(struct conn *c)
{
	struct limiter *f = limiter_of(c, EIO, FUNC_RECVMSG);

	c->probes = false;
	if (f->err != EIO || f->func != FUNC_RECVMSG)
		return;
	__sync_fetch_and_add(&c->probed, __sync_lock_test_and_set(&f->more, 0));
	f->err = 0;
}

/*
 * Whether to report a failure now. The report also counts the failures that were
 * suppressed since the last one.
 */
static __always_inline bool limiter_admits(struct limiter *f, struct event *e)
{
	struct failure *fail = &e->failure;

	if (f->err == fail->err && f->func == fail->func) {
		if (fail->time - f->reported_at < SECOND) {
			save_last(f, e);
			__sync_fetch_and_add(&f->more, 1);
			suppressed = 1;
			return false;
		}
		fail->more = __sync_lock_test_and_set(&f->more, 0);
	} else {
		f->more = 0;
	}
	f->reported_at = fail->time;
	f->err = fail->err;
	f->func = fail->func;
	return true;
}

/*
 * A call failed with err: report or suppress it, if the filters want it. A global
 * function, see emit_socket.
 */
__noinline int call_fails(struct conn *c, u32 dir, u32 err, u32 func)
{
	/*
	 * Reads that lack room for the record type, as splice always does, fail after the
	 * record was opened.
	 */
	bool opened = dir == DIR_RX && (err == EIO || (err == EINVAL && func == FUNC_SPLICE_READ));
	struct event e;
	struct limiter *f;
	u64 seq;

	if (!c)
		return 0;
	e = dir == DIR_TX ? c->tx : c->rx;
	seq = dir == DIR_TX ? c->next[DIR_TX] : opened ? e.rec.seq : read_seq(c->seq_rx);
	if (!opened)
		e.type = 0;
	e.kind = KIND_ERROR;
	e.flags = 0;
	set_process(&e);
	if (e.flags & FLAG_HIDDEN)
		return 0;
	set_failure(&e.failure, seq, -(int)err, func);
	f = limiter_of(c, err, func);
	if (err == EIO && func == FUNC_RECVMSG ? suppress_probe(c, f, &e) : limiter_admits(f, &e))
		emit(&e);
	return 0;
}

/* Report n suppressed failures in one event that describes the last of them. */
static __noinline void emit_suppressed(const struct conn *c, const struct limiter *f, u32 n)
{
	bool sent = f->func == FUNC_SENDMSG || f->func == FUNC_WAIT_MEMORY || f->func == FUNC_DEVICE_SENDMSG;
	struct event e = sent ? c->tx : c->rx;
	u64 *comm = (void *)e.comm;

	e.kind = KIND_ERROR;
	e.flags = f->flags;
	e.type = f->type;
	e.pid = f->pid;
	e.tid = f->tid;
	e.uid = f->uid;
	e.cgroup = f->cgroup;
	comm[0] = f->comm[0];
	comm[1] = f->comm[1];
	set_failure(&e.failure, f->seq, -(int)f->err, f->func);
	e.failure.more = n - 1;
	emit(&e);
}

/* Report what was suppressed up to a time (CLOCK_MONOTONIC). */
static __always_inline void report_suppressed(struct conn *c, u64 until)
{
	struct limiter *f;
	u32 i, n;

	if (c->card_changed && c->card_reported_at <= until)
		emit_card(c);
	else if (c->card_changed)
		suppressed = 1;
	for (i = 0; i < LIMITERS; i++) {
		f = &c->failures[i];
		if (!f->more)
			continue;
		if (f->reported_at > until) { /* its second has not passed */
			suppressed = 1;
			continue;
		}
		n = __sync_lock_test_and_set(&f->more, 0);
		if (!n)
			continue;
		f->reported_at = bpf_ktime_get_ns();
		emit_suppressed(c, f, n);
	}
}

/* These errors are not failures: nothing to read yet, no buffer space, or a signal. */
static __always_inline bool is_retryable(int err) { return err == -EAGAIN || err == -EINTR || err <= -ERESTARTSYS; }

/* The call returned err. Failures to open or to parse a record were reported where they happened. */
static __always_inline void read_fails(u64 sk, int err, u8 func)
{
	struct conn *c = is_retryable(err) ? 0 : conn_lookup(sk);

	if (c && !c->rx_failed)
		call_fails(c, DIR_RX, -err, func);
}

/*
 * Whether the holder of the socket lock is pushing a record to TCP. A failure then is
 * reported with that record.
 */
static __always_inline bool pushes(const struct conn *c)
{
	const struct tls_context *ctx = (void *)c->ctx;
	const struct tls_context___pre_6_5 *old = (void *)c->ctx;

	if (bpf_core_field_exists(old->in_tcp_sendpages))
		return BPF_CORE_READ_BITFIELD_PROBED(old, in_tcp_sendpages);
	return bpf_core_field_exists(ctx->splicing_pages) && BPF_CORE_READ_BITFIELD_PROBED(ctx, splicing_pages);
}

/* sk_stream_wait_memory(sk, timeo): a call has waited for buffer space, or would have had to. */
static __always_inline int wait_ends(u64 *ctx)
{
	int err = ctx[2];
	struct conn *c = err ? conn_lookup(ctx[0]) : 0;

	if (!c || c->card & CARD_TX || pushes(c)) /* card_send_ends reports these */
		return 0;
	if (err == -EAGAIN)
		__sync_fetch_and_add(&c->blocked, 1);
	else if (!is_retryable(err))
		call_fails(c, DIR_TX, -err, FUNC_WAIT_MEMORY);
	return 0;
}

/* tcp_reset(sk, skb) */
static __always_inline int reset_comes(u64 *ctx)
{
	struct conn *c = conn_lookup(ctx[0]);

	if (!c)
		return 0;
	c->send_state |= SEND_BROKEN;
	c->reset = 1;
	return 0;
}

/* A send call on a failed connection. The kernel refuses it until the error is fetched. */
static __always_inline void send_on_broken(struct conn *c, u64 sk)
{
	u32 err = BPF_CORE_READ((const struct sock *)sk, sk_err);

	if (err)
		call_fails(c, DIR_TX, err, FUNC_SENDMSG);
}

#endif
