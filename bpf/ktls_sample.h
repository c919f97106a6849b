/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * --sample: of ordinary records only one in N becomes an event. Control records
 * stay, and those that took long. What is left out counts as hidden, so that no
 * sequence looks lost, and the next record picked by turn says how many it stands
 * for. A record that finds no room in the ring stands for nothing: what it would
 * have stood for is left to the next one, so that the sums are exact.
 */
#ifndef KTLS_SAMPLE_H
#define KTLS_SAMPLE_H

#include "ktls_ring.h"

const volatile u32 sampling = 0;    /* set by the loader; without it the rest is dead code */
const volatile u32 sample_auto = 0; /* N follows the ring's fill */
const volatile u32 fill_shift = 10; /* log2 of a sixteenth of the ring, in events */
volatile u32 sample_every = 1;      /* the least N; it changes while the programs run */

#define SLOW_FACTOR 8 /* a record that takes so many times the mean stays */
#define MEAN_SHIFT 4  /* the mean moves by a sixteenth of what is new */

/* One direction of a connection. */
struct sampler {
	u64 mean;    /* of the total, times 2^MEAN_SHIFT */
	u32 skipped; /* left out, and no event stands for it yet */
	u32 pad;
};

/* N by the fill of the ring: 1 below the half, then 4, 16 ... for each sixteenth; the last two let no data in. */
static __always_inline u32 sample_step(void)
{
	u32 every = sample_every, level, by_fill;

	if (!sample_auto)
		return every;
	level = ring_used() >> fill_shift;
	if (level < 8)
		return every;
	if (level > 13)
		level = 13;
	by_fill = 1U << (2 * (level - 7));
	return every > by_fill ? every : by_fill;
}

/* Called when a record begins, so that only the plaintext of picked ones is copied. */
static __always_inline void sample_record(struct event *e, const struct sampler *s)
{
	if (sampling)
		e->rec.sampled = s->skipped + 1 >= sample_step();
}

/* Whether there is a reason to copy its plaintext. */
static __always_inline bool skips_plaintext(const struct event *e)
{
	return sampling && e->type == TYPE_DATA && !e->rec.sampled;
}

/* Whether a record took much longer than those before it did, by what is known when it leaves. */
static __always_inline bool is_slow(const struct event *e, struct sampler *s)
{
	u64 end = e->rec.stamp[3] ? e->rec.stamp[3] : e->rec.stamp[2], mean = s->mean, took;

	if (!e->rec.stamp[0] || end <= e->rec.stamp[0])
		return false;
	took = end - e->rec.stamp[0];
	s->mean = mean ? mean - (mean >> MEAN_SHIFT) + took : took << MEAN_SHIFT;
	return mean && took > (mean >> MEAN_SHIFT) * SLOW_FACTOR;
}

/* Records opened asynchronously stay, since user space joins them to what the crypto tells. */
static __always_inline bool is_sampled_out(const struct event *e, struct sampler *s)
{
	bool slow;

	if (!sampling)
		return false;
	slow = is_slow(e, s);
	return !slow && !e->rec.sampled && e->type == TYPE_DATA && !(e->flags & FLAG_ASYNC);
}

static __always_inline void count_sampled_out(struct sampler *s)
{
	__sync_fetch_and_add(&s->skipped, 1);
}

/* The record leaves: it takes along what it stands for. */
static __always_inline void take_weight(struct event *e, struct sampler *s)
{
	if (!sampling)
		return;
	e->rec.skipped = e->rec.sampled ? __sync_lock_test_and_set(&s->skipped, 0) : 0;
}

/* It found no room. */
static __always_inline void return_weight(const struct event *e, struct sampler *s)
{
	if (sampling)
		__sync_fetch_and_add(&s->skipped, e->rec.skipped);
}

#endif
