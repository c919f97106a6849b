/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The rings to user space, and the counters of what found no room there. */
#ifndef KTLS_RING_H
#define KTLS_RING_H

#include "ktls_config.h"
#include "ktls_event.h"

/*
 * Events lie in an array that user space has as memory: a writer takes a position,
 * fills the slot there and says so in it; the reader follows, one position after the
 * other. A reservation in a ring buffer of the kernel's costs five times as much. A
 * writer that is preempted before it is done holds the reader up, as it would there.
 *
 * Whether there is room is looked at before a position is taken. Between the two
 * others can do the same, but of each program one on each processor: there are more
 * slots than events have room by as many (pkg/loader/internal/ring).
 */
struct slot {
	u64 turn; /* 1 + the position of what it holds, once that is whole */
	struct event e; /* of kind 0: nothing, go on */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << 15);
	__type(key, u32);
	__type(value, struct slot);
} events SEC(".maps");

const volatile u32 ring_mask = (1 << 15) - 1; /* slots, less 1 */
const volatile u32 ring_room = 1 << 14;  /* events that there is room for */
const volatile u32 data_room = 7 << 11;  /* the same for ordinary records, see has_room */
const volatile u32 wake_mask = (1 << 12) - 1; /* the reader is woken each time so many positions have been taken, plus 1 */

u64 ring_head;          /* the next position to take */
volatile u64 ring_tail; /* the next position to read; user space sets it */

/* What is in it means nothing: it wakes the reader. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* a page, which the loader sets */
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

/* Events in the ring. The tail first: it never passes the head. */
static __always_inline u64 ring_used(void)
{
	u64 tail = ring_tail;

	return *(volatile u64 *)after(order_of(tail), &ring_head) - tail;
}

/* The last of the room is for what is rare: control records, errors, opens and closes. */
static __always_inline bool has_room(const struct event *e, u64 used)
{
	return used < data_room || (used < ring_room && (e->kind != KIND_OPENED && (e->kind != KIND_RECORD || e->type != TYPE_DATA)));
}

/* A slot for an event, 0 where there is no room. Who has got one must give it. */
static __always_inline struct slot *slot_reserve(const struct event *e, u64 *pos)
{
	u32 key;

	if (!has_room(e, ring_used()))
		return 0;
	*pos = __sync_fetch_and_add(&ring_head, 1);
	key = *pos & ring_mask;
	return bpf_map_lookup_elem(&events, &key);
}

/* What the slot holds is whole. */
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
