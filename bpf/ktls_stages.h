/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which records have their stages measured. */
#ifndef KTLS_STAGES_H
#define KTLS_STAGES_H

#include "ktls_config.h"
#include "ktls_event.h"

/*
 * The weight of a record's stages: how many records they represent, 0: they are not
 * measured. Reading the clock between stages costs a quarter of a record's total, so on
 * busy connections one in 2^STAGES_SHIFT records is measured. Multiplying by the golden
 * ratio chooses records without following a pattern of the traffic. The first records and
 * all that become events are measured. nth counts the records of the direction.
 */
#define STAGES_OF_ALL 64
#define STAGES_SHIFT 3 /* log2 of the interval */

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

/* Whether a record's stages and caller are measured. */
static __always_inline bool is_measured(const struct event *e) { return !aggregate || e->rec.weight; }

/*
 * Whether its connection reports every record as an event. A record that began before the
 * connection was chosen may lack the measurements.
 */
static __always_inline bool is_streamed(const struct event *e) { return e->conn == stream_conn && (is_measured(e) || !plain_only); }

/* Whether the times between begin and end are measured. */
static __always_inline bool has_stages(const struct event *e) { return stages && is_measured(e); }

/* A time that never leaves the kernel: the step happened, and the clock was not read. */
#define NOT_MEASURED 1

static __always_inline u64 stage_time(const struct event *e) { return has_stages(e) ? bpf_ktime_get_ns() : NOT_MEASURED; }

#endif
