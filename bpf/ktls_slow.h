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

struct window { u64 since, reported; };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct window);
} slow_window SEC(".maps");

static __always_inline bool took_long(u64 from, u64 to)
{
	return slow_ns && from && to > from && to - from >= slow_ns;
}

/* Whether one more is told in this second. */
static __always_inline bool may_report_slow(u32 dir)
{
	u64 now = bpf_ktime_get_ns();
	struct window *w;
	u32 zero = 0;

	w = bpf_map_lookup_elem(&slow_window, &zero);
	if (!w)
		return false;
	if (now - w->since >= SLOW_WINDOW) {
		w->since = now;
		w->reported = 0;
	}
	if (w->reported >= SLOW_PER_SECOND) {
		count_lost(LOST_SLOW_LIMIT, dir);
		return false;
	}
	w->reported++;
	return true;
}

/*
 * A place in the ring for a slow record whose event is not in the making any more; 0 where it is not told. e names its
 * connection, and who was seen to use that last. The event is made there: the callers' stack has no room for one.
 */
static __noinline struct slot *slow_slot(const struct event *e, u64 *pos)
{
	struct slot *place;

	if (!may_report_slow(e->dir))
		return 0;
	place = slot_reserve(e, pos);
	if (!place) {
		add_lost(ring_loss(e), 1);
		return 0;
	}
	place->e = *e;
	place->e.kind = KIND_RECORD;
	place->e.type = TYPE_DATA;
	place->e.flags &= FLAG_KTHREAD;
	place->e.rec.stamp[1] = place->e.rec.stamp[2] = 0;
	place->e.rec.call_records = 0; /* its call is not known: what e says may be of another record */
	return place;
}

#endif
