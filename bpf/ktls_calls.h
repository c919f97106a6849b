/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Calls that fail, though no record does. A call that does not fail pays nothing for
 * this: failures are seen where a return is looked at anyway, or in functions that
 * only a call in trouble comes to.
 */
#ifndef KTLS_CALLS_H
#define KTLS_CALLS_H

#include "ktls_failure.h"

#define EINTR 4
#define EAGAIN 11
#define EOPNOTSUPP 95
#define ERESTARTSYS 512
#define SECOND 1000000000ULL

/* Where failures of this kind are counted, or those that were told longest ago. */
static __always_inline struct fold *fold_of(struct conn *c, u16 err, u8 func)
{
	struct fold *f = &c->fails[0];

	for (u32 i = 0; i < FOLDS; i++) {
		if (c->fails[i].err == err && c->fails[i].func == func)
			return &c->fails[i];
		if (c->fails[i].told < f->told)
			f = &c->fails[i];
	}
	return f;
}

/* Whether a failure is to be told; more is how many others it stands for. */
static __always_inline bool unfold(struct fold *f, u16 err, u8 func, u32 *more)
{
	u64 now = bpf_ktime_get_ns();

	*more = 0;
	if (f->err == err && f->func == func) {
		if (now - f->told < SECOND) {
			__sync_fetch_and_add(&f->more, 1);
			return false;
		}
		*more = f->more;
	}
	f->told = now;
	f->more = 0;
	f->err = err;
	f->func = func;
	return true;
}

/* A call has failed with err. A global function, see emit_socket. */
__noinline int call_fails(struct conn *c, u32 dir, u32 err, u32 func)
{
	struct fold *f;
	u32 more;

	if (!c)
		return 0;
	f = fold_of(c, err, func);
	if (!unfold(f, err, func, &more))
		return 0;
	if (dir == DIR_TX)
		emit_failure(&c->tx, c->next[DIR_TX], -(int)err, func, more);
	else if (err == EIO) /* it is about a record, which was opened */
		emit_failure(&c->rx, c->rx.rec.seq, -(int)err, func, more);
	else
		emit_failure(&c->rx, read_seq(c->seq_rx), -(int)err, func, more);
	return 0;
}

static __noinline void emit_counted(const struct event *like, u64 seq, const struct fold *f)
{
	struct event e = *like;

	if (!owners_failure(&e, seq, -(int)f->err, f->func))
		return;
	e.failure.more = f->more - 1;
	emit(&e);
}

/* The end of a connection: failures that have only been counted are told. */
static __always_inline void tell_counted(struct conn *c)
{
	struct fold *f;

	for (u32 i = 0; i < FOLDS; i++) {
		f = &c->fails[i];
		if (f->more && (f->func == FUNC_SENDMSG || f->func == FUNC_WAIT_MEMORY))
			emit_counted(&c->tx, c->end_seq[DIR_TX], f);
		else if (f->more)
			emit_counted(&c->rx, c->end_seq[DIR_RX], f);
	}
}

/* What is no failure: there is nothing to read yet, or no room, or a signal has come. */
static __always_inline bool goes_on(int err) { return err == -EAGAIN || err == -EINTR || err <= -ERESTARTSYS; }

/* A failure to open a record, or to parse one, has been told where it happened. */
static __always_inline void read_fails(u64 sk, int err, u8 func)
{
	struct conn *c = goes_on(err) ? 0 : conn_lookup(sk);

	if (c && !c->rx_failed)
		call_fails(c, DIR_RX, -err, func);
}

/* Whether the socket's lock is held by a record on its way to TCP, whose failure is told with it. */
static __always_inline bool pushes(const struct conn *c)
{
	const struct tls_context *ctx = (void *)c->ctx;
	const struct tls_context___pre_6_5 *old = (void *)c->ctx;

	if (bpf_core_field_exists(old->in_tcp_sendpages))
		return BPF_CORE_READ_BITFIELD_PROBED(old, in_tcp_sendpages);
	return bpf_core_field_exists(ctx->splicing_pages) && BPF_CORE_READ_BITFIELD_PROBED(ctx, splicing_pages);
}

/* sk_stream_wait_memory(sk, timeo): a call has waited for room, or would have to. */
static __always_inline int wait_ends(u64 *ctx)
{
	int err = ctx[2];
	struct conn *c = err ? conn_lookup(ctx[0]) : 0;

	if (!c || pushes(c))
		return 0;
	if (err == -EAGAIN)
		__sync_fetch_and_add(&c->blocked, 1);
	else if (!goes_on(err))
		call_fails(c, DIR_TX, -err, FUNC_WAIT_MEMORY);
	return 0;
}

/* tcp_reset(sk, skb) */
static __always_inline int reset_comes(u64 *ctx)
{
	struct conn *c = conn_lookup(ctx[0]);

	if (!c)
		return 0;
	c->sends |= SENDS_BROKEN;
	c->reset = 1;
	return 0;
}

/* A send call on a connection that has failed: the kernel refuses it while the error is not fetched. */
static __always_inline void send_on_broken(struct conn *c, u64 sk)
{
	u32 err = BPF_CORE_READ((const struct sock *)sk, sk_err);

	if (err)
		call_fails(c, DIR_TX, err, FUNC_SENDMSG);
}

#endif
