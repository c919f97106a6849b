/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Hooks for sent records. */
#ifndef GOBPF_SEND_H
#define GOBPF_SEND_H

#include "plaintext.h"

/*
 * Distinguishes send, sendfile and splice by the number of the system call, which is
 * stored at the base of the task's stack. The traced function runs on that stack.
 */
static __always_inline u8 send_op(u8 flags)
{
	struct outbox *o = my_outbox();
	u64 top;
	s32 nr = 0;

	if (!o || flags & FLAG_KTHREAD)
		return OP_SEND;
	top = (o->sp & ~(SETTING(stack_size) - 1)) + SETTING(stack_size);
	bpf_probe_read_kernel(&nr, sizeof(nr), (void *)(top - SETTING(orig_ax_back)));
	if (nr == nr_sendfile)
		return OP_SENDFILE;
	if (nr == nr_uring)
		return OP_URING_SEND;
	return nr == nr_splice ? OP_SPLICE : OP_SEND;
}

/* Set the process that makes a record. */
static __always_inline void set_caller(struct event *e)
{
	e->flags = 0;
	set_process(e);
}

/* Whether a record is open. Only a call that could leave one makes this worth reading. */
static __always_inline bool has_open_record(const struct conn *c)
{
	const struct tls_sw_context_tx *priv = (void *)c->priv_tx;
	const struct tls_rec *rec = BPF_CORE_READ(priv, open_rec);

	return rec && rec_len(rec);
}

static __always_inline int send_begin(u64 sk, bool more)
{
	struct conn *c = conn_of(sk);

	if (!c)
		return 0;
	if (!c->more || !has_open_record(c))
		c->open_ts = bpf_ktime_get_ns();
	c->more = more;
	return 0;
}

/* tls_sw_sendmsg(sk, msg, size) */
static __always_inline int sendmsg_begins(u64 *ctx)
{
	const struct msghdr *msg = (void *)ctx[1];

	return send_begin(ctx[0], GIVEN(msg, msg_flags) & MSG_MORE);
}

/* tls_sw_sendpage(sk, page, offset, size, flags) */
static __always_inline int sendpage_begins(u64 *ctx)
{
	return send_begin(ctx[0], ctx[4] & (MSG_MORE | MSG_SENDPAGE_NOTLAST));
}

/* The record in c->tx is sealed and waits for TCP, and another one begins: add it to "pending". */
static __always_inline void add_pending(struct conn *c)
{
	struct pending_key key = { c->tx.conn, c->tx_rec };

	if (!bpf_map_update_elem(&pending, &key, &c->tx, BPF_ANY)) {
		c->pending++;
		return;
	}
	c->pending_lost++;
	if (c->tx.flags & FLAG_HIDDEN)
		__sync_fetch_and_add(&c->tx.rec.hidden, 1);
	else
		count_lost(LOST_PENDING_MAP_FULL, DIR_TX);
}

/* Whether sealed records wait before the one in c->tx, in "pending" or without an entry there. */
static __always_inline bool has_pending(const struct conn *c) { return c->pending || c->pending_lost; }

/* The head of the kernel's list of sealed records, which TCP gets next. */
static __always_inline u64 head_record(const struct tls_sw_context_tx *priv)
{
	return (u64)BPF_CORE_READ(priv, tx_list.next);
}

static __always_inline bool all_pushed(const struct tls_sw_context_tx *priv)
{
	return head_record(priv) == (u64)priv + bpf_core_field_offset(struct tls_sw_context_tx, tx_list);
}

/* Another record begins before the last one was reported. */
static __always_inline void defer_record(struct conn *c)
{
	if (has_pending(c) || !all_pushed((void *)c->priv_tx)) {
		add_pending(c);
		return;
	}
	/* TCP has it, but no hook saw that. */
	c->tx.flags |= FLAG_PUSHED;
	emit_record(&c->tx, &c->tx.rec.hidden);
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
}

static __always_inline int verdict_begins(u64 *ctx)
{
	const struct sk_msg *msg = (void *)ctx[0];
	struct conn *c = conn_of_record(ctx[1], DIR_TX);
	struct event *e;
	u64 seq;

	if (!c)
		return 0;
	e = &c->tx;
	seq = read_seq(c->seq_tx);
	if (!c->key_reported[DIR_TX])
		key_missed(c, DIR_TX, seq);
	if (c->closing) /* a writer was still waiting */
		c->end_seq[DIR_TX] = seq + 1;
	/* An unchanged sequence means that the last attempt sealed nothing. */
	if (c->tx_state == TX_SEALING && e->rec.seq != seq)
		defer_record(c);
	e->kind = KIND_RECORD;
	e->type = tx_type_arg == 3 ? ARG(ctx, 3) : ARG(ctx, 2);
	e->rec.weight = 1; /* its stages represent only this record */
	e->rec.stamp[0] = c->open_ts;
	e->rec.stamp[1] = bpf_ktime_get_ns();
	e->rec.stamp[2] = e->rec.stamp[3] = 0;
	e->rec.seq = seq;
	e->rec.len = GIVEN(msg, sg.size);
	e->rec.hits = e->rec.matched = 0;
	set_caller(e);
	e->rec.op = send_op(e->flags);
	c->tx_rec = (u64)msg - bpf_core_field_offset(struct tls_rec, msg_plaintext);
	c->tx_state = TX_SEALING;
	if (is_control(e)) {
		source_of_tx(c, msg);
		set_control(c, e, &c->src[DIR_TX]);
	}
	if (snaplen) {
		source_of_tx(c, msg);
		copy_payload(e, &c->src[DIR_TX]);
	}
	return 0;
}

#endif
