/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The rings to user space, and the counters of what found no room there. */
#ifndef KTLS_RING_H
#define KTLS_RING_H

#include "ktls_config.h"
#include "ktls_event.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} payloads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * LOST_MAX);
	__type(key, u32);
	__type(value, u64);
} lost SEC(".maps");

static __always_inline u32 lost_as(enum lost cause, u32 dir) { return 2 * cause + (dir & 1); }

/* place is what lost_as says. */
static __always_inline void add_lost(u32 place, u64 more)
{
	u64 *n = bpf_map_lookup_elem(&lost, &place);

	if (n)
		*n += more;
}

static __always_inline void count_lost(enum lost cause, u32 dir) { add_lost(lost_as(cause, dir), 1); }

/* A record that finds no room is a loss of its own, unless the sums have it. Other events are not records. */
static __always_inline u32 ring_loss(const struct event *e)
{
	return lost_as(e->kind == KIND_RECORD && !aggregate ? LOST_RING_FULL : LOST_RING_FULL_EVENTS, e->dir);
}

static __always_inline u64 ring_used(void)
{
	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);
}

static __always_inline u64 wakeup(u64 used)
{
	return used >= wake_mark ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/* The last of the room is for what is rare: control records, errors, opens and closes. */
static __always_inline bool has_room(const struct event *e, u64 used)
{
	return used < data_mark || (e->kind != KIND_OPENED && (e->kind != KIND_RECORD || e->type != TYPE_DATA));
}

static __always_inline bool emit(struct event *e)
{
	u64 used = ring_used();
	struct event *place = 0;

	if (has_room(e, used))
		place = bpf_ringbuf_reserve(&events, sizeof(*place), 0);
	if (!place) {
		add_lost(ring_loss(e), 1);
		return false;
	}
	*place = *e;
	bpf_ringbuf_submit(place, wakeup(used));
	return true;
}

#endif
