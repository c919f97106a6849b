/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Hooks for sealed records, until TCP has them. */
#ifndef GOBPF_PUSH_H
#define GOBPF_PUSH_H

#include "send.h"

/*
 * Take over a record whose sealing no hook saw: a sockmap verdict splits a message into
 * several records (up to 6.18), or the record was sealed before the trace.
 */
static __always_inline void take_over_record(struct conn *c, const struct tls_rec *rec)
{
	struct event *e = &c->tx;

	if (!bpf_core_field_exists(rec->content_type) || read_seq(c->seq_tx) <= e->rec.start) /* sealed before the trace: not reported */
		return;
	e->kind = KIND_RECORD;
	e->rec.stamp[0] = e->rec.stamp[1] = e->rec.stamp[2] = 0;
	e->rec.seq = read_seq(c->seq_tx) - 1;
	e->type = BPF_CORE_READ(rec, content_type);
	e->rec.weight = 1;
	e->rec.hits = e->rec.matched = 0;
	set_caller(e);
	e->rec.op = send_op(e->flags);
	c->tx_rec = (u64)rec;
	c->tx_state = TX_SEALING;
	if (wants_payload(e))
		count_lost(LOST_PAYLOAD_UNREADABLE, DIR_TX);
}

static __always_inline void set_sealed_time(struct event *e)
{
	if (!e->rec.stamp[2])
		e->rec.stamp[2] = bpf_ktime_get_ns();
}

static __always_inline int push_begins(u64 *ctx)
{
	struct conn *c = conn_of_completed(ctx[0], DIR_TX);
	const struct sock *sk = (void *)ctx[0];
	struct pending_key key = {};
	struct event *p;

	if (!c || c->tx.mode == TLS_HW)
		return 0;
	c->push_rec = has_pending(c) || c->tx_state == TX_IDLE ? head_record((void *)c->priv_tx) : c->tx_rec;
	if (c->tx_state == TX_IDLE && !has_pending(c))
		take_over_record(c, (void *)c->push_rec);
	if (c->push_rec == c->tx_rec && c->tx_state == TX_SEALING) {
		/* It is shorter than at its begin if a sockmap verdict split it (up to 6.18). */
		if (!bpf_core_field_exists(sk->sk_user_data) || GIVEN(sk, sk_user_data))
			c->tx.rec.len = rec_len((void *)c->tx_rec);
		set_sealed_time(&c->tx); /* no other record goes to TCP */
		return 0;
	}
	key.conn = c->tx.conn;
	key.rec = c->push_rec;
	p = bpf_map_lookup_elem(&pending, &key);
	if (p)
		set_sealed_time(p);
	if (c->tx_state == TX_SEALING && is_sealed(c->tx_rec))
		set_sealed_time(&c->tx);
	return 0;
}

static __always_inline void finish_pending(struct conn *c, u64 rec, u64 now)
{
	struct pending_key key = { c->tx.conn, rec };
	struct event *p = bpf_map_lookup_elem(&pending, &key);

	if (!p) {
		if (c->pending_lost)
			c->pending_lost--;
		return;
	}
	p->rec.stamp[3] = now;
	emit_record(p, &c->tx.rec.hidden);
	bpf_map_delete_elem(&pending, &key);
	c->pending--;
}

/* tls_push_sg(sk, ctx, sg, first_offset, flags) */
static __always_inline int push_ends(u64 *ctx)
{
	struct conn *c = conn_lookup(ctx[0]);
	int ret = ctx[5];
	u64 now;

	if (!c || !c->push_rec || ret)
		return 0;
	now = bpf_ktime_get_ns();
	if (c->push_rec == c->tx_rec && c->tx_state == TX_SEALING) {
		c->tx.rec.stamp[3] = now;
		c->tx_state = TX_IDLE;
		emit_record(&c->tx, &c->tx.rec.hidden);
	} else {
		finish_pending(c, c->push_rec, now);
	}
	c->push_rec = 0;
	c->open_ts = now; /* the rest of the same call is the next record */
	return 0;
}

#endif
