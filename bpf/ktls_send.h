/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Hooks for sent records, until they are sealed. */
#ifndef KTLS_SEND_H
#define KTLS_SEND_H

#include "ktls_call_failure.h"
#include "ktls_control.h"
#include "ktls_op.h"
#include "ktls_pending.h"

/*
 * Send calls in progress. Many threads can be in a send call on one socket, and one of
 * them holds its lock. The thread id selects the entry; a thread that finds another's
 * entry does not know when its record began.
 */
struct sending {
	u64 begun; /* first byte of the call's first record, 0 once that is sealed */
	u64 conn;
	u32 tid, pad;
};

#define SENDING_BITS 14

struct sending sending[1 << SENDING_BITS];

/* Whether a record is open. Only a call that could leave one makes this worth reading. */
static __always_inline bool has_open_record(const struct conn *c)
{
	const struct tls_sw_context_tx *priv = (void *)c->priv_tx;
	const struct tls_rec *rec = BPF_CORE_READ(priv, open_rec);

	return rec && rec_len(rec);
}

/*
 * When the record of a special send call began: the call continues an open record, leaves
 * one, or will fail. special as in send_begin.
 */
static __always_inline u64 begin_special_send(struct conn *c, u64 sk, u32 special)
{
	u8 sends = c->send_state & SEND_BROKEN; /* this one stays set */
	u64 begun;

	if (sends)
		send_on_broken(c, sk);
	begun = c->send_state & SEND_MORE && has_open_record(c) ? c->open_ts : bpf_ktime_get_ns();
	if (special & MSG_MORE) {
		c->open_ts = begun;
		sends |= SEND_MORE;
	}
	if (special & MSG_REFUSED)
		call_fails(c, DIR_TX, EOPNOTSUPP, FUNC_SENDMSG);
	c->send_state = sends;
	return begun;
}

static __always_inline struct sending *sending_of(u32 tid)
{
	return &sending[tid & ((1 << SENDING_BITS) - 1)];
}

/* Whether the begin of the call that makes a record was seen. */
static __always_inline bool is_sending(const struct conn *c, u32 tid)
{
	const struct sending *call = sending_of(tid);

	return call->tid == tid && call->conn == c->tx.conn;
}

/* Whether a record is the first of its call; if so, sets when it began. */
static __always_inline bool is_first(const struct conn *c, u32 tid, u64 *begun)
{
	struct sending *call = sending_of(tid);

	if (call->tid != tid || call->conn != c->tx.conn || !call->begun)
		return false;
	*begun = call->begun;
	call->begun = 0;
	return true;
}

/* special: the flags of the call that need attention. */
static __always_inline int send_begin(u64 sk, u32 special, bool typed)
{
	struct conn *c = stages ? conn_of(sk) : conn_of_record(sk, DIR_TX);
	struct sending *call;
	u32 tid;

	if (!c)
		return 0;
	if (typed)
		c->typed = 1;
	tid = bpf_get_current_task_btf()->pid;
	call = sending_of(tid);
	call->tid = tid;
	call->conn = c->tx.conn;
	call->begun = c->send_state | special ? begin_special_send(c, sk, special) : bpf_ktime_get_ns();
	return 0;
}

/* tls_sw_sendmsg(sk, msg, size) */
static __always_inline int sendmsg_begins(u64 *ctx)
{
	const struct msghdr *msg = (void *)ctx[1];

	return send_begin(ctx[0], GIVEN(msg, msg_flags) & (MSG_MORE | MSG_REFUSED), !stages && !have_cast && GIVEN(msg, msg_controllen));
}

/* tls_sw_sendpage(sk, page, offset, size, flags) */
static __always_inline int sendpage_begins(u64 *ctx)
{
	return send_begin(ctx[0], ctx[4] & (MSG_MORE | MSG_SENDPAGE_NOTLAST) ? MSG_MORE : 0, false);
}

