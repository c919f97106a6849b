/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The rings to user space, and the counters of lost events. */
#ifndef KTLS_RING_H
#define KTLS_RING_H

#include "ktls_config.h"
#include "ktls_event.h"

/*
 * Events are stored in an array that user space maps. A writer reserves a position, fills
 * the slot there and submits it; the reader follows position by position. Reserving in the
 * kernel's ring buffer costs five times as much. As there, a writer that is preempted
 * before it submits blocks the reader. Writers check for room before they reserve a
 * position. Between the two, other writers can do the same, at most one of each program on
 * each CPU. Therefore the array has that many slots more than room for events
 * (pkg/loader/internal/ring).
 */
struct slot {
	u64 turn; /* 1 + the position of its event, set once that is complete */
	struct event e; /* kind 0: no event, skip it */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << 15);
	__type(key, u32);
	__type(value, struct slot);
} events SEC(".maps");

const volatile u32 ring_mask = (1 << 15) - 1; /* slots - 1 */
const volatile u32 ring_room = 1 << 14;  /* room for events, in slots */
const volatile u32 data_room = 7 << 11;  /* room for ordinary records, see has_room */
const volatile u32 wake_mask = (1 << 12) - 1; /* a position that is a multiple of this + 1 wakes the reader */

u64 ring_head;          /* the next position to reserve */
volatile u64 ring_tail; /* the next position to read; user space sets it */

/* Entries only wake the reader; their contents mean nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* a page; the loader sets it */
} wake SEC(".maps");

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

/* index comes from lost_as. */
static __always_inline void add_lost(u32 place, u64 more)
{
	u64 *n = bpf_map_lookup_elem(&lost, &place);

	if (n)
		*n += more;
}

static __always_inline void count_lost(enum lost cause, u32 dir) { add_lost(lost_as(cause, dir), 1); }

/* A record without a slot is a lost record, unless the sums count it. Other events are counted apart. */
static __always_inline u32 ring_loss(const struct event *e)
{
	return lost_as(e->kind == KIND_RECORD && !aggregate ? LOST_RING_FULL : LOST_RING_FULL_EVENTS, e->dir);
}

/* Number of events in the ring. Reads the tail first, because it never passes the head. */
static __always_inline u64 ring_used(void)
{
	u64 tail = ring_tail;

	return *(volatile u64 *)after(order_of(tail), &ring_head) - tail;
}

/* The last part of the ring is reserved for rare events: control records, errors, opens and closes. */
static __always_inline bool has_room(const struct event *e, u64 used)
{
	return used < data_room || (used < ring_room && (e->kind != KIND_OPENED && (e->kind != KIND_RECORD || e->type != TYPE_DATA)));
}

/* Reserve a slot for an event; 0 if the ring is full. A reserved slot has to be submitted. */
static __always_inline struct slot *slot_reserve(const struct event *e, u64 *pos)
{
	u32 key;

	if (!has_room(e, ring_used()))
		return 0;
	*pos = __sync_fetch_and_add(&ring_head, 1);
	key = *pos & ring_mask;
	return bpf_map_lookup_elem(&events, &key);
}

/* Submit a slot once its event is complete. */
static __always_inline void slot_submit(struct slot *s, u64 pos)
{
	u64 nothing = 0;

	__sync_lock_test_and_set(&s->turn, pos + 1); /* a full barrier, see conn_publish */
	if (!(pos & wake_mask))
		bpf_ringbuf_output(&wake, &nothing, sizeof(nothing), BPF_RB_FORCE_WAKEUP);
}

static __always_inline bool emit(struct event *e)
{
	struct slot *s;
	u64 pos;

	s = slot_reserve(e, &pos);
	if (!s) {
		add_lost(ring_loss(e), 1);
		return false;
	}
	s->e = *e;
	slot_submit(s, pos);
	return true;
}

#endif
