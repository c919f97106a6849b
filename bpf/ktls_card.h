/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Sent records that a network card seals (tls_device.c). The kernel builds and numbers the
 * record headers and passes the records to TCP in plaintext; the card seals each packet as
 * it leaves. No hook can see the sealing, so a record has two stages: until it is closed,
 * and until TCP has it. If TCP takes only a part of a record, the kernel pushes the rest
 * again (tls_push_partial_record) before any other record.
 */
#ifndef KTLS_CARD_H
#define KTLS_CARD_H

#include "ktls_send.h"

/*
 * A send call begins. If the connection is unknown because the inventory did not find it,
 * its record has no begin time: creating the connection here would cost the verifier too
 * much.
 */
static __always_inline int card_send_begins(u64 sk, bool more)
{
	struct conn *c = conn_lookup(sk);
	struct sending *call;
	u32 tid;

	if (!c)
		return 0;
	tid = bpf_get_current_task_btf()->pid;
	call = sending_of(tid);
	call->tid = tid;
	call->conn = c->tx.conn;
	call->begun = c->send_state & SEND_MORE && open_bytes(c) ? c->open_ts : bpf_ktime_get_ns();
	c->send_state = more ? SEND_MORE : 0;
	if (more)
		c->open_ts = call->begun;
	return 0;
}

/* tls_device_sendmsg(sk, msg, size) */
static __always_inline int card_sendmsg_begins(u64 *ctx)
{
	const struct msghdr *msg = (void *)ctx[1];

	return card_send_begins(ctx[0], GIVEN(msg, msg_flags) & MSG_MORE);
}

/* tls_device_sendpage(sk, page, offset, size, flags) */
static __always_inline int card_sendpage_begins(u64 *ctx) { return card_send_begins(ctx[0], ctx[4] & (MSG_MORE | MSG_SENDPAGE_NOTLAST)); }

/* TCP has the record since time now (0: unknown). A global function, see emit_socket. */
__noinline int card_record_ends(struct conn *c, u64 now)
{
	struct event *e;

	if (!c || c->tx_state != TX_SEALING)
		return 0;
	e = &c->tx;
	c->tx_state = TX_IDLE;
	e->rec.stamp[3] = now;
	if (!now)
		e->flags |= FLAG_PUSHED;
	emit_record(e, &e->rec.hidden, &c->sampler[DIR_TX]);
	c->open_ts = c->next_ts = now ? now : bpf_ktime_get_ns(); /* the rest of the same call is the next record */
	return 0;
}

/*
 * Prepare the plaintext of the record at c->tx_rec, a list of pieces that begins with the
 * header. Returns the address of the header.
 */
static __always_inline u64 source_of_card(struct conn *c)
{
	struct source *s = &c->src[DIR_TX];
	u64 header;

	__builtin_memset(s, 0, sizeof(*s));
	s->kind = SRC_SG;
	s->base = *(volatile u64 *)&c->tx_rec;
	next_piece(s);
	header = s->addr;
	s->skip = c->prepend;
	skip_bytes(s);
	return header;
}

static __always_inline void begin_card_record(struct conn *c, u64 seq)
{
	u32 tid = bpf_get_current_task_btf()->pid;
	struct event *e = &c->tx;
	u64 begun;

	if (is_first(c, tid, &begun))
		c->next_ts = begun;
	else
		begun = is_sending(c, tid) ? c->next_ts : 0;
	begin_record_at(c, DIR_TX, seq);
	c->next[DIR_TX] = seq + 1;
	e->kind = KIND_RECORD;
	e->rec.weight = 1;
	e->rec.stamp[0] = begun;
	e->rec.stamp[1] = e->rec.stamp[2] = stage_time(e);
	e->rec.stamp[3] = 0;
	e->rec.seq = seq;
	e->rec.hits = e->rec.matched = 0;
	set_caller(c, e, DIR_TX);
	e->rec.op = send_op(e->flags);
	c->tx_state = TX_SEALING;
}

