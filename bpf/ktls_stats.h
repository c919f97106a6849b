/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Adding a record to the sums. */
#ifndef KTLS_STATS_H
#define KTLS_STATS_H

#include "ktls_call.h"
#include "ktls_ring.h"
#include "ktls_slow.h"
#include "ktls_sums.h"

/* Hides from the compiler what it knows about v. It would omit a check that the verifier needs. */
#define hide_value(v) asm volatile("" : "+r"(v))

/* 1 if v is greater than limit, else 0. Without a branch, of which the verifier would follow both sides. */
static __always_inline u32 above(u64 v, u64 limit)
{
	return (limit - v) >> 63;
}

/* The highest bit of v, for v from 1 to 2^63 - 1. */
static __always_inline u32 log2_of(u64 v)
{
	u32 n, k;

	k = above(v, 0xffffffff) << 5;
	v >>= k;
	n = above(v, 0xffff) << 4;
	v >>= n;
	k |= n;
	n = above(v, 0xff) << 3;
	v >>= n;
	k |= n;
	n = above(v, 0xf) << 2;
	v >>= n;
	k |= n;
	n = above(v, 3) << 1;
	v >>= n;
	return k | n | (v >> 1);
}

/*
 * Additions are atomic. The socket lock serialises senders, but a receive call returns
 * without it, and the next reader may be running already.
 */
static __always_inline void add_span(struct side *s, u32 i, u64 from, u64 to, u32 weight)
{
	u64 v = to - from, max = s->max[i];
	u64 k;

	if (!from || to <= from)
		return;
	k = s->last[i];
	if (v >> (k & 63) != 1) {
		k = log2_of(v);
		hide_value(k);
		s->last[i] = k;
	}
	if (k >= BUCKETS)
		k = BUCKETS - 1;
	__sync_fetch_and_add(&s->log2[i][k], weight);
	if (v > max && __sync_val_compare_and_swap(&s->max[i], max, v) != max) {
		max = s->max[i]; /* retry once: two readers rarely collide */
		if (v > max)
			__sync_val_compare_and_swap(&s->max[i], max, v);
	}
	__sync_fetch_and_add(&s->sum[i], v * weight);
}

/* A record without begin or end has no times, as in user space (flow.Table). */
static __always_inline void add_times(struct side *s, const u64 *stamp, u32 weight)
{
	if (!stamp[0] || stamp[3] <= stamp[0])
		return;
	if (weight) {
		add_span(s, 0, stamp[0], stamp[1], weight);
		add_span(s, 1, stamp[1], stamp[2], weight);
		add_span(s, 2, stamp[2], stamp[3], weight);
	}
	add_span(s, 3, stamp[0], stamp[3], 1);
}

static __always_inline void set_last(struct side *s, const struct event *e)
{
	u64 mono = e->rec.stamp[3];

	if (mono < e->rec.stamp[2])
		mono = e->rec.stamp[2];
	if (mono < e->rec.stamp[1])
		mono = e->rec.stamp[1];
	if (mono < e->rec.stamp[0])
		mono = e->rec.stamp[0];
	s->mono = mono;
	s->next = e->rec.seq + 1;
	s->gen = e->gen;
	if (!is_measured(e)) /* then the caller was not measured either, see set_caller */
		return;
	s->cgroup = e->cgroup;
	s->pid = e->pid;
	s->tid = e->tid;
	s->uid = e->uid;
	s->version = e->version;
	s->cipher = e->cipher;
	s->mode = e->mode;
	s->flags = e->flags;
	__builtin_memcpy(s->comm, e->comm, sizeof(s->comm));
}

/* What the sums need of a record whose stages are not measured. */
struct plain { u64 from, to, seq; u32 len, gen; u8 flags; };

static __always_inline struct plain plain_of(const struct event *e, u64 to)
{
	return (struct plain){ e->rec.stamp[0], to, e->rec.seq, e->rec.len, e->gen, e->flags };
}

/* Report a slow record of this kind. Its call is unknown. */
static __always_inline void report_slow(const struct event *e, const struct plain *p)
{
	struct slot *place;
	u64 pos;

	place = slow_slot(e, &pos);
	if (!place)
		return;
	place->e.flags |= p->flags & FLAG_ZEROCOPY;
	place->e.gen = p->gen;
	place->e.rec.stamp[0] = p->from;
	place->e.rec.stamp[3] = p->to;
	place->e.rec.seq = p->seq;
	place->e.rec.len = p->len;
	place->e.rec.op = OP_NONE;
	slot_submit(place, pos);
}

/* Add such a record to the sums; e names its connection. */
static __always_inline void add_plain(const struct event *e, u32 dir, const struct plain *p)
{
	struct sums *st;
	struct side *s;

	if (took_long(p->from, p->to)) /* first, to keep no registers occupied for it */
		report_slow(e, p);
	st = stats_of(e);
	if (!st) {
		count_lost(LOST_STATS_MAP_FULL, dir);
		return;
	}
	s = &st->side[dir];
	add_span(s, 3, p->from, p->to, 1);
	if (dir == DIR_RX && p->flags & FLAG_ZEROCOPY)
		__sync_fetch_and_add(&s->zerocopy, 1);
	if (p->to)
		s->mono = p->to;
	s->next = p->seq + 1;
	s->gen = p->gen;
	__sync_fetch_and_add(&s->bytes, p->len);
	__sync_fetch_and_add(&s->records, 1);
}

/* Add a record to the sums. Returns false if the map has no room for its connection. */
static __noinline int add_record(const struct event *e)
{
	struct sums *st = stats_of(e);
	u64 dir = e->dir;
	struct side *s;

	if (!st)
		return 0;
	hide_value(dir);
	s = &st->side[dir & 1];
	if (!ends_with_call(e))
		add_times(s, e->rec.stamp, e->rec.weight);
	if (e->flags & FLAG_ZEROCOPY)
		__sync_fetch_and_add(&s->zerocopy, 1);
	set_last(s, e);
	__sync_fetch_and_add(&s->bytes, e->rec.len);
	__sync_fetch_and_add(&s->records, 1);
	return 1;
}

#endif
