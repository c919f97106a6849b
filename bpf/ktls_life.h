/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The hooks of a connection: its keys, and what goes wrong on the way. */
#ifndef KTLS_LIFE_H
#define KTLS_LIFE_H

#include "ktls_end.h"
#include "ktls_option.h"

/* The other direction has a key whose hook was skipped. */
static __always_inline void report_other_key(struct conn *c, u8 dir)
{
	u8 mode = mode_of(c, dir);

	if (mode != TLS_BASE && !c->key_reported[dir & 1])
		key_missed(c, dir, read_seq(dir == DIR_TX ? c->seq_tx : c->seq_rx));
}

static __always_inline int key_set(u64 sk, u8 dir, bool update, int ret)
{
	struct tls_context *ctx = tls_ctx_of((void *)sk);
	struct conn *c = conn_find(sk);
	u64 id = c ? c->alive : 0;
	bool racing = false;

	if (ret || !ctx)
		return 0;
	if (c && c->ctx != (u64)ctx) { /* of an earlier socket at this address */
		end_conn(c, id);
		c = 0;
	}
	c = if_included(c ? c : conn_new(sk, ctx, NO_RECORD, &racing));
	if (!c)
		return 0;
	set_keys(c);
	begin_messages(c, dir, NO_SEQ);
	if (!c->key_reported[dir & 1]) /* all of its records are seen */
		c->notified[dir & 1] = NOTIFIED_NO;
	report_other_key(c, !dir);
	/* The kernel writes tx_conf and rx_conf only after this function. */
	if (dir == DIR_TX) {
		if (!stages && update)
			count_old_key(c);
		if (update && c->tx_state == TX_SEALING) { /* of the old key, still on its way */
			defer_record(c);
			c->tx_state = TX_IDLE;
		}
		c->tx.mode = TLS_SW;
		c->tx.gen += update;
		c->tx.rec.start = c->next[DIR_TX] = read_seq(c->seq_tx);
	} else {
		c->rx.mode = TLS_SW;
		c->rx.gen += update;
		c->rx.rec.start = c->next[DIR_RX] = read_seq(c->seq_rx);
	}
	emit_socket(c, update ? STATE_REKEY : STATE_OPEN, dir, 0);
	if (dir == DIR_RX)
		c->awaited = 0;
	return 0;
}

/* Sockets for which a network card is being asked to receive: until it has answered it is not known who does. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64); /* struct sock */
	__type(value, u8);
} card_setup SEC(".maps");

/* tls_set_device_offload_rx(sk, ...), which sets up software first, whoever opens then. */
static __always_inline int card_rx_begins(u64 *ctx)
{
	u64 sk = ctx[0];
	u8 yes = 1;

	bpf_map_update_elem(&card_setup, &sk, &yes, BPF_ANY);
	return 0;
}

/* Its exit. Where a card refuses, software is set up next. */
static __always_inline int card_rx_ends(u64 *ctx)
{
	u64 sk = ctx[0];

	bpf_map_delete_elem(&card_setup, &sk);
	return 0;
}

/*
 * A direction got its first key by setsockopt: if it is a card's, this is the first hook
 * that knows. What a card has is not given another key.
 */
static __always_inline void card_key_set(u64 sk, u8 dir)
{
	struct tls_context *ctx = tls_ctx_of((void *)sk);
	struct conn *c = conn_find(sk);
	bool racing = false;

	if (!ctx || TLS_HW != (dir == DIR_TX ? BPF_CORE_READ_BITFIELD_PROBED(ctx, tx_conf) : BPF_CORE_READ_BITFIELD_PROBED(ctx, rx_conf)))
		return;
	c = if_included(c ? c : conn_new(sk, ctx, NO_RECORD, &racing));
	if (!c || c->ctx != (u64)ctx || c->key_reported[dir & 1]) /* of an earlier socket at this address: conn_current; met by a record */
		return;
	c->notified[dir & 1] = NOTIFIED_NO;
	key_missed(c, dir, read_seq(dir == DIR_TX ? c->seq_tx : c->seq_rx));
	begin_messages(c, dir, NO_SEQ);
}

