/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The state of offloaded connections: resyncs of the card, what the kernel does in its
 * place, and its removal.
 */
#ifndef KTLS_RESYNC_H
#define KTLS_RESYNC_H

#include "ktls_missed.h"

u32 suppressed; /* failures or card changes were suppressed, or may have been: user space then runs report_failures */

/*
 * The mode shown for a connection is its current one. What a card leaves to the kernel is
 * part of each record.
 */
static __always_inline u8 shown_mode(const struct conn *c)
{
	return c->card & CARD_RX && c->rx_card == CARD_NONE ? TLS_SW : mode_of(c, DIR_RX);
}

/* Report the card's state. The event names the connection's owner, because no call is responsible. */
static __noinline void emit_card(struct conn *c)
{
	struct event e = c->tx;

	c->card_changed = 0; /* before any value is read, so that a change meanwhile counts as new */
	asm volatile("" ::: "memory");
	e.kind = KIND_CARD;
	e.flags &= FLAG_KTHREAD;
	e.card = (struct about_card){
		.time = bpf_ktime_get_ns(),
		.next = { c->closing ? c->end_seq[DIR_TX] : read_seq(c->seq_tx), c->closing ? c->end_seq[DIR_RX] : read_seq(c->seq_rx) },
		.resyncs = { c->resyncs[DIR_TX], c->resyncs[DIR_RX] },
		.fallback = c->fallback,
		.gen = { c->tx.gen, c->rx.gen },
		.mode = { c->tx.mode, shown_mode(c) },
		.gone = (c->card & CARD_GONE) != 0,
	};
	c->card_reported_at = e.card.time;
	if (c->reported)
		emit(&e);
}

/* Remember a change. It is reported once the current second is over, together with others. */
static __always_inline void note_card_change(struct conn *c)
{
	c->card_changed = 1;
	suppressed = 1;
}

/*
 * Report a removed card at once, before the first record that the kernel handles. A global
 * function, see emit_socket.
 */
__noinline int card_removed(struct conn *c)
{
	if (!c || c->closing || c->card & CARD_GONE)
		return 0;
	c->card |= CARD_GONE;
	c->tx.mode = c->card & CARD_TX ? TLS_SW : c->tx.mode;
	c->rx.mode = c->card & CARD_RX ? (c->rx.mode & MODE_NO_PAD) | TLS_SW : c->rx.mode;
	emit_card(c);
	return 0;
}

static __always_inline void check_card(struct conn *c)
{
	if (!(c->card & CARD_GONE) && !has_card(c))
		card_removed(c);
}

/*
 * Tracepoint tls_device_decrypted(sk, tcp_seq, rec_no, rec_len, encrypted, decrypted):
 * whether the card opened the packets of the record that is being opened. It can have
 * opened packets that arrived before it was removed.
 */
static __always_inline int device_decrypted(u64 *ctx)
{
	struct conn *c = conn_lookup(ctx[0]);
	bool encrypted = ctx[4], decrypted = ctx[5];
	u8 was;

	if (!c)
		return 0;
	check_card(c);
	was = c->rx_card;
	c->rx_card = decrypted ? CARD_ALL : encrypted ? CARD_NONE : CARD_PART;
	c->card_seq = read_seq(c->seq_rx);
	if ((was == CARD_NONE) != (c->rx_card == CARD_NONE))
		note_card_change(c);
	return 0;
}

/* Set what is known of the card's part in the opened record e. */
static __always_inline void set_record_card(const struct conn *c, struct event *e)
{
	e->rec.card = CARD_NOT_ASKED;
	if (!(c->card & CARD_RX) || c->card_seq != e->rec.seq) /* the tracepoint was skipped, see HOOK_TWICE */
		return;
	e->mode = (e->mode & MODE_NO_PAD) | TLS_HW;
	if (c->card & CARD_GONE && c->rx_card == CARD_NONE)
		e->mode = (e->mode & MODE_NO_PAD) | TLS_SW;
	else
		e->rec.card = c->rx_card;
}

static __always_inline int resync_begins(u64 sk, u32 dir)
{
	struct conn *c = conn_lookup(sk);

	if (!c)
		return 0;
	__sync_fetch_and_add(&c->resyncs[dir & 1], 1);
	note_card_change(c);
	return 0;
}

/* Tracepoint tls_device_rx_resync_send(sk, ...): the kernel tells a card where a record begins. */
static __always_inline int rx_resync_begins(u64 *ctx) { return resync_begins(ctx[0], DIR_RX); }

/* Tracepoint tls_device_tx_resync_req(sk, ...): a card requests a resync. */
static __always_inline int tx_resync_begins(u64 *ctx) { return resync_begins(ctx[0], DIR_TX); }

/* A packet was to be sealed. If the kernel sealed it in software, it returns another packet. */
static __always_inline int packet_sealed(u64 sk, u64 given, u64 got)
{
	struct conn *c = got && got != given ? conn_lookup(sk) : 0;

	if (!c)
		return 0;
	__sync_fetch_and_add(&c->fallback, 1);
	note_card_change(c);
	return 0;
}

/*
 * tls_validate_xmit_skb(sk, dev, skb): the packet leaves through another card.
 * tls_validate_xmit_skb_sw: the card was removed.
 */
static __always_inline int packet_validated(u64 *ctx) { return packet_sealed(ctx[0], ctx[2], ctx[3]); }

/*
 * tls_encrypt_skb(skb): the card's driver leaves the packet to the kernel. The socket may
 * have no owner any more.
 */
static __always_inline int fallback_done(u64 *ctx)
{
	const struct sk_buff *got = (void *)ctx[1];

	return packet_sealed(got ? (u64)BPF_CORE_READ(got, sk) : 0, ctx[0], ctx[1]);
}

#endif
