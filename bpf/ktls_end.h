/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Hooks at the end of a connection. */
#ifndef KTLS_END_H
#define KTLS_END_H

#include "ktls_push.h"
#include "ktls_receive.h"

/* Report the current record if it was sealed but not handed over. */
static __always_inline void flush_tx(struct conn *c)
{
	if (c->tx_state == TX_SEALING && (__s64)(c->end_seq[DIR_TX] - c->tx.rec.seq) > 0)
		emit_record(&c->tx, &c->tx.rec.hidden, &c->sampler[DIR_TX]);
	c->tx_state = TX_IDLE;
}

/* Report all sealed records that were not handed over: the pending ones and the current one. */
static __always_inline void flush_sent(struct conn *c)
{
	if (has_pending(c))
		report_pending(c, c->tail - c->head, 0, 0);
	flush_tx(c);
}

#define TCP_CLOSE 7
#define ETIMEDOUT 110

/* Whether a call or the socket has failed with a timeout because the peer does not answer. */
static __always_inline bool timed_out(const struct conn *c, const struct sock *sk)
{
	u32 i;

	if (BPF_CORE_READ(sk, sk_err) == ETIMEDOUT || c->tx_err == ETIMEDOUT)
		return true;
	for (i = 0; i < LIMITERS; i++)
		if (c->failures[i].err == ETIMEDOUT)
			return true;
	return false;
}

/* How the connection had ended when this side closes it. */
static __always_inline u8 ending_of(const struct conn *c, const struct sock *sk)
{
	if (c->reset)
		return ENDED_RESET;
	if (has_fin(sk))
		return ENDED_FIN;
	if (BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_CLOSE)
		return ENDED_LOCAL;
	return timed_out(c, sk) ? ENDED_TIMEOUT : ENDED_ERROR;
}

/*
 * Decide what is known about close_notify. An unread record may be one; so may a record
 * that no hook examines.
 */
static __always_inline void finalize_notified(struct conn *c, const struct sock *sk)
{
	if (c->notified[DIR_RX] == NOTIFIED_NO && (has_record(c) || queued_bytes(sk) > c->cut))
		c->notified[DIR_RX] = NOTIFIED_NOT_KNOWN;
	if (!stages)
		c->notified[DIR_TX] = NOTIFIED_NOT_KNOWN;
}

static __always_inline void begin_close(struct conn *c)
{
	c->end_seq[DIR_TX] = read_seq(c->seq_tx);
	c->end_seq[DIR_RX] = read_seq(c->seq_rx);
	c->closing = 1;
}

/*
 * End a connection: report everything known about it. id is the value of c->alive when the
 * caller decided to end it. A global function, see emit_socket.
 */
__noinline int end_conn(struct conn *c, u64 id)
{
	u64 sk;

	if (!c)
		return 0;
	sk = *(volatile u64 *)&c->sk;
	if (!conn_retire(c, id))
		return 0;
	flush_sent(c);
	if (c->closing && !c->excluded && c->tx.mode != TLS_BASE)
		count_skipped(c, DIR_TX, c->end_seq[DIR_TX] + c->old_key_pending);
	if ((c->rx_state & RX_STATE) == RX_OPENED)
		emit_record(&c->rx, &c->rx.rec.hidden, &c->sampler[DIR_RX]);
	if (c->closing && !c->excluded && mode_of(c, DIR_RX) != TLS_BASE)
		count_skipped(c, DIR_RX, c->end_seq[DIR_RX]);
	if (!c->closing) { /* its TLS context may be freed: the expected sequences are the last known */
		c->end_seq[DIR_TX] = c->next[DIR_TX];
		c->end_seq[DIR_RX] = c->next[DIR_RX];
		c->closing = 1;
	}
	report_suppressed(c, ~0ULL);
	if (aggregate)
		close_stats(c->rx.conn);
	emit_socket(c, STATE_CLOSE, 0, 0);
	conn_free(c, sk);
	return 0;
}

static __always_inline int release_ends(u64 *ctx)
{
	struct conn *c = conn_lookup(ctx[0]);

	if (c)
		flush_sent(c);
	return 0;
}

/*
 * tls_sk_proto_close(sk, timeout): the last point where the sequences can be read. 6.1
 * frees them before it sends the remaining records.
 */
static __always_inline int close_begins(u64 *ctx)
{
	const struct sock *sk = (void *)ctx[0];
	struct conn *c = conn_find(ctx[0]);
	u32 whole;

	if (c && !c->closing) {
		c->ended = ending_of(c, sk);
		c->cut = incomplete(c, sk, &whole);
		finalize_notified(c, sk);
		begin_close(c);
		if (c->card & CARD_TX) /* unless the close still seals it */
			c->open_bytes = card_open_bytes(c);
	} else if (!c && !stages) /* untracked sends are counted as they begin */
		count_untracked(ctx[0], DIR_TX, false);
	return 0;
}

/*
 * tls_sw_free_ctx_tx(tls_ctx), tls_sw_free_ctx_rx(tls_ctx): no more records follow. The
 * socket still exists, so no other socket can have its address. Later hooks handle
 * connections that do not close here.
 */
static __always_inline int side_freed(u64 *ctx)
{
	const struct tls_context *t = (void *)ctx[0];
	struct conn *c = conn_find((u64)GIVEN(t, sk));
	u64 id = c ? c->alive : 0;

	if (c && c->closing && c->ctx == ctx[0])
		end_conn(c, id);
	return 0;
}

static __always_inline int free_begins(u64 *ctx)
{
	struct conn *c = conn_find(ctx[0]);
	u64 id = c ? c->alive : 0;

	if (!c || c->ctx != ctx[1])
		return 0;
	if (!c->closing) /* the hook of the close was skipped, and the sequences can still be read */
		begin_close(c);
	end_conn(c, id);
	return 0;
}

/* The exit of tls_sk_proto_close. The kernel frees a connection with a card later, without its socket. */
static __always_inline int close_ends(u64 *ctx)
{
	struct conn *c = conn_find(ctx[0]);
	u64 id = c ? c->alive : 0;

	if (c && c->closing)
		end_conn(c, id);
	return 0;
}

#endif
