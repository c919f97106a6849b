/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Data that a connection holds back: bytes accepted or received that went no further yet. */
#ifndef KTLS_HELD_H
#define KTLS_HELD_H

#include "ktls_keys.h"

/* A FIN has arrived (tcp_fin), whatever the state is now. A reset sets other flags. */
static __always_inline bool has_fin(const struct sock *sk) { return BPF_CORE_READ(sk, __sk_common.skc_flags) >> SOCK_DONE & 1; }

/* Bytes in the receive queue. A FIN occupies one sequence number there. */
static __always_inline u32 queued_bytes(const struct sock *sk)
{
	const struct tcp_sock *tp = (void *)sk;
	u32 n = BPF_CORE_READ(tp, rcv_nxt) - BPF_CORE_READ(tp, copied_seq);

	return n && has_fin(sk) ? n - 1 : n;
}

/*
 * Bytes of an incomplete record, in the receive queue or, if the parser copies, in its
 * buffer. While its length (whole) is unknown, only fewer bytes than a header are certain
 * to be incomplete.
 */
static __always_inline u32 incomplete(const struct conn *c, const struct sock *sk, u32 *whole)
{
	const struct tls_sw_context_rx *priv = (void *)c->priv_rx;
	u32 available;

	*whole = 0;
	if (mode_of(c, DIR_RX) == TLS_BASE || !priv || has_record(c))
		return 0;
	available = queued_bytes(sk);
	if (bpf_core_field_exists(priv->strp.anchor) && BPF_CORE_READ_BITFIELD_PROBED(&priv->strp, copy_mode))
		available += BPF_CORE_READ(priv, strp.anchor, len);
	*whole = BPF_CORE_READ(priv, strp.stm.full_len);
	return available < (*whole ? *whole : RECORD_HEADER) ? available : 0;
}

/* The peer has announced a new key, and reads fail until the program sets it (from 6.14). */
static __always_inline bool awaits_key(const struct conn *c)
{
	const struct tls_sw_context_rx *priv = (void *)c->priv_rx;

	return bpf_core_field_exists(priv->key_update_pending) && mode_of(c, DIR_RX) != TLS_BASE && priv &&
	       BPF_CORE_READ(priv, key_update_pending);
}

const volatile u64 tick_ns = 0; /* nanoseconds of a jiffy; 0: unknown */

static __always_inline u64 quiet_for(const struct sock *sk)
{
	const struct inet_connection_sock *icsk = (void *)sk;

	if (!tick_ns || !bpf_core_field_exists(icsk->icsk_ack.lrcvtime))
		return 0;
	return (u64)((u32)bpf_jiffies64() - BPF_CORE_READ(icsk, icsk_ack.lrcvtime)) * tick_ns;
}

#define MAX_UNREAD 256 /* records whose bytes are summed */

struct unread { struct conn *c; };

/* The walk keeps its state in the connection, not on the stack, see struct source. */
static long unread_step(u32 i, struct unread *u)
{
	struct conn *c = u->c;
	const struct sk_buff *skb = (void *)c->unread_at;

	if (c->unread_at == c->priv_rx + bpf_core_field_offset(struct tls_sw_context_rx, rx_list))
		return 1;
	c->unread_bytes += BPF_CORE_READ(skb_cb(skb), strp.strp.full_len);
	c->unread_at = (u64)BPF_CORE_READ(skb, next);
	return 0;
}

/* Count the records in rx_list: opened, but not completely read (tls_sw_recvmsg). */
static __always_inline void set_unread(struct conn *c, struct held *h)
{
	const struct tls_sw_context_rx *priv = (void *)c->priv_rx;
	struct unread u = { c };

	if (mode_of(c, DIR_RX) == TLS_BASE || !priv)
		return;
	h->unread = BPF_CORE_READ(priv, rx_list.qlen);
	if (!h->unread)
		return;
	c->unread_at = (u64)BPF_CORE_READ(priv, rx_list.next);
	c->unread_bytes = 0;
	bpf_loop(MAX_UNREAD, unread_step, &u, 0);
	h->unread_bytes = c->unread_bytes;
}

/* The bytes of an open record that a network card will seal. Its header is there from the start. */
static __always_inline u32 card_open_bytes(const struct conn *c)
{
	const struct tls_offload_context_tx *tx = (void *)c->priv_tx;
	const struct tls_record_info *rec = 0;

	if (!bpf_core_field_exists(tx->open_record) || !bpf_core_field_exists(rec->len)) /* this kernel supports no such cards */
		return 0;
	rec = BPF_CORE_READ(tx, open_record);
	return rec ? BPF_CORE_READ(rec, len) - c->prepend : 0;
}

static __always_inline u32 open_bytes(const struct conn *c)
{
	const struct tls_sw_context_tx *tx = (void *)c->priv_tx;
	const struct tls_rec *rec;

	if (c->card & CARD_TX)
		return card_open_bytes(c);
	if (!is_sw_tx(c) || !tx)
		return 0;
	rec = BPF_CORE_READ(tx, open_rec);
	return rec ? rec_len(rec) : 0;
}

/* Returns false if the connection holds nothing back. */
static __always_inline bool set_held(struct conn *c, struct held *h)
{
	const struct sock *sk = (void *)c->sk;

	__builtin_memset(h, 0, sizeof(*h));
	h->time = bpf_ktime_get_ns();
	h->open = open_bytes(c);
	if (h->open && c->send_state & SEND_MORE)
		h->open_since = c->open_ts;
	h->incomplete = incomplete(c, sk, &h->whole);
	if (h->incomplete)
		h->quiet = quiet_for(sk);
	set_unread(c, h);
	if (awaits_key(c))
		h->awaited = c->awaited ? c->awaited : 1;
	return h->open || h->incomplete || h->unread || h->awaited;
}

#endif
