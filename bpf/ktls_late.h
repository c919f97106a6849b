/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Dashboard mode: records of a receive call that goes on wait for its return. */
#ifndef KTLS_LATE_H
#define KTLS_LATE_H

#include "ktls_stats.h"

/*
 * Records of a receive call that goes on: when it returns they get that end.
 * What finds no room is counted without times. A task is in one call at a time,
 * so nobody else touches its entry, which goes when the call returns. Not an LRU map:
 * with many processors that takes entries which are in use.
 */
#define LATE_MAX 128
struct late {
	u32 n, pad;
	u64 first; /* the sequence from which their steps are counted */
	struct {
		u64 stamp[3];
		u32 len;
		u16 step;
		u8 weight;
		u8 told; /* it is an event anyway */
	} of[LATE_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__type(key, u32); /* thread */
	__type(value, struct late);
} late SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct late);
} blank_late SEC(".maps");

/* Keep the times of a record, if it is wanted, until its call returns. */
static __always_inline void wait_for_return(const struct event *e, bool first, bool wanted)
{
	u32 tid = bpf_get_current_pid_tgid(), zero = 0, n;
	struct late *l = bpf_map_lookup_elem(&late, &tid);
	u64 step;

	if (!l) {
		if (!wanted)
			return;
		l = bpf_map_lookup_elem(&blank_late, &zero);
		if (!l)
			return;
		bpf_map_update_elem(&late, &tid, l, BPF_ANY);
		l = bpf_map_lookup_elem(&late, &tid);
		if (!l)
			return;
	}
	if (first) {
		l->n = 0; /* what a failed call left */
		l->first = e->rec.seq;
	}
	n = l->n;
	step = e->rec.seq - l->first;
	if (n >= LATE_MAX || step > 0xffff || !wanted)
		return;
	l->of[n].stamp[0] = e->rec.stamp[0];
	l->of[n].stamp[1] = e->rec.stamp[1];
	l->of[n].stamp[2] = e->rec.stamp[2];
	l->of[n].len = e->rec.len;
	l->of[n].step = step;
	l->of[n].weight = e->rec.weight;
	l->of[n].told = e->type != TYPE_DATA || is_streamed(e);
	l->n = n + 1;
}

struct returning {
	struct late *from;
	struct side *to;
	u64 end;
	const struct event *e; /* the record of the return */
};

/* A record that has waited for its return took long; its call is that of the return. */
static __always_inline void tell_late(const struct returning *r, u32 i)
{
	const struct late *l = r->from;
	struct slot *place;
	u64 pos;

	place = slow_place(r->e, &pos);
	if (!place)
		return;
	place->e.rec.stamp[0] = l->of[i].stamp[0];
	if (stages && l->of[i].weight) {
		place->e.rec.stamp[1] = l->of[i].stamp[1];
		place->e.rec.stamp[2] = l->of[i].stamp[2];
	}
	place->e.rec.seq = l->first + l->of[i].step;
	place->e.rec.len = l->of[i].len;
	slot_give(place, pos);
}

static long one_returned(u32 i, struct returning *r)
{
	const struct late *l = r->from;
	u64 stamp[4];

	if (i >= LATE_MAX)
		return 1;
	stamp[0] = l->of[i].stamp[0];
	stamp[1] = l->of[i].stamp[1];
	stamp[2] = l->of[i].stamp[2];
	stamp[3] = r->end;
	add_times(r->to, stamp, l->of[i].weight);
	if (took_long(stamp[0], r->end) && !l->of[i].told)
		tell_late(r, i);
	return 0;
}

static __always_inline void forget_late(void)
{
	u32 tid = bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&late, &tid);
}

/* The call returned that has opened others before e. */
static __noinline void all_returned(const struct event *e)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct late *l = bpf_map_lookup_elem(&late, &tid);
	struct returning r = { l, 0, e->rec.stamp[3], e };
	struct sums *s;

	if (!l)
		return;
	s = stats_of(e);
	if (s && l->n) {
		r.to = &s->side[DIR_RX];
		bpf_loop(l->n, one_returned, &r, 0);
	}
	forget_late();
}

#endif
