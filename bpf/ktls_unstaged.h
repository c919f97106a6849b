/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Sent records with stages off: no hook sees a stage, and all is reported at the end of the record. */
#ifndef KTLS_UNSTAGED_H
#define KTLS_UNSTAGED_H

#include "ktls_send.h"

/*
 * The type of a sealed record whose sealing no hook saw. On kernels up to 6.1 reading it
 * is expensive, and it is almost always TYPE_DATA.
 */
static __always_inline u8 record_type_of(const struct conn *c, u64 from)
{
	const struct tls_rec *rec = (void *)from;

	if (have_cast)
		return read_word(from + bpf_core_field_offset(struct tls_rec, content_type));
	return c->typed ? BPF_CORE_READ(rec, content_type) : TYPE_DATA;
}

/*
 * When the record began that a call hands to TCP. If it is the only sealed record, this
 * call made it; the begin of a record that waited is unknown.
 */
static __always_inline u64 begin_time_of(const struct conn *c, bool alone)
{
	u32 tid = bpf_get_current_task_btf()->pid;
	struct sending *call = sending_of(tid);
	u64 begun;

	if (!alone || call->tid != tid || call->conn != c->tx.conn)
		return 0;
	begun = call->begun ? call->begun : c->next_ts;
	call->begun = 0;
	return begun;
}

/* Count a record without stages, or report it if it needs more than counting. */
static __always_inline void report_unstaged(struct conn *c, u64 from, u64 seq, u32 len, u64 begun, u64 end, bool unsent)
{
	struct event *e = &c->tx;
	struct plain p;

	e->kind = KIND_RECORD;
	e->type = record_type_of(c, from);
	e->rec.seq = seq;
	e->rec.stamp[2] = NOT_MEASURED;
	e->rec.weight = stage_weight(e, &c->nth[DIR_TX]);
	if (!unsent && is_plain(e)) {
		p = (struct plain){ begun, end, seq, len, e->gen, e->flags };
		add_plain(e, DIR_TX, &p);
		return;
	}
	if (unsent || e->type != TYPE_DATA) /* it becomes an event */
		e->rec.weight = 1;
	e->rec.stamp[0] = begun;
	e->rec.stamp[1] = NOT_MEASURED;
	e->rec.stamp[3] = end;
	e->rec.len = len;
	e->rec.hits = e->rec.matched = 0;
	set_caller(c, e, DIR_TX);
	e->rec.op = send_op(e->flags);
	e->rec.unsent = unsent;
	e->rec.err = c->tx_err;
	emit_record(e, &e->rec.hidden, &c->sampler[DIR_TX]);
	e->rec.unsent = 0;
}

/*
 * How many records were sealed. While a connection closes, 6.1 frees the sequence before
 * it frees the records.
 */
static __always_inline u64 sealed_seq_of(struct conn *c)
{
	u64 sealed;

	if (c->closing && bpf_core_type_size(struct cipher_context) <= 16)
		return c->end_seq[DIR_TX];
	sealed = read_seq(c->seq_tx);
	if (c->closing && (__s64)(sealed - c->end_seq[DIR_TX]) > 0) /* a writer was still waiting */
		c->end_seq[DIR_TX] = sealed;
	return sealed;
}

/*
 * A record without stages: everything about it is known when TCP has it, or when the
 * connection ends before that. TCP takes records in order; the kernel's list has those
 * that are sealed and wait.
 */
static __always_inline void sent_unstaged(struct conn *c, u64 from, u32 len, bool unsent)
{
	u64 seq = c->next[DIR_TX], sealed, begun, now = c->closing ? 0 : bpf_ktime_get_ns();

	if (c->old_key_pending) { /* TCP had no room for it under the previous key */
		c->old_key_pending--;
		c->tx.gen--;
		report_unstaged(c, from, c->old_key_next++, len, 0, now, unsent);
		c->tx.gen++;
		return;
	}
	sealed = sealed_seq_of(c);
	if (!c->key_reported[DIR_TX] || (__s64)(sealed - seq) < 0)
		key_missed(c, DIR_TX, seq = sealed - 1);
	if (sealed == seq) /* not sealed, so no record */
		return;
	if (sealed - seq > 1 && preempts && all_pushed((void *)c->priv_tx)) { /* hooks were skipped */
		count_skipped(c, DIR_TX, sealed - 1);
		seq = sealed - 1;
	}
	c->next[DIR_TX] = seq + 1;
	begun = begin_time_of(c, sealed - seq == 1);
	c->open_ts = c->next_ts = now; /* the rest of the same call is the next record */
	report_unstaged(c, from, seq, len, begun, now, unsent);
}

/* Without stages: count the records sealed under the old key that wait for TCP. */
static __always_inline void count_old_key(struct conn *c)
{
	u32 pending_now = count_sealed(c);

	if (c->old_key_pending > pending_now)
		add_lost(lost_as(LOST_SKIPPED, DIR_TX), c->old_key_pending - pending_now);
	c->old_key_pending = pending_now;
	c->old_key_next = c->next[DIR_TX];
}

#endif
