/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Allocating and freeing connections. */
#ifndef KTLS_CONN_ALLOC_H
#define KTLS_CONN_ALLOC_H

#include "ktls_held.h"

/* A template: a struct conn is too big for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct conn);
} blank SEC(".maps");

u64 next_conn = 1;
const volatile u32 hot_full = 0; /* for tests: act as if every slot of "hot" were taken */

/* slot is 1 + the index in "hot", or 0. */
static __always_inline u64 new_conn_id(u32 slot)
{
	return __sync_fetch_and_add(&next_conn, 1) << SLOT_BITS | slot;
}

/*
 * Allocate a connection; only the first caller gets it. racing: another hook is creating
 * the same connection, or has just done so.
 */
static __always_inline struct conn *conn_alloc(u64 sk, bool *racing)
{
	struct conn *place = hot_place(sk), *c;
	u32 zero = 0;
	long err;

	if (!hot_full && !__sync_val_compare_and_swap(&place->claim, 0, sk))
		return place;
	*racing = place->claim == sk;
	c = bpf_map_lookup_elem(&blank, &zero);
	if (*racing || !c)
		return 0;
	err = bpf_map_update_elem(&conns, &sk, c, BPF_NOEXIST);
	*racing = err == -EEXIST;
	return err ? 0 : bpf_map_lookup_elem(&conns, &sk);
}

#define RETIRING 1 /* instead of a claim: a new socket at this address goes to "conns" */

/*
 * Take a connection out of the table. Returns true for exactly one hook, which then ends
 * the connection; no other hook finds it any more. The kernel frees a socket before its
 * TLS context. So a new socket at the same address can begin while the last hook of this
 * one is still to come, or is running. The id, which callers read before they decide
 * anything, tells the two apart.
 */
static __always_inline bool conn_retire(struct conn *c, u64 id)
{
	if (!id || __sync_val_compare_and_swap(&c->alive, id, 0) != id)
		return false;
	conn_publish(c, 0);
	if (c->claim)
		__sync_lock_test_and_set(&c->claim, RETIRING);
	return true;
}

/* Free the slot of a retired connection. */
static __always_inline void conn_free(struct conn *c, u64 sk)
{
	if (!c->claim) {
		bpf_map_delete_elem(&conns, &sk);
		return;
	}
	/* Clear the slot before the next connection can claim it. */
	__builtin_memset(c, 0, offsetof(struct conn, claim));
	__builtin_memset((void *)c + offsetof(struct conn, ctx), 0, sizeof(*c) - offsetof(struct conn, ctx));
	__sync_lock_test_and_set(&c->claim, 0);
}

#define NO_RECORD 2 /* instead of a direction */

/*
 * Create a connection. Returns 0 if there is no room, or if another hook is creating it
 * right now and has not published it. completed: a direction whose last record has ended
 * but is still to be reported.
 */
static __always_inline struct conn *conn_new(u64 sk, struct tls_context *ctx, u32 completed, bool *racing)
{
	struct conn *c;

	if (!ctx || !live)
		return 0;
	c = conn_alloc(sk, racing);
	if (!c)
		return *racing ? conn_find(sk) : 0;
	c->ctx = (u64)ctx;
	c->tx.layout = EVENT_VERSION;
	c->tx.proto = PROTO_TLS;
	SET_ADDRESSES(&c->tx, (void *)sk);
	c->tx.conn = new_conn_id(c->claim ? hot_index(sk) + 1 : 0);
	c->rx = c->tx;
	c->rx.dir = DIR_RX;
	set_keys(c);
	c->tx.rec.start = c->next[DIR_TX] = read_seq(c->seq_tx) - (completed == DIR_TX);
	c->rx.rec.start = c->next[DIR_RX] = read_seq(c->seq_rx) - (completed == DIR_RX);
	c->notified[DIR_TX] = c->tx.rec.start ? NOTIFIED_NOT_KNOWN : NOTIFIED_NO;
	c->notified[DIR_RX] = c->rx.rec.start ? NOTIFIED_NOT_KNOWN : NOTIFIED_NO;
	begin_messages(c, DIR_TX, c->tx.rec.start);
	begin_messages(c, DIR_RX, c->rx.rec.start);
	c->reset = c->blocked = c->probed = 0; /* a late hook of the slot's previous connection may have set these */
	c->awaited = awaits_key(c); /* 1: since before the trace */
	c->send_state = open_bytes(c) ? SEND_MORE : 0; /* begun at an unknown time */
	c->excluded = !conn_wanted(&c->tx);
	c->alive = c->tx.conn;
	conn_publish(c, sk);
	return c;
}

#endif
