/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Received DTLS records: several CPUs can receive, and several threads read, at the same time. */
#ifndef KTLS_DTLS_RECEIVE_H
#define KTLS_DTLS_RECEIVE_H

#include "ktls_dtls_record.h"

/* When the module began to open a record, by the record's address. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u64); /* struct afktls_record */
	__type(value, u64);
} dtls_opening SEC(".maps");

struct opened_key { u64 ks, seq; }; /* seq includes the epoch in its upper 16 bits */
struct opened { u64 taken, opened; };

/*
 * Opened records that nobody has read. A record without an entry, because the map was full
 * or the trace began later, has no times.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct opened_key);
	__type(value, struct opened);
} dtls_opened SEC(".maps");

static __always_inline struct opened_key opened_key(u64 ks, const struct afktls_record *rec)
{
	return (struct opened_key){ ks, (u64)GIVEN(rec, epoch) << 48 | GIVEN(rec, seq) };
}

/* afktls_rx_record(ks, rec) */
static __always_inline int dtls_opens(u64 *ctx)
{
	u64 key = ctx[1], now = bpf_ktime_get_ns();

	if (live)
		bpf_map_update_elem(&dtls_opening, &key, &now, BPF_ANY);
	return 0;
}

static __always_inline int dtls_opens_end(u64 *ctx)
{
	struct opened_key key = opened_key(ctx[0], (void *)ctx[1]);
	u64 rec = ctx[1], *taken = bpf_map_lookup_elem(&dtls_opening, &rec);
	struct opened o = { .opened = bpf_ktime_get_ns() };

	if (taken) {
		o.taken = *taken;
		bpf_map_delete_elem(&dtls_opening, &rec);
	}
	if (live && (int)ctx[2] >= 0)
		bpf_map_update_elem(&dtls_opened, &key, &o, BPF_ANY);
	return 0;
}

/* afktls_deliver(ks, rec, copied) */
static __always_inline int dtls_delivers(u64 *ctx)
{
	const struct afktls_record *rec = (void *)ctx[1];
	bool full = false;
	struct dtls_conn *c = dtls_get(ctx[0], FOUND_BY_CALLER, 1, &full);
	struct opened_key key = opened_key(ctx[0], rec);
	struct opened *o = bpf_map_lookup_elem(&dtls_opened, &key);
	struct event e;
	u64 data;

	if (c) {
		__sync_fetch_and_add(&c->read, 1);
		e = c->rx;
		dtls_fill(&e, rec);
		e.rec.op = GIVEN(rec, flags) & AFKTLS_REC_SPLICED ? OP_SPLICE_READ : read_op(OP_RECV, e.flags);
		e.rec.stamp[0] = o ? e.rec.stamp[0] : 0;
		e.rec.stamp[1] = o ? o->taken : 0;
		e.rec.stamp[2] = o ? o->opened : 0;
		data = (u64)GIVEN(rec, data);
		dtls_control(&e, data);
		dtls_copy(&e, data);
		e.rec.stamp[3] = bpf_ktime_get_ns();
		dtls_emit(&e, &c->rx.rec.hidden);
	}
	if (full)
		count_lost(LOST_CONN_MAP_FULL, DIR_RX);
	if (o)
		bpf_map_delete_elem(&dtls_opened, &key);
	return 0;
}

#endif
