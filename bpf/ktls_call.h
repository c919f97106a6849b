/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* How the records of one receive call describe that call. */
#ifndef KTLS_CALL_H
#define KTLS_CALL_H

#include "ktls_event.h"

/*
 * The call that opened this record starts another one at time now (0: read the clock). By
 * then its reader has the plaintext of the first record, unless asynchronous crypto opens
 * it: the call waits for that only at its end. Of the calls without a message, splice_read
 * opens one record and read_sock opens more.
 */
static __always_inline void call_continues(struct event *e, u64 now)
{
	if (e->rec.op == OP_SPLICE_READ)
		e->rec.op = OP_READ_SOCK;
	e->flags |= FLAG_RETURN_LATER;
	if (!(e->flags & FLAG_ASYNC))
		e->rec.stamp[3] = now ? now : bpf_ktime_get_ns();
}

/* e is the first record of a call that began at begun (0: unknown). */
static __always_inline void call_begins(struct event *e, u64 *call_begun, u64 begun)
{
	*call_begun = begun;
	e->rec.call_records = 1;
}

/* e is a further record of a call that continued. */
static __always_inline void call_adds_record(struct event *e)
{
	if (e->rec.call_records != MANY_RECORDS)
		e->rec.call_records++;
}

/* The call continues and receives the plaintext at its end, when asynchronous crypto has finished. */
static __always_inline bool ends_with_call(const struct event *e)
{
	return e->flags & FLAG_RETURN_LATER && e->flags & FLAG_ASYNC;
}

/* The call that returned with this record started to open its first record at begun. */
static __always_inline void set_call(struct event *e, u64 begun)
{
	if (e->type == TYPE_DATA)
		*(u64 *)e->rec.ctl = begun;
}

#endif
