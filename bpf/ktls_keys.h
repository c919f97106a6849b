/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a connection's keys determine: where records are sealed and opened, and the cipher. */
#ifndef KTLS_KEYS_H
#define KTLS_KEYS_H

#include "ktls_conn.h"

/* Where the kernel seals or opens; TLS_BASE: this direction has no key. */
static __always_inline u8 mode_of(const struct conn *c, u32 dir) { return dir == DIR_TX ? c->tx.mode : c->rx.mode & ~MODE_NO_PAD; }

/*
 * TLS_RX_EXPECT_NO_PAD affects only TLS 1.3. A program can set it at any time after the
 * keys, see option_is_set.
 */
static __always_inline void set_no_pad(struct conn *c)
{
	const struct tls_context *ctx = (void *)c->ctx;

	c->rx.mode &= ~MODE_NO_PAD;
	if (c->rx.version == TLS_1_3 && bpf_core_field_exists(ctx->rx_no_pad) && BPF_CORE_READ_BITFIELD_PROBED(ctx, rx_no_pad))
		c->rx.mode |= MODE_NO_PAD;
}

static __always_inline bool has_card(const struct conn *c)
{
	const struct tls_context *ctx = (void *)c->ctx;

	return BPF_CORE_READ(ctx, netdev);
}

u32 card_seen; /* a connection with a network card was found: user space attaches the hooks that only such connections need */

/* After a card is removed (tls_device_down), the kernel seals and opens in software but still says TLS_HW. */
static __always_inline void set_card(struct conn *c)
{
	const struct tls_context *ctx = (void *)c->ctx;

	c->card &= ~(CARD_TX | CARD_RX);
	c->card |= c->tx.mode == TLS_HW ? CARD_TX : 0;
	c->card |= c->rx.mode == TLS_HW ? CARD_RX : 0;
	if (!(c->card & (CARD_TX | CARD_RX)))
		return;
	card_seen = 1;
	c->prepend = BPF_CORE_READ(ctx, prot_info.prepend_size);
	c->overhead = BPF_CORE_READ(ctx, prot_info.overhead_size);
	if (has_card(c))
		return;
	c->card |= CARD_GONE;
	c->tx.mode = c->tx.mode == TLS_HW ? TLS_SW : c->tx.mode;
	c->rx.mode = c->rx.mode == TLS_HW ? TLS_SW : c->rx.mode;
}

/* Whether its records are sealed in software. Only then the kernel has a tls_sw_context_tx. */
static __always_inline bool is_sw_tx(const struct conn *c) { return c->tx.mode != TLS_BASE && !(c->card & CARD_TX); }

/* Read everything that a key change can change. */
static __always_inline void set_keys(struct conn *c)
{
	const struct tls_context *ctx = (void *)c->ctx;

	c->priv_tx = (u64)BPF_CORE_READ(ctx, priv_ctx_tx);
	c->priv_rx = (u64)BPF_CORE_READ(ctx, priv_ctx_rx);
	c->seq_tx = seq_addr(&ctx->tx);
	c->seq_rx = seq_addr(&ctx->rx);
	c->tx.version = c->rx.version = BPF_CORE_READ(ctx, prot_info.version);
	c->tx.cipher = c->rx.cipher = BPF_CORE_READ(ctx, prot_info.cipher_type);
	c->tx.mode = BPF_CORE_READ_BITFIELD_PROBED(ctx, tx_conf);
	c->rx.mode = BPF_CORE_READ_BITFIELD_PROBED(ctx, rx_conf);
	set_card(c);
	set_no_pad(c);
}

#endif
