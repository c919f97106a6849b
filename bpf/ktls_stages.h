/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which records have their stages measured. */
#ifndef KTLS_STAGES_H
#define KTLS_STAGES_H

#include "ktls_config.h"
#include "ktls_event.h"

/*
 * How many records the stages of this one stand for; 0: they are not measured.
 * Reading the clock between the stages costs a quarter of what a record does, so
 * where many go by, one in some is chosen: by the golden ratio, which is in step
 * with no pattern of the traffic. The first ones and those that become events are
 * all measured. nth counts the direction's records.
 */
#define STAGES_OF_ALL 64
#define STAGES_SHIFT 3 /* log2 of one in how many */

static __always_inline u32 stage_weight(const struct event *e, u32 *nth)
{
	u32 n;

	if (!aggregate)
		return 1;
	n = (*nth)++;
	if (n < STAGES_OF_ALL || e->conn == stream_conn)
		return 1;
	return n * 0x9e3779b1U >> (32 - STAGES_SHIFT) ? 0 : 1 << STAGES_SHIFT;
}

/* Whether a record is one of those that are looked at more closely: how long its stages took, and who made it. */
static __always_inline bool is_measured(const struct event *e) { return !aggregate || e->rec.weight; }

/* Whether it is of the connection whose records are events too. One that began before that was chosen may have nothing to tell. */
static __always_inline bool is_streamed(const struct event *e) { return e->conn == stream_conn && (is_measured(e) || !plain_only); }

/* Whether the times between begin and end are wanted. */
static __always_inline bool has_stages(const struct event *e) { return stages && is_measured(e); }

/* A time that never leaves the kernel: it has happened, and the clock was not read. */
#define NOT_MEASURED 1

static __always_inline u64 stage_time(const struct event *e) { return has_stages(e) ? bpf_ktime_get_ns() : NOT_MEASURED; }

#endif