static __always_inline int sw_offload_ends(u64 *ctx)
{
	bool tx = (u32)(set_tx_arg == 1 ? ARG(ctx, 1) : ARG(ctx, 2));
	bool update = false;
	u64 sk = ctx[0];
	int ret;

	if (set_update_arg) {        /* (sk, tx, new_crypto_info) */
		update = ARG(ctx, 2) != 0;
		ret = ARG(ctx, 3);
	} else if (set_tx_arg == 2) {/* (sk, ctx, tx) */
		ret = ARG(ctx, 3);
	} else {                     /* (sk, tx) */
		ret = ARG(ctx, 2);
	}
	if (!tx && bpf_map_lookup_elem(&card_setup, &sk))
		return 0;
	return key_set(sk, tx ? DIR_TX : DIR_RX, update, ret);
}

/* tls_setsockopt(sk, level, optname, optval, optlen); optval is a pointer and whose it is. */
static __always_inline int option_is_set(u64 *ctx)
{
	int level = ctx[1], option = ctx[2], ret = ctx[6];
	struct conn *c;

	if (level != SOL_TLS)
		return 0;
	if (ret)
		return option_fails(ctx, FUNC_SETSOCKOPT, ret);
	if (option == TLS_TX || option == TLS_RX)
		card_key_set(ctx[0], option == TLS_TX ? DIR_TX : DIR_RX);
	c = option == TLS_RX_EXPECT_NO_PAD || option == TLS_RX ? conn_lookup(ctx[0]) : 0;
	if (!c)
		return 0;
	if (option == TLS_RX_EXPECT_NO_PAD)
		set_no_pad(c);
	else if (ready_by_data && has_record(c)) /* it came before its key */
		c->ready_ts = bpf_ktime_get_ns();
	return 0;
}

/* Where a TCP that refuses a record ends the connection, tls_push_sg was the last hook. */
static __always_inline u64 failed_seq(struct conn *c)
{
	const struct pending_record *w = has_pending(c) ? first_pending(c) : 0;

	return w ? w->e.rec.seq : c->tx.rec.seq;
}

/* Whether there is a record to send: one that is open, or sealed and not handed over. */
static __always_inline bool has_unsent_record(const struct conn *c)
{
	const struct tls_sw_context_tx *priv = (void *)c->priv_tx;

	return is_sw_tx(c) && (BPF_CORE_READ(priv, open_rec) || !all_pushed(priv));
}

/* Failures to receive have been told where they happen. What TCP does not take it refuses at each further attempt. */
static __always_inline int abort_begins(u64 *ctx)
{
	struct conn *c = conn_lookup(ctx[0]);
	int err = ctx[1];
	bool reported;
	u64 seq;

	if (!c || (c->rx_state & RX_STATE) == RX_OPENING || c->rx_failed || c->tx_failed || is_retryable(err))
		return 0;
	if (!(stages ? c->tx_state == TX_SEALING || has_pending(c) : has_unsent_record(c)))
		return 0;
	seq = stages ? failed_seq(c) : c->next[DIR_TX];
	c->tx_err = -err;
	c->send_state |= SEND_BROKEN;
	if (c->reported_err == c->tx_err && c->reported_seq == seq)
		return 0;
	if (bpf_get_current_task_btf()->flags & PF_KTHREAD) /* a worker does what a call has left */
		reported = emit_kernel_failure(&c->tx, seq, err, FUNC_ERR_ABORT, c->tx.type);
	else
		reported = emit_failure(&c->tx, seq, err, FUNC_ERR_ABORT);
	if (reported) {
		c->reported_err = -err;
		c->reported_seq = seq;
	}
	return 0;
}

#endif
