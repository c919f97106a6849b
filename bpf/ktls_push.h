/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Hooks for sealed records, until TCP has them. */
#ifndef KTLS_PUSH_H
#define KTLS_PUSH_H

#include "ktls_card.h"
#include "ktls_unstaged.h"

/*
 * Take over a record whose sealing no hook saw: a sockmap verdict splits a message into
 * several records (up to 6.18), or the kernel skipped the hook. Records sealed before the
 * trace are not reported.
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
	if (e->type == TYPE_HANDSHAKE) /* its messages are not parsed */
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

/* tls_push_sg: the first pending record goes to TCP, or else the one just sealed. */
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

/* tls_free_partial_record(sk, ctx): a connection ends and TCP has only a part of the record. */
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

#define LIST_POISON1 0xdead000000000100 /* set by list_del */

/* Whether TCP took the record: it is sealed and was removed from the list (tls_tx_records). */
__noinline int is_handed_over(struct conn *c, u64 from)
{
	return c && read_word(from + bpf_core_field_offset(struct tls_rec, list.next)) == LIST_POISON1 && is_sealed(from);
}

/* rec is freed and was not sent: report it if it is a record. */
static __always_inline void report_unsent(struct conn *c, u64 rec)
{
	u32 place = has_pending(c) ? pending_index(c, rec) : 0;
	struct pending_record *w;

	if (place > 1) /* no hook saw these freed */
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
 * Whether a message that the close frees belongs to a record that TCP did not get. Of such
 * a record the ciphertext is freed first (tls_sw_release_resources_tx, tls_free_rec) and
 * its message is empty then; sending leaves that message as it was. For a record that was
 * sent in part, see partial_freed.
 */
static __always_inline bool is_discarded(const struct conn *c, u64 rec)
{
	return rec == c->partial_rec || !(u32)read_word(rec + bpf_core_field_offset(struct tls_rec, msg_encrypted.sg.size));
}

/* Whether it is the record that a call left open and that no call closes any more. */
static __always_inline bool is_open_record(const struct conn *c, u64 rec)
{
	return rec == read_word(c->priv_tx + bpf_core_field_offset(struct tls_sw_context_tx, open_rec));
}

/* sk_msg_free while the connection closes, with stages. A global function, see emit_socket. */
__noinline int free_at_close(struct conn *c)
{
	u64 rec = c ? c->freed : 0;

	if (!rec)
		return 0;
	/* The argument is the ciphertext of the record that the close has tried to push once more. */
	if (c->push_rec == rec + bpf_core_field_offset(struct tls_rec, msg_plaintext) - bpf_core_field_offset(struct tls_rec, msg_encrypted))
		c->push_rec = 0;
	if (is_open_record(c, rec))
		c->open_bytes = rec_len((void *)rec);
	else if (is_discarded(c, rec))
		report_unsent(c, rec);
	return 0;
}

/*
 * sk_msg_free(sk, msg): the kernel frees the plaintext of a record that TCP has taken. It
 * also does so on failures and at the end of a connection, and other code uses the
 * function too. This entry hook costs a third less than the exit of tls_push_sg.
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
	/* After a round trip through the map the verifier treats this as a scalar. */
	c->push_rec = given;
	rec = *(volatile u64 *)&c->push_rec;
	if (!stages) {
		if (c->closing && is_open_record(c, rec)) {
			c->open_bytes = GIVEN(msg, sg.size);
			return 0;
		}
		/*
		 * The function also frees unsealed records and ciphertexts. Where reading
		 * memory is expensive (no have_cast), this is checked only after something
		 * went wrong, which is when those are freed.
		 */
		if (!(have_cast || c->closing || GIVEN(sk, sk_err)) || is_handed_over(c, rec))
			sent_unstaged(c, rec, GIVEN(msg, sg.size), c->closing && is_discarded(c, rec));
		return 0;
	}
	/* If push_enter was skipped or something went wrong, check the record itself. */
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
		else if (!first_pending(c)) /* it found no room in the map */
			c->head++;
	} else if (c->tx_state == TX_IDLE) {
		take_over_record(c, rec);
	}
	if (!has_pending(c) && c->tx_state == TX_SEALING && rec == c->tx_rec) {
		c->tx.rec.len = GIVEN(msg, sg.size); /* shorter than at its begin if a sockmap verdict split it (up to 6.18) */
		c->tx.rec.stamp[3] = now;
		c->tx_state = TX_IDLE;
		report_sent(c, now);
	}
	c->open_ts = c->next_ts = now; /* the rest of the same call is the next record */
	return 0;
}

#endif
