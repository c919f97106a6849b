/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Reporting failures of the kernel's TLS code. Both backends include this where their events are emitted. */
#ifndef KTLS_FAILURE_H
#define KTLS_FAILURE_H

static __always_inline void set_failure(struct failure *f, u64 seq, int err, u8 func)
{
	f->time = bpf_ktime_get_ns();
	f->seq = seq;
	f->err = -err;
	f->func = func;
	f->owner = 0;
	f->option = 0;
	f->more = f->pad = 0;
}

/*
 * Report that the kernel's TLS code failed in a call. like is an event of the connection
 * and direction. Returns false if the filters exclude it.
 */
static __noinline bool emit_failure(const struct event *like, u64 seq, int err, u8 func)
{
	struct event e = *like;

	e.kind = KIND_ERROR;
	e.flags = 0;
	set_failure(&e.failure, seq, err, func);
	set_process(&e);
	if (e.flags & FLAG_HIDDEN)
		return false;
	emit(&e);
	return true;
}

/*
 * Prepare a failure for which no call is responsible: in softirq the current task is
 * arbitrary. The event names the last caller on the connection, or the task that opened
 * it, and the filters judge that one. e is an event of the connection and direction.
 * Returns true if the filters want it.
 */
static __always_inline bool owner_failure(struct event *e, u64 seq, int err, u8 func)
{
	if ((e->flags & FLAG_HIDDEN) || !conn_wanted(e) || (want_dir && want_dir != 1U + e->dir))
		return false;
	e->kind = KIND_ERROR;
	e->flags &= FLAG_KTHREAD;
	set_failure(&e->failure, seq, err, func);
	e->failure.owner = 1;
	return true;
}

static __noinline bool emit_kernel_failure(const struct event *like, u64 seq, int err, u8 func, u8 type)
{
	struct event e = *like;

	e.type = type;
	if (!owner_failure(&e, seq, err, func))
		return false;
	emit(&e);
	return true;
}

#endif
