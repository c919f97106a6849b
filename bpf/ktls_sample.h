/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * --sample: one in N ordinary records becomes an event. Control records and slow records
 * are always reported. A record that sampling leaves out counts as hidden, so that its
 * sequence does not look lost, and the next sampled record says how many records it
 * represents. If that record finds no room in the ring, the next one represents them too,
 * so the sums stay exact.
 */
#ifndef KTLS_SAMPLE_H
#define KTLS_SAMPLE_H

#include "ktls_ring.h"

const volatile u32 sampling = 0;    /* set by the loader; where it is 0, the code below is dead */
const volatile u32 sample_auto = 0; /* N follows the fill level of the ring */
const volatile u32 fill_shift = 10; /* log2 of a sixteenth of the ring, in events */
volatile u32 sample_every = 1;      /* the smallest N; changes at run time */

#define SLOW_FACTOR 8 /* a record that takes this many times the mean is always reported */
#define MEAN_SHIFT 4  /* the mean moves by a sixteenth of each difference */

/* The sampling state of a direction. */
struct sampler {
	u64 mean;    /* mean duration, times 2^MEAN_SHIFT */
	u32 skipped; /* records left out that no event represents yet */
	u32 pad;
};

/*
 * N by the fill level of the ring: 1 below one half, then 4, 16 ... for each further
 * sixteenth. The last two sixteenths take no data records.
 */
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

/* Decide when a record begins, so that only the plaintext of sampled records is copied. */
static __always_inline void sample_record(struct event *e, const struct sampler *s)
{
	if (sampling)
		e->rec.sampled = s->skipped + 1 >= sample_step();
}

/* Whether its plaintext need not be copied. */
static __always_inline bool skips_plaintext(const struct event *e)
{
	return sampling && e->type == TYPE_DATA && !e->rec.sampled;
}

/* Whether a record took much longer than earlier ones, as far as known when it leaves. */
static __always_inline bool is_slow(const struct event *e, struct sampler *s)
{
	u64 end = e->rec.stamp[3] ? e->rec.stamp[3] : e->rec.stamp[2], mean = s->mean, took;

	if (!e->rec.stamp[0] || end <= e->rec.stamp[0])
		return false;
	took = end - e->rec.stamp[0];
	s->mean = mean ? mean - (mean >> MEAN_SHIFT) + took : took << MEAN_SHIFT;
	return mean && took > (mean >> MEAN_SHIFT) * SLOW_FACTOR;
}

/*
 * Records opened asynchronously are never sampled out, because user space joins them with
 * the completion of the crypto.
 */
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

/* The record leaves, and represents all records left out before it. */
static __always_inline void take_weight(struct event *e, struct sampler *s)
{
	if (!sampling)
		return;
	e->rec.skipped = e->rec.sampled ? __sync_lock_test_and_set(&s->skipped, 0) : 0;
}

/* The record found no room: the next one represents them. */
static __always_inline void return_weight(const struct event *e, struct sampler *s)
{
	if (sampling)
		__sync_fetch_and_add(&s->skipped, e->rec.skipped);
}

#endif
