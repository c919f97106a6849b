/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the records of one receive call say of it. */
#ifndef KTLS_CALL_H
#define KTLS_CALL_H

#include "ktls_event.h"

/*
 * The call that has opened a record takes up another at a time (0: now): its reader has the
 * first one's plaintext by then, unless asynchronous crypto opens it, which the call waits for
 * at its end. Of the calls without a message splice_read takes one record, and read_sock more.
 */
static __always_inline void call_continues(struct event *e, u64 now)
{
	if (e->rec.op == OP_SPLICE_READ)
		e->rec.op = OP_READ_SOCK;
	e->flags |= FLAG_RETURN_LATER;
	if (!(e->flags & FLAG_ASYNC))
		e->rec.stamp[3] = now ? now : bpf_ktime_get_ns();
}

/* e is the first record of its call, which has begun at a time (0: not known). */
static __always_inline void call_begins(struct event *e, u64 *call_begun, u64 begun)
{
	*call_begun = begun;
	e->rec.call_records = 1;
}

/* e is one more of a call that went on. */
static __always_inline void call_adds_record(struct event *e)
{
	if (e->rec.call_records != MANY_RECORDS)
		e->rec.call_records++;
}

/* The call goes on, and has the plaintext when asynchronous crypto is done: at its end. */
static __always_inline bool ends_with_call(const struct event *e)
{
	return e->flags & FLAG_RETURN_LATER && e->flags & FLAG_ASYNC;
}

/* The call has returned with it that took its first record up at a time. */
static __always_inline void set_call(struct event *e, u64 begun)
{
	if (e->type == TYPE_DATA)
		*(u64 *)e->rec.ctl = begun;
}

#endif
