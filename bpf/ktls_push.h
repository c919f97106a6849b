/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The hooks of records that are sealed, until TCP has them. */
#ifndef KTLS_PUSH_H
#define KTLS_PUSH_H

#include "ktls_card.h"
#include "ktls_unstaged.h"

/*
 * A record that no hook has seen being sealed: a sockmap verdict that cuts one
 * message into several records (to 6.18), or the kernel skipped the hook. What was
 * sealed before the trace is not ours to tell.
 */
__noinline int take_over_record(struct conn *c, u64 from)
{
	const struct tls_rec *rec = (void *)from;
	struct event *e;
	u64 next;

	if (!c)
		return 0;
	e = &c->tx;
	next = read_seq(c->seq_tx);
	if (!bpf_core_field_exists(rec->content_type) || (__s64)(next - c->next[DIR_TX]) <= 0)
		return 0;
	begin_record_at(c, DIR_TX, next - 1);
	c->next[DIR_TX] = next;
	e->kind = KIND_RECORD;
	e->rec.stamp[0] = e->rec.stamp[1] = e->rec.stamp[2] = e->rec.stamp[3] = 0;
	e->rec.seq = next - 1;
	e->rec.len = rec_len(rec);
	e->type = BPF_CORE_READ(rec, content_type);
	if (e->type == TYPE_HANDSHAKE) /* its messages are not looked at */
		begin_messages(c, DIR_TX, next);
	e->rec.weight = 1;
	e->rec.hits = e->rec.matched = 0;
	set_caller(c, e, DIR_TX);
	e->rec.op = send_op(e->flags);
	c->tx_rec = from;
	c->tx_state = TX_SEALING;
	sample_record(e, &c->sampler[DIR_TX]);
	if (wants_payload(e))
		count_lost(LOST_PAYLOAD_UNREADABLE, DIR_TX);
	return 0;
}

static __always_inline void set_sealed_time(struct event *e)
{
	if (!e->rec.stamp[2])
		e->rec.stamp[2] = stage_time(e);
}

/* Which record goes to TCP: the first that waits, or else the one just sealed. */
static __always_inline int push_begins(u64 *ctx)
{
	struct conn *c = conn_get(ctx[0], DIR_TX, true);
	struct pending_record *w;

	if (!c)
		return 0;
	if (c->card & CARD_TX) {
		c->tx_rec = ctx[2];
		return card_pushes(c);
	}
	if (has_pending(c)) {
		c->push_rec = head_record((void *)c->priv_tx);
		w = first_pending(c);
		if (w && w->rec == c->push_rec)
			set_sealed_time(&w->e);
		if (c->tx_state == TX_SEALING && (c->push_rec == c->tx_rec || is_sealed(c->tx_rec)))
			set_sealed_time(&c->tx);
		return 0;
	}
	if (c->tx_state == TX_IDLE && !has_several_sealed((void *)c->priv_tx))
		take_over_record(c, head_record((void *)c->priv_tx));
	if (c->tx_state == TX_SEALING) {
		set_sealed_time(&c->tx);
		c->push_rec = c->tx_rec;
	}
	return 0;
}

/* tls_free_partial_record(sk, ctx): a connection ends, and TCP has not taken all of the record. */
static __always_inline int partial_freed(u64 *ctx)
{
	struct conn *c = conn_lookup(ctx[0]);

	if (!c)
		return 0;
	if (c->card & CARD_TX)
		return card_frees(c);
	c->push_rec = 0;
	c->partial_rec = head_record((void *)c->priv_tx);
	return 0;
}

static __always_inline void report_sent(struct conn *c, u64 now)
{
	struct plain p;

	if (!is_plain(&c->tx)) {
		emit_record(&c->tx, &c->tx.rec.hidden, &c->sampler[DIR_TX]);
		return;
	}
	p = plain_of(&c->tx, now);
	add_plain(&c->tx, DIR_TX, &p);
}

#define LIST_POISON1 0xdead000000000100 /* what list_del leaves behind */

/* A sealed record that is in no list any more: TCP has taken it (tls_tx_records). */
__noinline int is_handed_over(struct conn *c, u64 from)
{
	return c && read_word(from + bpf_core_field_offset(struct tls_rec, list.next)) == LIST_POISON1 && is_sealed(from);
}

