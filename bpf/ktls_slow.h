/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Dashboard mode: a slow record becomes an event too. The sums count it like the others.
 * The check costs all records four instructions.
 */
#ifndef KTLS_SLOW_H
#define KTLS_SLOW_H

#include "ktls_ring.h"
#include "ktls_stages.h"

const volatile u64 slow_ns = 0; /* the threshold, set by the loader; where it is 0, this code is dead */

/* The limit per CPU, so that reporting does not slow down a host on which everything is slow. */
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

/* Whether one more slow record may be reported in this second. */
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
 * Reserve a slot for a slow record whose event was reused meanwhile; 0 if it is not
 * reported. e names the connection and its last known caller. The event is built in the
 * slot, because the caller's stack has no room for it.
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
	place->e.rec.call_records = 0; /* call unknown: this count may belong to another record */
	return place;
}

#endif
