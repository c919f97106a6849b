/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Hooks during the life of a connection: keys, options and aborts. */
#ifndef KTLS_LIFE_H
#define KTLS_LIFE_H

#include "ktls_end.h"
#include "ktls_option.h"
#include "ktls_return.h"

/* Report the key of the other direction if its hook was skipped. */
static __always_inline void report_other_key(struct conn *c, u8 dir)
{
	u8 mode = mode_of(c, dir);

	if (mode != TLS_BASE && !c->key_reported[dir & 1])
		key_missed(c, dir, read_seq(dir == DIR_TX ? c->seq_tx : c->seq_rx));
}

/*
 * A record that was opened with the old key, where the hook of its call's return was
 * skipped (see ktls_missed.h): it is reported before its struct gets the new generation.
 */
static __always_inline void report_opened(struct conn *c)
{
	u32 was = *(volatile u32 *)&c->rx_state;

	if ((was & RX_STATE) == RX_OPENED && rx_claim(c, was))
		emit_record(&c->rx, &c->rx.rec.hidden, &c->sampler[DIR_RX]);
}

static __always_inline int key_set(u64 sk, u8 dir, bool update, int ret)
{
	struct tls_context *ctx = tls_ctx_of((void *)sk);
	struct conn *c = conn_find(sk);
	u64 id = c ? c->alive : 0;
	bool racing = false;

	if (ret || !ctx)
		return 0;
	if (c && c->ctx != (u64)ctx) { /* it belongs to an earlier socket at this address */
		end_conn(c, id);
		c = 0;
	}
	c = if_included(c ? c : conn_new(sk, ctx, NO_RECORD, &racing));
	if (!c)
		return 0;
	set_keys(c);
	begin_messages(c, dir, NO_SEQ);
	if (!c->key_reported[dir & 1]) /* all records of the direction will be seen */
		c->notified[dir & 1] = NOTIFIED_NO;
	report_other_key(c, !dir);
	/* The kernel writes tx_conf and rx_conf only after tls_set_sw_offload. */
	if (dir == DIR_TX) {
		if (!stages && update)
			count_old_key(c);
		if (update && c->tx_state == TX_SEALING) { /* a record of the old key is still on its way */
			defer_record(c);
			c->tx_state = TX_IDLE;
		}
		c->tx.mode = TLS_SW;
		c->tx.gen += update;
		c->next[DIR_TX] = read_seq(c->seq_tx);
		begin_key(&c->tx, c->next[DIR_TX]);
	} else {
		report_opened(c);
		c->rx.mode = TLS_SW;
		c->rx.gen += update;
		c->next[DIR_RX] = read_seq(c->seq_rx);
		begin_key(&c->rx, c->next[DIR_RX]);
	}
	emit_socket(c, update ? STATE_REKEY : STATE_OPEN, dir, 0);
	if (dir == DIR_RX)
		c->awaited = 0;
	return 0;
}

/*
 * Sockets whose receive direction is being offered to a network card. Until the card
 * answers, it is open whether the card or the software opens records.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64); /* struct sock */
	__type(value, u8);
} card_setup SEC(".maps");

/*
 * tls_set_device_offload_rx(sk, ...). It sets up software first in either case, so key_set
 * must wait for the answer.
 */
static __always_inline int card_rx_begins(u64 *ctx)
{
	u64 sk = ctx[0];
	u8 yes = 1;

	bpf_map_update_elem(&card_setup, &sk, &yes, BPF_ANY);
	return 0;
}

/* Its exit. If the card refuses, the kernel sets up software next, by tls_set_sw_offload. */
static __always_inline int card_rx_ends(u64 *ctx)
{
	u64 sk = ctx[0];

	bpf_map_delete_elem(&card_setup, &sk);
	return 0;
}

/*
 * A direction got its first key by setsockopt. For a card's key, this is the first hook
 * that can tell. A card's key is never replaced.
 */
static __always_inline void card_key_set(u64 sk, u8 dir)
{
	struct tls_context *ctx = tls_ctx_of((void *)sk);
	struct conn *c = conn_find(sk);
	bool racing = false;

	if (!ctx || TLS_HW != (dir == DIR_TX ? BPF_CORE_READ_BITFIELD_PROBED(ctx, tx_conf) : BPF_CORE_READ_BITFIELD_PROBED(ctx, rx_conf)))
		return;
	c = if_included(c ? c : conn_new(sk, ctx, NO_RECORD, &racing));
	if (!c || c->ctx != (u64)ctx || c->key_reported[dir & 1]) /* an earlier socket's connection at this address (see conn_current), or a record came first */
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

/* tls_setsockopt(sk, level, optname, optval, optlen); optval is a sockptr_t and takes two arguments. */
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
	else if (ready_by_data && has_record(c)) /* the record came before its key */
		c->ready_ts = bpf_ktime_get_ns();
	return 0;
}

/* The sequence of the record that TCP refused. Its last hook was tls_push_sg. */
static __always_inline u64 failed_seq(struct conn *c)
{
	const struct pending_record *w = has_pending(c) ? first_pending(c) : 0;

	return w ? w->e.rec.seq : c->tx.rec.seq;
}

/* Whether a record is still to be sent: an open one, or one that is sealed but not handed over. */
static __always_inline bool has_unsent_record(const struct conn *c)
{
	const struct tls_sw_context_tx *priv = (void *)c->priv_tx;

	return is_sw_tx(c) && (BPF_CORE_READ(priv, open_rec) || !all_pushed(priv));
}

/*
 * tls_err_abort(sk, err). Failures to receive were reported where they happened. TCP
 * refuses a failed record again at each attempt, so each failure is reported once per
 * record.
 */
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
	if (bpf_get_current_task_btf()->flags & PF_KTHREAD) /* a worker continues what a call began */
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