/* rec is freed, and was not sent: tell of it, if it is a record. */
static __always_inline void report_unsent(struct conn *c, u64 rec)
{
	u32 place = has_pending(c) ? pending_index(c, rec) : 0;
	struct pending_record *w;

	if (place > 1) /* what no hook has seen freed */
		report_pending(c, place - 1, 0, 0);
	w = place ? first_pending(c) : 0;
	if (w) {
		set_unsent(&w->e, c);
		report_pending(c, 1, 0, 0);
	} else if (rec == c->tx_rec && c->tx_state == TX_SEALING && (__s64)(c->end_seq[DIR_TX] - c->tx.rec.seq) > 0) {
		c->tx_state = TX_IDLE;
		set_unsent(&c->tx, c);
		emit_record(&c->tx, &c->tx.rec.hidden, &c->sampler[DIR_TX]);
		c->tx.rec.unsent = 0;
	}
}

/*
 * The connection closes, and what may be a record is freed. Of one that TCP has not got
 * the ciphertext goes first (tls_sw_release_resources_tx, tls_free_rec), and its message
 * is empty then; what is sent leaves the message as it was. A record of which a part
 * was sent is known by its hook, see partial_freed.
 */
static __always_inline bool is_discarded(const struct conn *c, u64 rec)
{
	return rec == c->partial_rec || !(u32)read_word(rec + bpf_core_field_offset(struct tls_rec, msg_encrypted.sg.size));
}

/* The record that a call has left open, and that nobody closes any more. */
static __always_inline bool is_open_record(const struct conn *c, u64 rec)
{
	return rec == read_word(c->priv_tx + bpf_core_field_offset(struct tls_sw_context_tx, open_rec));
}

/* With stages. A global function, see emit_socket. */
__noinline int free_at_close(struct conn *c)
{
	u64 rec = c ? c->freed : 0;

	if (!rec)
		return 0;
	/* Is it the ciphertext of the record that the close has tried once more? */
	if (c->push_rec == rec + bpf_core_field_offset(struct tls_rec, msg_plaintext) - bpf_core_field_offset(struct tls_rec, msg_encrypted))
		c->push_rec = 0;
	if (is_open_record(c, rec))
		c->open_bytes = rec_len((void *)rec);
	else if (is_discarded(c, rec))
		report_unsent(c, rec);
	return 0;
}

/*
 * sk_msg_free(sk, msg): the kernel lets go the plaintext of a record that TCP has
 * taken. Failures let it go too, and so does the end of a connection; others use the
 * function as well. An entry costs a third less than the return of tls_push_sg.
 */
static __always_inline int message_freed(u64 *ctx)
{
	const struct sock *sk = (void *)ctx[0];
	const struct sk_msg *msg = (void *)ctx[1];
	u64 given = ctx[1] - bpf_core_field_offset(struct tls_rec, msg_plaintext), rec;
	struct conn *c = conn_lookup(ctx[0]);
	bool expected;
	u32 place;
	u64 now;

	if (!c || c->card & CARD_TX)
		return 0;
	expected = given == c->push_rec;
	if (stages && !expected && c->closing) {
		c->freed = given;
		return free_at_close(c);
	}
	/* By way of the map the verifier forgets that this is a pointer. */
	c->push_rec = given;
	rec = *(volatile u64 *)&c->push_rec;
	if (!stages) {
		if (c->closing && is_open_record(c, rec)) {
			c->open_bytes = GIVEN(msg, sg.size);
			return 0;
		}
		/* Others are let go too: unsealed ones, ciphertexts. On a kernel where looking costs much that happens where something went wrong. */
		if (!(have_cast || c->closing || GIVEN(sk, sk_err)) || is_handed_over(c, rec))
			sent_unstaged(c, rec, GIVEN(msg, sg.size), c->closing && is_discarded(c, rec));
		return 0;
	}
	/* Where push_enter was skipped, or something went wrong, the record has to be looked at. */
	if ((!expected || GIVEN(sk, sk_err)) && !is_handed_over(c, rec))
		return 0;
	c->push_rec = 0;
	now = bpf_ktime_get_ns();
	if (has_pending(c)) {
		place = pending_index(c, rec);
		if (!place && rec == c->tx_rec)
			report_pending(c, c->tail - c->head, 0, FLAG_PUSHED);
		else if (place)
			report_pending(c, place, now, FLAG_PUSHED);
		else if (!first_pending(c)) /* it found no room */
			c->head++;
	} else if (c->tx_state == TX_IDLE) {
		take_over_record(c, rec);
	}
	if (!has_pending(c) && c->tx_state == TX_SEALING && rec == c->tx_rec) {
		c->tx.rec.len = GIVEN(msg, sg.size); /* less than when it began, where a sockmap's verdict split it (to 6.18) */
		c->tx.rec.stamp[3] = now;
		c->tx_state = TX_IDLE;
		report_sent(c, now);
	}
	c->open_ts = c->next_ts = now; /* what follows in the same call is the next record */
	return 0;
}

#endif
