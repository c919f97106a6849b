/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Connection state of AF_KTLS sockets, which seal and open datagrams. */
#ifndef KTLS_DTLS_CONN_H
#define KTLS_DTLS_CONN_H

#include "ktls_dtls_types.h"
#include "ktls_owner.h"
#include "ktls_ring.h"
#include "ktls_sample.h"

/*
 * Dropped records of one reason, and the last of them. One event a second reports how many
 * there were, so a flood of drops is no flood of events.
 */
struct dropped {
	u64 reported_at;
	u64 seq;
	u32 unreported;
	u16 epoch, len, datagram;
	u8 type, pad[5];
};

struct dtls_conn {
	struct event tx; /* the fields that all sent records share */
	struct event rx;
	u64 alive;       /* the id; 0: the connection has ended */
	u64 next;        /* the sequence of the next record, of tx.epoch */
	u64 queued;      /* the module's count of queued records before the first one that a hook may report */
	u64 read;        /* records that a hook saw leave the queue */
	u8 epoch_known;  /* the first sequence and the epoch of sent records are known */
	u8 reported;
	u8 keyed[2];
	u8 pad[4];
	struct dropped dropped[AFKTLS_REASONS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, u64); /* struct afktls_sock */
	__type(value, struct dtls_conn);
} dtls_conns SEC(".maps");

/* A template: a struct dtls_conn is too big for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct dtls_conn);
} dtls_blank SEC(".maps");

/*
 * Ids start above those of the other object, which count up from one, and below the
 * integers that JSON readers round.
 */
u64 next_dtls = 1ULL << 52;

/* How many records the module has put into a socket's receive queue. */
static __always_inline u64 dtls_queued(u64 ks)
{
	const struct afktls_sock *s = (void *)ks;

	return BPF_CORE_READ(s, stats[AFKTLS_STAT_RX_RECORDS].counter);
}

/*
 * Whether the direction has a key. If a version of the module renames its key fields, a
 * socket counts as having both.
 */
static __always_inline bool has_key(const struct afktls_sock *s, u32 dir)
{
	if (!bpf_core_field_exists(s->tx) || !bpf_core_field_exists(s->rx))
		return true;
	return dir == DIR_TX ? BPF_CORE_READ(s, tx) : BPF_CORE_READ(s, rx);
}

/* The sequence of the next record to send, 0 if unknown. */
static __always_inline u64 next_of(const struct afktls_sock *s)
{
	if (!bpf_core_field_exists(s->tx) || !bpf_core_field_exists(struct afktls_key, next))
		return 0;
	return BPF_CORE_READ(s, tx, next) & DTLS_SEQ;
}

/*
 * Create the connection of a socket. Returns 0 if there is no room, if another hook is
 * creating it right now, or if the socket has detached from its UDP socket. Sets full only
 * in the first case.
 */
static __noinline struct dtls_conn *dtls_new(u64 ks, bool *full)
{
	struct afktls_sock *s = (void *)ks;
	u64 udp = (u64)BPF_CORE_READ(s, udp);
	struct dtls_conn *c;
	u32 zero = 0;
	long err;

	c = bpf_map_lookup_elem(&dtls_blank, &zero);
	if (!live || !udp || !c)
		return 0;
	err = bpf_map_update_elem(&dtls_conns, &ks, c, BPF_NOEXIST);
	if (full)
		*full = err && err != -EEXIST;
	if (err)
		return 0;
	c = bpf_map_lookup_elem(&dtls_conns, &ks);
	if (!c)
		return 0;
	c->tx.layout = EVENT_VERSION;
	c->tx.proto = PROTO_DTLS;
	SET_ADDRESSES(&c->tx, (void *)udp);
	c->tx.conn = __sync_fetch_and_add(&next_dtls, 1);
	c->tx.version = BPF_CORE_READ(s, version);
	c->tx.cipher = BPF_CORE_READ(s, cipher);
	c->tx.mode = TLS_SW;
	c->queued = dtls_queued(ks) - BPF_CORE_READ(&s->sk, sk_receive_queue.qlen);
	c->rx = c->tx;
	c->rx.dir = DIR_RX;
	c->keyed[DIR_TX] = has_key(s, DIR_TX);
	c->keyed[DIR_RX] = has_key(s, DIR_RX);
	c->next = next_of(s);
	__sync_lock_test_and_set(&c->alive, c->tx.conn); /* a full barrier, see conn_publish */
	return c;
}

static __always_inline struct dtls_conn *dtls_find(u64 ks)
{
	struct dtls_conn *c = live ? bpf_map_lookup_elem(&dtls_conns, &ks) : 0;

	u64 alive = c ? c->alive : 0;

	return alive ? after(order_of(alive), c) : 0;
}

/* Report a connection; who as in emit_socket. */
static __noinline int dtls_report(struct dtls_conn *c, u32 state, u32 dir, const struct owner *who)
{
	struct event e;
	bool wanted;

	if (!c)
		return 0;
	e = c->tx;
	e.dir = dir;
	wanted = set_socket_owner(&e, who);
	set_default_owner(&c->tx, &e, wanted);
	set_default_owner(&c->rx, &e, wanted);
	if (state == STATE_FOUND || state == STATE_OPEN)
		c->reported |= conn_wanted(&e) && wanted;
	if (!c->reported)
		return 0;
	e.kind = KIND_SOCKET;
	__builtin_memset(&e.socket, 0, sizeof(e.socket));
	e.socket.state = state;
	e.socket.time = bpf_ktime_get_ns();
	e.socket.next[DIR_TX] = c->next;
	e.socket.hidden[DIR_TX] = c->tx.rec.hidden;
	e.socket.hidden[DIR_RX] = c->rx.rec.hidden;
	e.socket.gen[DIR_TX] = c->tx.gen;
	e.socket.gen[DIR_RX] = c->rx.gen;
	e.socket.mode[DIR_TX] = c->keyed[DIR_TX] ? TLS_SW : 0;
	e.socket.mode[DIR_RX] = c->keyed[DIR_RX] ? TLS_SW : 0;
	emit(&e);
	return 0;
}

enum discovery {
	FOUND_BY_CALLER, /* the current task is the owner of the new connection */
	FOUND_IN_SOFTIRQ, /* softirq: the current task is arbitrary */
};

/*
 * The connection of a record, created here if the inventory did not find it. taken: 1 if
 * the reported record has left the receive queue. Only hooks that report records pass
 * full, and count one as lost if there is no room.
 */
static __always_inline struct dtls_conn *dtls_get(u64 ks, enum discovery who, u32 taken, bool *full)
{
	struct dtls_conn *c = dtls_find(ks);
	struct owner nobody = {};

	if (c || !live)
		return c;
	c = dtls_new(ks, full);
	if (!c)
		return 0;
	c->queued -= taken;
	dtls_report(c, STATE_FOUND, 0, who == FOUND_IN_SOFTIRQ ? &nobody : 0);
	return c;
}

#endif
