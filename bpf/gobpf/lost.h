/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counters of lost events, by cause and direction. */
#ifndef GOBPF_LOST_H
#define GOBPF_LOST_H

#include "settings.h"
#include "../ktls_event.h"

struct {
	/*
	 * User space maps it: while a bpf system call reads a map, the kernel skips kprobe
	 * programs on that CPU.
	 */
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
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
		__sync_fetch_and_add(n, more);
}

static __always_inline void count_lost(enum lost cause, u32 dir) { add_lost(lost_as(cause, dir), 1); }

/* A record that finds no room is a lost record, because there are no sums. Other events are counted apart. */
static __always_inline u32 ring_loss(const struct event *e)
{
	return lost_as(e->kind == KIND_RECORD ? LOST_RING_FULL : LOST_RING_FULL_EVENTS, e->dir);
}

#endif
