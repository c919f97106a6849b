/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Sent DTLS records: several threads can send at the same time, each with a record of its own. */
#ifndef KTLS_DTLS_SEND_H
#define KTLS_DTLS_SEND_H

#include "ktls_dtls_record.h"

/* Records between afktls_tx_record and afktls_tx_push. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u64); /* struct afktls_record */
	__type(value, struct event);
} dtls_sending SEC(".maps");

/* The record goes to UDP or is dropped. Its sequence number is used in both cases. */
static __noinline int dtls_report_sent(struct event *e, struct dtls_conn *c, int ret)
{
	if (!e || !c)
		return 0;
	if (ret >= 0) {
		e->rec.stamp[3] = bpf_ktime_get_ns();
	} else {
		e->rec.unsent = 1;
		e->rec.err = -ret;
	}
	dtls_emit(e, &c->tx.rec.hidden);
	return 0;
}

/*
 * The previous record at this address was sealed, but its push was not seen: report it as
 * pushed at an unknown time.
 */
static __always_inline void dtls_report_unpushed(struct event *e, u64 *hidden)
{
	e->flags |= FLAG_PUSHED;
	dtls_emit(e, hidden);
}

/* Track the greatest sequence number used, because records reach this hook in any order. */
static __always_inline void dtls_count(struct dtls_conn *c, const struct afktls_record *rec)
{
	u64 after = GIVEN(rec, seq) + 1, was;
	int i;

	if (!c->epoch_known || GIVEN(rec, epoch) > c->tx.epoch) { /* the first record of the epoch was not seen */
		c->tx.gen += c->epoch_known;
		c->tx.epoch = GIVEN(rec, epoch);
		c->tx.rec.start = after - 1;
		c->next = after;
		c->epoch_known = 1;
		return;
	}
	if (GIVEN(rec, epoch) < c->tx.epoch)
		return;
	for (i = 0; i < 4; i++) {
		was = *(volatile u64 *)&c->next;
		if (was >= after || __sync_val_compare_and_swap(&c->next, was, after) == was)
			return;
	}
}

static __always_inline void dtls_sent(struct event *e, struct dtls_conn *c, const struct afktls_record *rec)
{
	dtls_count(c, rec);
	*e = c->tx;
	dtls_fill(e, rec);
	e->rec.op = send_op(e->flags);
}

/* afktls_tx_record(ks, rec) */
static __always_inline int dtls_seals(u64 *ctx)
{
	const struct afktls_record *rec = (void *)ctx[1];
	struct dtls_conn *c = dtls_get(ctx[0], FOUND_BY_CALLER, 0, 0);
	u64 key = ctx[1], data = (u64)GIVEN(rec, data), discarded = 0;
	struct event e, *before;

	if (!c)
		return 0;
	before = bpf_map_lookup_elem(&dtls_sending, &key);
	if (before)
		dtls_report_unpushed(before, before->conn == c->tx.conn ? &c->tx.rec.hidden : &discarded);
	dtls_sent(&e, c, rec);
	dtls_control(&e, data);
	e.rec.stamp[1] = bpf_ktime_get_ns();
	dtls_copy(&e, data);
	/* If there is no room, the record is reported without stages and plaintext. */
	if (bpf_map_update_elem(&dtls_sending, &key, &e, BPF_ANY) && e.flags & FLAG_PAYLOAD)
		count_lost(LOST_PAYLOAD_UNREADABLE, DIR_TX);
	return 0;
}

static __always_inline bool is_record_of(const struct event *e, const struct dtls_conn *c, const struct afktls_record *rec)
{
	return e->conn == c->tx.conn && e->rec.seq == GIVEN(rec, seq) && e->epoch == GIVEN(rec, epoch);
}

/* Report a record at its end, with what its entry hook stored. */
static __always_inline int dtls_ends(u64 *ctx, int ret)
{
	const struct afktls_record *rec = (void *)ctx[1];
	bool full = false;
	struct dtls_conn *c = dtls_get(ctx[0], FOUND_BY_CALLER, 0, &full);
	u64 key = ctx[1];
	struct event e, *begun = bpf_map_lookup_elem(&dtls_sending, &key);

	if (!c) {
		if (full)
			count_lost(LOST_CONN_MAP_FULL, DIR_TX);
		return 0;
	}
	if (begun && is_record_of(begun, c, rec))
		e = *begun;
	else
		dtls_sent(&e, c, rec); /* no entry hook saw it begin; the stored event belongs to another record */
	dtls_report_sent(&e, c, ret);
	if (begun)
		bpf_map_delete_elem(&dtls_sending, &key);
	return 0;
}

static __always_inline int dtls_sealed(u64 *ctx)
{
	u64 key = ctx[1];
	struct event *e;
	int ret = ctx[2];

	if (ret < 0)
		return dtls_ends(ctx, ret);
	e = live ? bpf_map_lookup_elem(&dtls_sending, &key) : 0;
	if (e)
		e->rec.stamp[2] = bpf_ktime_get_ns();
	return 0;
}

/* afktls_tx_push(ks, rec) */
static __always_inline int dtls_pushed(u64 *ctx) { return dtls_ends(ctx, ctx[2]); }

#endif