static __always_inline void read_card_record(struct conn *c)
{
	struct event *e = &c->tx;
	u64 header = source_of_card(c);
	u8 type = 0;

	bpf_probe_read_kernel(&type, sizeof(type), (void *)header);
	e->type = type;
	e->rec.len = read_be16(header + 3) + RECORD_HEADER - c->overhead;
	sample_record(e, &c->sampler[DIR_TX]);
	if (is_control(e)) {
		set_control(c, e, &c->src[DIR_TX]);
		source_of_card(c);
		if (is_close_notify(e))
			c->notified[DIR_TX] = NOTIFIED_YES;
	}
	if (needs_plaintext())
		take_plaintext(e, &c->src[DIR_TX]);
}

/*
 * tls_push_sg(sk, ctx, sg, first_offset, flags), with sg in c->tx_rec: a record goes to
 * TCP, or the rest of one. The kernel counted the record before (tls_push_record), and the
 * count tells a new record from the rest of an old one. The address does not: if TCP
 * refused a record completely, its rest begins where the record began. A global function,
 * see emit_socket.
 */
__noinline int card_pushes(struct conn *c)
{
	u64 next;

	if (!c)
		return 0;
	next = read_seq(c->seq_tx);
	if ((__s64)(next - c->next[DIR_TX]) <= 0)
		return 0;
	card_record_ends(c, 0); /* no hook saw it leave */
	check_card(c);
	begin_card_record(c, next - 1);
	read_card_record(c);
	if (c->closing) { /* a writer was still waiting */
		c->end_seq[DIR_TX] = next;
		c->open_bytes = 0;
	}
	return 0;
}

/* The same in a program of its own, for runs that do not attach push_enter (stages off). */
static __always_inline int card_push_begins(u64 *ctx)
{
	struct conn *c = conn_get(ctx[0], DIR_TX, true);

	if (!c || !(c->card & CARD_TX))
		return 0;
	c->tx_rec = ctx[2];
	return card_pushes(c);
}

/* The exit of tls_push_sg. It returns 0 once TCP has taken everything. */
static __always_inline int card_push_ends(u64 *ctx)
{
	struct conn *c = conn_lookup(ctx[0]);
	int ret = ctx[5];

	if (!c || !(c->card & CARD_TX) || c->tx_state != TX_SEALING)
		return 0;
	if (!ret)
		return card_record_ends(c, bpf_ktime_get_ns());
	if (!is_retryable(ret))
		c->tx_err = -ret;
	return 0;
}

/* Whether TCP has only a part of the last record. */
static __always_inline bool is_partial(const struct conn *c)
{
	const struct tls_context *ctx = (void *)c->ctx;

	return BPF_CORE_READ(ctx, partially_sent_record);
}

/*
 * A connection with a card is closed and frees what TCP has not taken, if anything. A
 * global function, see emit_socket.
 */
__noinline int card_frees(struct conn *c)
{
	if (!c || c->tx_state != TX_SEALING)
		return 0;
	if (!is_partial(c))
		return card_record_ends(c, 0);
	c->tx_state = TX_IDLE;
	set_unsent(&c->tx, c);
	emit_record(&c->tx, &c->tx.rec.hidden, &c->sampler[DIR_TX]);
	c->tx.rec.unsent = 0;
	return 0;
}

/*
 * A send call returns. While the exit of tls_push_sg is not attached yet, the call's last
 * record ends here. A global function, see emit_socket.
 */
__noinline int card_send_ends(struct conn *c, int ret)
{
	if (!c)
		return 0;
	if (c->tx_state == TX_SEALING && !is_partial(c))
		card_record_ends(c, 0);
	if (ret == -EAGAIN)
		__sync_fetch_and_add(&c->blocked, 1);
	else if (ret < 0 && !is_retryable(ret))
		call_fails(c, DIR_TX, -ret, FUNC_DEVICE_SENDMSG);
	return 0;
}

/* tls_device_sendmsg(sk, msg, size), tls_device_sendpage(sk, page, offset, size, flags) */
static __always_inline int card_send_returns(u64 *ctx)
{
	u64 ret = 0;

	bpf_get_func_ret(ctx, &ret);
	return card_send_ends(conn_lookup(ctx[0]), ret);
}

#endif
