/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Dashboard mode: a record that took long comes as an event too. The sums have it as they have the others. */
#ifndef KTLS_SLOW_H
#define KTLS_SLOW_H

#include "ktls_ring.h"
#include "ktls_stages.h"

const volatile u64 slow_ns = 0; /* set by the loader: as long; without it the rest is dead code */

/* So that a host where all is slow is not slower for that: on each processor. */
#define SLOW_PER_SECOND 100
#define SLOW_WINDOW 1000000000ULL

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct { u64 since; u64 told; });
} slow_window SEC(".maps");

static __always_inline bool took_long(u64 from, u64 to)
{
	return slow_ns && from && to > from && to - from >= slow_ns;
}

/* Whether one more is told in this second. */
static __noinline bool may_tell_slow(u32 dir)
{
	struct { u64 since; u64 told; } *w;
	u64 now = bpf_ktime_get_ns();
	u32 zero = 0;

	w = bpf_map_lookup_elem(&slow_window, &zero);
	if (!w)
		return false;
	if (now - w->since >= SLOW_WINDOW) {
		w->since = now;
		w->told = 0;
	}
	if (w->told >= SLOW_PER_SECOND) {
		count_lost(LOST_SLOW_LIMIT, dir);
		return false;
	}
	w->told++;
	return true;
}

/* What is known of a record whose event is not in the making any more. */
struct slow {
	u64 stamp[4];
	u64 seq;
	u32 len, gen;
	u8 flags, op;
};

/* e names its connection, and who was seen to use that last. The event is made where it leaves: the stack has no room. */
static __noinline int tell_slow(const struct event *e, const struct slow *s)
{
	struct slot *place;
	u64 pos;

	if (!may_tell_slow(e->dir))
		return 0;
	place = slot_take(e, &pos);
	if (!place) {
		add_lost(ring_loss(e), 1);
		return 0;
	}
	place->e = *e;
	place->e.kind = KIND_RECORD;
	place->e.type = TYPE_DATA;
	place->e.flags = s->flags & (FLAG_ZEROCOPY | FLAG_KTHREAD);
	place->e.gen = s->gen;
	__builtin_memcpy(place->e.rec.stamp, s->stamp, sizeof(s->stamp));
	place->e.rec.seq = s->seq;
	place->e.rec.len = s->len;
	place->e.rec.op = s->op;
	slot_give(place, pos);
	return 0;
}

#endif