static __always_inline void source_of_tx(struct conn *c, const struct sk_msg *given)
{
	struct source *s = &c->src[DIR_TX];
	/*
	 * After a round trip through the map the verifier treats the pointer as a scalar
	 * and allows arithmetic.
	 */
	const struct tls_rec *rec = (void *)*(volatile u64 *)&c->tx_rec;
	const struct sk_msg *msg = &rec->msg_plaintext;

	__builtin_memset(s, 0, sizeof(*s));
	s->kind = SRC_SG;
	s->base = (u64)&msg->sg.data;
	s->at = bpf_core_field_exists(given->sg.start) ? GIVEN(given, sg.start) : 0;
	s->wrap = bpf_core_field_size(msg->sg.data) - bpf_core_type_size(struct scatterlist);
	if (s->at)
		return;
	/* The hook's argument includes the first piece, and most plaintexts have no other. */
	s->addr = page_addr(GIVEN(given, sg.data[0].page_link) & ~3ULL) + GIVEN(given, sg.data[0].offset);
	s->left = GIVEN(given, sg.data[0].length);
	s->at = 1;
}

/* Begin a record that is only counted. Returns false if the record or the connection needs more than that. */
static __always_inline bool begin_plain_tx(struct conn *c, u64 rec, u64 begun, u64 seq, u32 len)
{
	struct event *e = &c->tx;

	if (c->tx_state != TX_IDLE || c->closing || !c->key_reported[DIR_TX] || seq != c->next[DIR_TX])
		return false;
	c->next[DIR_TX] = seq + 1;
	e->kind = KIND_RECORD;
	e->type = TYPE_DATA;
	e->flags &= FLAG_KTHREAD | FLAG_HIDDEN;
	e->rec.weight = 0;
	e->rec.stamp[0] = begun;
	e->rec.stamp[2] = e->rec.stamp[3] = 0;
	e->rec.seq = seq;
	e->rec.len = len;
	c->tx_rec = rec;
	c->tx_state = TX_SEALING;
	return true;
}

static __always_inline int verdict_begins(u64 *ctx)
{
	const struct sk_msg *msg = (void *)ctx[0];
	struct conn *c = conn_of_record(ctx[1], DIR_TX);
	u64 rec = ctx[0] - bpf_core_field_offset(struct tls_rec, msg_plaintext);
	u8 type = tx_type_arg == 3 ? ARG(ctx, 3) : ARG(ctx, 2);
	struct event *e;
	u32 tid, len, weight;
	u64 seq, begun;

	if (!c)
		return 0;
	tid = bpf_get_current_task_btf()->pid;
	e = &c->tx;
	weight = stage_weight(e, &c->nth[DIR_TX]);
	if (type != TYPE_DATA) /* it becomes an event */
		weight = 1;
	seq = begin_seq(c, DIR_TX, !weight && c->tx_state == TX_IDLE, false);
	len = GIVEN(msg, sg.size);
	if (is_first(c, tid, &begun)) {
		c->next_ts = begun; /* unless TCP takes the record before the next one begins */
	} else {
		if (verdict_twice && c->tx_state == TX_SEALING && c->tx_rec == rec && e->rec.seq == seq && e->rec.len == len)
			return 0; /* the other attachment has handled it */
		begun = c->next_ts; /* when the previous one ended */
	}
	if (plain_only && !weight && begin_plain_tx(c, rec, begun, seq, len))
		return 0;
	/* An unchanged sequence means that the last attempt sealed nothing. */
	if (c->tx_state == TX_SEALING && e->rec.seq != seq)
		defer_record(c);
	begin_record_at(c, DIR_TX, seq);
	c->next[DIR_TX] = seq + 1;
	if (c->closing) /* a writer was still waiting */
		c->end_seq[DIR_TX] = seq + 1;
	e->kind = KIND_RECORD;
	e->type = type;
	e->rec.weight = weight;
	e->rec.stamp[0] = begun;
	e->rec.stamp[1] = stage_time(e);
	e->rec.stamp[2] = e->rec.stamp[3] = 0;
	e->rec.seq = seq;
	e->rec.len = len;
	e->rec.hits = e->rec.matched = 0;
	set_caller(c, e, DIR_TX);
	if (is_measured(e))
		e->rec.op = send_op(e->flags);
	c->tx_rec = rec;
	c->tx_state = TX_SEALING;
	c->push_rec = 0;
	sample_record(e, &c->sampler[DIR_TX]);
	if (is_control(e)) {
		source_of_tx(c, msg);
		set_control(c, e, &c->src[DIR_TX]);
		if (is_close_notify(e))
			c->notified[DIR_TX] = NOTIFIED_YES;
	}
	if (needs_plaintext()) {
		source_of_tx(c, msg);
		take_plaintext(e, &c->src[DIR_TX]);
	}
	return 0;
}

#endif
