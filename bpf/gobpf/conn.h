/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Connections, from the first hook that sees one to its close. */
#ifndef GOBPF_CONN_H
#define GOBPF_CONN_H

#include "filter.h"
#include "outbox.h"
#include "state.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, u64); /* struct sock */
	__type(value, struct conn);
} conns SEC(".maps");

struct pending_key { u64 conn, rec; };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct pending_key);
	__type(value, struct event);
} pending SEC(".maps");

/* A template: a struct conn is too big for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct conn);
} blank SEC(".maps");

/* Report a record, or count it as left out by the filters. */
static __always_inline void emit_record(struct event *e, u64 *hidden)
{
	if (e->flags & FLAG_HIDDEN) {
		__sync_fetch_and_add(hidden, 1);
		return;
	}
	e->rec.hidden = *hidden;
	emit(e);
}

/* TLS_RX_EXPECT_NO_PAD affects only TLS 1.3. A program can set it at any time after the keys. */
static __always_inline void set_no_pad(struct conn *c)
{
	const struct tls_context *ctx = (void *)c->ctx;

	c->rx.mode &= ~MODE_NO_PAD;
	if (c->rx.version == TLS_1_3 && bpf_core_field_exists(ctx->rx_no_pad) && BPF_CORE_READ_BITFIELD_PROBED(ctx, rx_no_pad))
		c->rx.mode |= MODE_NO_PAD;
}

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
	c->keyed[DIR_TX] = BPF_CORE_READ(ctx, crypto_send.info.version) != 0;
	c->keyed[DIR_RX] = BPF_CORE_READ(ctx, crypto_recv.info.version) != 0;
	c->tx.mode = BPF_CORE_READ_BITFIELD_PROBED(ctx, tx_conf);
	c->rx.mode = BPF_CORE_READ_BITFIELD_PROBED(ctx, rx_conf);
	set_no_pad(c);
}

/*
 * The connection of a socket, even if the filters exclude it. A connection that another
 * CPU is creating is found only once it is complete: conn_new publishes it by an exchange,
 * a full barrier, and the accesses here depend on the value read (after).
 */
static __always_inline struct conn *conn_find(u64 sk)
{
	struct conn *c = live ? bpf_map_lookup_elem(&conns, &sk) : 0;
	u64 has = c ? c->sk : 0, order = order_of(has);

	return c && has == sk ? after(order, c) : 0;
}

static __always_inline struct conn *if_included(struct conn *c)
{
	return c && !c->excluded ? c : 0;
}

static __always_inline struct conn *conn_lookup(u64 sk)
{
	return if_included(conn_find(sk));
}

/* Allocate a connection. fresh: no other hook has just created it. */
static __always_inline struct conn *conn_alloc(u64 sk, bool *fresh)
{
	struct conn *c;
	u32 zero = 0;

	c = bpf_map_lookup_elem(&blank, &zero);
	if (!c)
		return 0;
	*fresh = bpf_map_update_elem(&conns, &sk, c, BPF_NOEXIST) != -EEXIST;
	return bpf_map_lookup_elem(&conns, &sk);
}

static __always_inline void conn_delete(u64 sk) { bpf_map_delete_elem(&conns, &sk); }

/*
 * Create a connection. Returns 0 if there is no room, or if another hook is creating it
 * right now and has not published it.
 */
static __always_inline struct conn *conn_new(u64 sk, struct tls_context *ctx)
{
	struct conn *c;
	bool fresh = false;

	if (!ctx || !live)
		return 0;
	c = conn_alloc(sk, &fresh);
	if (!c || !fresh)
		return c ? conn_find(sk) : 0;
	c->ctx = (u64)ctx;
	c->tx.layout = EVENT_VERSION;
	c->tx.proto = PROTO_TLS;
	SET_ADDRESSES(&c->tx, (void *)sk);
	c->tx.conn = new_conn_id();
	c->rx = c->tx;
	c->rx.dir = DIR_RX;
	set_keys(c);
	c->tx.rec.start = c->uncertain[DIR_TX] = read_seq(c->seq_tx);
	c->rx.rec.start = c->uncertain[DIR_RX] = read_seq(c->seq_rx);
	c->excluded = !conn_wanted(&c->tx);
	__sync_lock_test_and_set(&c->sk, sk);
	return c;
}

/*
 * Report a connection. Its rekeys and its close are reported if its begin was. A global
 * function: the verifier checks it once, not at each call.
 */
__noinline int emit_socket(struct conn *c, u32 state, u32 dir)
{
	struct about_socket *s;
	struct event e;
	bool wanted;

	if (!c)
		return 0;
	e = c->tx;
	s = &e.socket;
	e.kind = KIND_SOCKET;
	e.dir = dir;
	e.flags = 0;
	__builtin_memset(s, 0, sizeof(*s));
	s->state = state;
	s->time = bpf_ktime_get_ns();
	/* Records that a network card seals are not reported, so none can be missing. */
	s->next[DIR_TX] = c->tx.mode == TLS_HW ? c->tx.rec.start : c->closing ? c->end_seq[DIR_TX] : read_seq(c->seq_tx);
	s->next[DIR_RX] = c->closing ? c->end_seq[DIR_RX] : read_seq(c->seq_rx);
	s->hidden[DIR_TX] = c->tx.rec.hidden;
	s->hidden[DIR_RX] = c->rx.rec.hidden;
	s->gen[DIR_TX] = c->tx.gen;
	s->gen[DIR_RX] = c->rx.gen;
	s->mode[DIR_TX] = c->keyed[DIR_TX] ? c->tx.mode : 0;
	s->mode[DIR_RX] = c->keyed[DIR_RX] ? c->rx.mode : 0;
	set_process(&e);
	e.flags &= FLAG_KTHREAD;
	wanted = process_wanted(&e) && current_cgroup_wanted();
	set_default_owner(&c->tx, &e, wanted);
	set_default_owner(&c->rx, &e, wanted);
	if (state == STATE_FOUND || state == STATE_OPEN)
		c->reported |= conn_wanted(&e) && wanted;
	if (state == STATE_FOUND) { /* the kernel may not have written the modes yet: then the keys are still to be reported */
		c->key_reported[DIR_TX] = s->mode[DIR_TX] != 0;
		c->key_reported[DIR_RX] = s->mode[DIR_RX] != 0;
	} else if (state != STATE_CLOSE) {
		c->key_reported[dir & 1] = 1;
	}
	if (c->reported)
		emit(&e);
	return 0;
}

#endif
