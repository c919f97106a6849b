/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Hooks for a connection's keys, close and failures. */
#ifndef GOBPF_LIFE_H
#define GOBPF_LIFE_H

#include "push.h"
#include "return.h"

/*
 * Report the key of the other direction if its hook was skipped. A key for a network card
 * is set elsewhere (tls_set_device_offload), and no hook sees its records.
 */
static __always_inline void report_other_key(struct conn *c, u8 dir)
{
	u8 mode = dir == DIR_TX ? c->tx.mode : c->rx.mode;

	if (c->keyed[dir & 1] && !c->key_reported[dir & 1] && mode != TLS_HW)
		key_missed(c, dir, read_seq(dir == DIR_TX ? c->seq_tx : c->seq_rx));
}

static __always_inline int key_set(u64 sk, u8 dir, bool update, int ret)
{
	struct tls_context *ctx = tls_ctx_of((void *)sk);
	struct conn *c = conn_find(sk);

	if (ret || !ctx)
		return 0;
	if (c && c->ctx != (u64)ctx) { /* it belongs to an earlier socket at this address */
		conn_delete(sk);
		c = 0;
	}
	c = if_included(c ? c : conn_new(sk, ctx));
	if (!c)
		return 0;
	set_keys(c);
	report_other_key(c, !dir);
	c->keyed[dir & 1] = 1;
	c->uncertain[dir & 1] = 0; /* nothing precedes its first record */
	/* The kernel writes tx_conf and rx_conf only after tls_set_sw_offload. */
	if (dir == DIR_TX) {
		if (update && c->tx_state == TX_SEALING) { /* a record of the old key is still on its way */
			defer_record(c);
			c->tx_state = TX_IDLE;
		}
		c->tx.mode = TLS_SW;
		c->tx.gen += update;
		begin_key(&c->tx, read_seq(c->seq_tx));
	} else {
		c->rx.mode = TLS_SW;
		c->rx.gen += update;
		begin_key(&c->rx, read_seq(c->seq_rx));
	}
	emit_socket(c, update ? STATE_REKEY : STATE_OPEN, dir);
	return 0;
}

static __always_inline int sw_offload_ends(u64 *ctx)
{
	bool tx = (u32)(set_tx_arg == 1 ? ARG(ctx, 1) : ARG(ctx, 2));
	bool update = false;
	int ret;

	if (set_update_arg) {        /* (sk, tx, new_crypto_info) */
		update = ARG(ctx, 2) != 0;
		ret = ARG(ctx, 3);
	} else if (set_tx_arg == 2) {/* (sk, ctx, tx) */
		ret = ARG(ctx, 3);
	} else {                     /* (sk, tx) */
		ret = ARG(ctx, 2);
	}
	return key_set(ctx[0], tx ? DIR_TX : DIR_RX, update, ret);
}

/*
 * Report the current record if it was sealed but not handed over. User space looks for the
 * pending ones when it sees the close.
 */
static __always_inline void flush_tx(struct conn *c)
{
	if (c->tx_state == TX_SEALING && (__s64)(c->end_seq[DIR_TX] - c->tx.rec.seq) > 0)
		emit_record(&c->tx, &c->tx.rec.hidden);
	c->tx_state = TX_IDLE;
}

static __always_inline int release_ends(u64 *ctx)
{
	struct conn *c = conn_lookup(ctx[0]);

	if (!c)
		return 0;
	flush_tx(c);
	return 0;
}

/* The last point where the sequences can be read: 6.1 frees them before it sends the remaining records. */
static __always_inline int close_begins(u64 *ctx)
{
	struct conn *c = conn_find(ctx[0]);

	if (!c || c->closing)
		return 0;
	c->end_seq[DIR_TX] = read_seq(c->seq_tx);
	c->end_seq[DIR_RX] = read_seq(c->seq_rx);
	c->closing = 1;
	return 0;
}

static __always_inline int free_begins(u64 *ctx)
{
	u64 key = ctx[0];
	struct conn *c = conn_find(key);

	if (!c || !c->closing || c->ctx != ctx[1])
		return 0;
	if ((c->rx_state & RX_STATE) == RX_OPENED)
		emit_record(&c->rx, &c->rx.rec.hidden);
	emit_socket(c, STATE_CLOSE, 0);
	conn_delete(key);
	return 0;
}

/* The kernel frees a connection with a card later, without its socket. */
static __always_inline int close_ends(u64 *ctx)
{
	u64 sk = ctx[0];
	struct conn *c = conn_find(sk);

	if (!c || !c->closing || (c->tx.mode != TLS_HW && c->rx.mode != TLS_HW))
		return 0;
	emit_socket(c, STATE_CLOSE, 0);
	conn_delete(sk);
	return 0;
}

/* The sequence of the record that TCP refused. Its last hook was tls_push_sg. */
static __always_inline u64 failed_seq(struct conn *c)
{
	struct pending_key key = { c->tx.conn, c->push_rec };
	const struct event *e = 0;

	if (c->push_rec && c->push_rec != c->tx_rec)
		e = bpf_map_lookup_elem(&pending, &key);
	return e ? e->rec.seq : c->tx.rec.seq;
}

/* Failures to receive were reported where they happened. */
static __always_inline int abort_begins(u64 *ctx)
{
	struct conn *c = conn_lookup(ctx[0]);
	int err = ctx[1];

	if (!c || (c->rx_state & RX_STATE) == RX_OPENING || c->rx_failed || c->tx_failed)
		return 0;
	if (c->tx_state == TX_SEALING || has_pending(c))
		emit_failure(&c->tx, failed_seq(c), err, FUNC_ERR_ABORT);
	return 0;
}

#endif
