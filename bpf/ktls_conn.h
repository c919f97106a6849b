/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Connections, counters and rings: what the hooks share. */
#ifndef KTLS_CONN_H
#define KTLS_CONN_H

#include "ktls_kernel.h"
#include "ktls_event.h"
#include "ktls_payload.h"
#include "ktls_match.h"
#include "ktls_sample.h"
#include "ktls_stats.h"
#include "ktls_filter.h"

/* Set by the loader before the programs are loaded. */
const volatile u32 snaplen = 0;
const volatile u32 tx_type_arg = 3;   /* index of bpf_exec_tx_verdict's record_type */
const volatile u32 set_tx_arg = 1;    /* index of tls_set_sw_offload's tx */
const volatile u32 set_update_arg = 0;/* index of its new_crypto_info; 0: this kernel has no rekey */
const volatile u32 done_is_req = 0;   /* tls_encrypt_done and tls_decrypt_done get a crypto_async_request, not its data */
const volatile u32 recvmsg_args = 4;
const volatile s32 nr_sendfile = 40, nr_splice = 275;
const volatile u32 verdict_twin = 0;  /* verdict_enter is attached twice */
const volatile u32 preempts = 0;      /* the kernel preempts its own code, see TWIN */
const volatile u32 wake_mark = 1 << 16;/* bytes in the ring that wake the reader */
const volatile u32 data_mark = 7 << 16;/* bytes in the ring that leave no room for data records */


struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} payloads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * LOST_MAX);
	__type(key, u32);
	__type(value, u64);
} lost SEC(".maps");

enum tx_state { TX_IDLE, TX_SEALING };
enum rx_state { RX_IDLE, RX_OPENING, RX_OPENED };
#define RX_STATE 3  /* of rx_state: the state; the rest is a ticket, new with each record */
#define RX_TICKET 4

/*
 * One connection. tx and rx are events in the making: what does not change
 * from record to record is filled in once, when the connection is met.
 */
struct conn {
	struct event tx;
	u64 tx_rec;   /* the tls_rec of tx: with it a struct waiting */
	struct event rx;
	u64 claim;    /* in "hot": the struct sock that has this place, 0 where it is free */
	u64 sk;       /* struct sock, once the rest is there; see conn_publish */
	u64 ctx;      /* struct tls_context */
	u64 priv_tx;  /* struct tls_sw_context_tx */
	u64 priv_rx;  /* struct tls_sw_context_rx */
	u64 seq_tx, seq_rx; /* addresses of the record sequences */
	u64 open_ts;  /* first byte of the record that a call has left open */
	u64 next_ts;  /* first byte of the next record that the present send call makes */
	u32 call_tid, pad; /* whose call that is */
	u64 push_rec; /* the tls_rec that is being handed to TCP */
	u64 next[2];  /* the sequence that is due: behind the last record that was begun (tx) or opened (rx) */
	u64 ready_ts; /* a whole record is in the receive queue */
	u64 end_seq[2]; /* the next sequences, once the connection is closing */
	struct source src[2]; /* the plaintext of tx and rx */
	struct maker maker[2]; /* whom tx and rx name */
	u32 head, tail; /* of its records in "pending" */
	u32 rx_state; /* changed by compare and swap: a call's return is seen without the lock */
	u8 more;      /* the last send call may have left an open record */
	u8 tx_state, rx_failed, closing;
	u8 keyed[2];  /* this direction has had a key */
	u8 rx_hidden; /* the present reader's records are filtered out */
	u8 told;      /* user space knows of it */
	u8 tx_failed; /* the failure has been told */
	u8 rx_late;   /* the call that opened rx has opened others, which wait for its return in "late" */
	u8 unwanted;  /* the filters want no record of it, whoever makes the call: the hooks pass it by */
	u8 key_told[2]; /* this direction's key is told, or would be if the filters wanted it */
	struct sampled sampled[2]; /* of tx and rx */
	u32 nth[2];   /* of tx and rx, see stage_weight */
};

/*
 * Send calls that are under way: many threads can be in one on a socket, and only
 * one of them has its lock. A call lies where its thread's number says; who finds
 * that of another there does not know when its record began.
 */
struct sending {
	u64 begun; /* first byte of the first record that it makes; 0 once that is sealed */
	u64 conn;
	u32 tid, pad;
};

#define SENDING_BITS 14

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << SENDING_BITS);
	__type(key, u32);
	__type(value, struct sending);
} sending SEC(".maps");

/*
 * Each hook looks its connection up, and a look into an array costs a tenth of
 * one into a hash. The socket's address names a connection's place in "hot"; one
 * whose place is taken lives in "conns" instead. It stays where it is to its end.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << HOT_BITS);
	__type(key, u32);
	__type(value, struct conn);
} hot SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, u64); /* struct sock */
	__type(value, struct conn);
} conns SEC(".maps");

/*
 * Records that are sealed and wait for TCP, while others have begun. TCP takes them
 * in their order: those of a connection are numbered from head to tail. A number
 * without an entry found no room.
 */
struct pending_key { u64 conn, number; };

struct waiting {
	struct event e;
	u64 rec; /* its tls_rec */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct pending_key);
	__type(value, struct waiting);
} pending SEC(".maps");

/*
 * For tls_decrypt_done, which runs beside everything else. One for each
 * processor is enough: the kernel does not run a program twice at a time there.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct source);
} async_source SEC(".maps");

/* A connection too big for the stack starts as a copy of this. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct conn);
} blank SEC(".maps");

u64 next_conn = 1;

/* slot is 1 + the place in "hot", or 0. */
static __always_inline u64 new_conn_id(u32 slot)
{
	return __sync_fetch_and_add(&next_conn, 1) << SLOT_BITS | slot;
}

/*
 * Attaching and detaching take a while, hook by hook. Nothing is traced before
 * all are there, nor after the first may have gone.
 */
volatile u32 live = 0;

/*
 * A kernel that preempts its own code can take a task off the processor in the
 * middle of a program, and then skips that program for every other task there
 * (prog->active). No event is made up for a hook that was skipped: the hook behind
 * it tells of the record without what only the first one could see, and where all
 * were skipped, the sequence of the next record shows the hole (count_skipped).
 * Nothing stands behind the return of tls_rx_one_record, without which a record's
 * type and length are not known, nor, where plaintext is wanted, behind the begin of
 * its sealing. So these programs are attached twice: called again they find nothing
 * to do, and both are skipped only if two tasks are in them.
 */
#define HOOK(section, name, handler) SEC(section) int name(u64 *ctx) { return handler(ctx); }
#define TWIN(section, name, handler)                                   \
	SEC(section) int name(u64 *ctx) { return handler(ctx); }       \
	SEC(section) int name##_twin(u64 *ctx) { return handler(ctx); }

static __always_inline u32 lost_as(enum lost cause, u32 dir) { return 2 * cause + (dir & 1); }

/* place is what lost_as says. */
static __always_inline void add_lost(u32 place, u64 more)
{
	u64 *n = bpf_map_lookup_elem(&lost, &place);

	if (n)
		*n += more;
}

static __always_inline void count_lost(enum lost cause, u32 dir) { add_lost(lost_as(cause, dir), 1); }

/* A record that finds no room is a loss of its own, unless the sums have it. Other events are not records. */
static __always_inline u32 ring_loss(const struct event *e)
{
	return lost_as(e->kind == KIND_RECORD && !aggregate ? LOST_RING_FULL : LOST_RING_FULL_EVENTS, e->dir);
}

static __always_inline u64 ring_used(void)
{
	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);
}

static __always_inline u64 wakeup(u64 used)
{
	return used >= wake_mark ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/* The last of the room is for what is rare: control records, errors, opens and closes. */
static __always_inline bool has_room(const struct event *e, u64 used)
{
	return used < data_mark || (e->kind != KIND_OPENED && (e->kind != KIND_RECORD || e->type != TYPE_DATA));
}

static __always_inline bool emit(struct event *e)
{
	u64 used = ring_used();
	struct event *place = 0;

	if (has_room(e, used))
		place = bpf_ringbuf_reserve(&events, sizeof(*place), 0);
	if (!place) {
		add_lost(ring_loss(e), 1);
		return false;
	}
	*place = *e;
	bpf_ringbuf_submit(place, wakeup(used));
	return true;
}

static __always_inline bool is_hidden(struct event *e)
{
	return (e->flags & FLAG_HIDDEN) || !match_record(e);
}

/* Dashboard mode: add a record up. True if it is to be an event as well. */
static __always_inline bool counted(struct event *e)
{
	if (!add_record(e))
		count_lost(LOST_STATS_MAP_FULL, e->dir);
	if (!has_stages(e))
		e->stamp[1] = e->stamp[2] = 0;
	if (e->conn == stream_conn)
		return true;
	/* The record that would bring the return may stay in the kernel. */
	e->flags &= ~FLAG_RETURN_LATER;
	return e->type != TYPE_DATA;
}

/* Report a record, or count it as kept back by the filters or left out by sampling. */
static __always_inline void emit_record(struct event *e, u64 *hidden, struct sampled *s)
{
	if (is_hidden(e)) {
		__sync_fetch_and_add(hidden, 1);
		return;
	}
	if (left_out(e, s)) {
		__sync_fetch_and_add(hidden, 1);
		skip(s);
		return;
	}
	if (aggregate && !counted(e))
		return;
	e->hidden = *hidden;
	stand_for(e, s);
	if (!emit(e))
		give_back(e, s);
}

static __always_inline void set_addresses(struct event *e, const struct sock *sk)
{
	e->cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	e->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	e->lport = BPF_CORE_READ(sk, __sk_common.skc_num);
	e->rport = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	e->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (e->family == AF_INET) {
		bpf_core_read(e->laddr, 4, &sk->__sk_common.skc_rcv_saddr);
		bpf_core_read(e->raddr, 4, &sk->__sk_common.skc_daddr);
	} else {
		bpf_core_read(e->laddr, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_core_read(e->raddr, 16, &sk->__sk_common.skc_v6_daddr);
	}
}

/* TLS_RX_EXPECT_NO_PAD, which has no effect but in TLS 1.3, is set after the keys, at any time: see option_set. */
static __always_inline void set_no_pad(struct conn *c)
{
	const struct tls_context *ctx = (void *)c->ctx;

	c->rx.mode &= ~MODE_NO_PAD;
	if (c->rx.version == TLS_1_3 && bpf_core_field_exists(ctx->rx_no_pad) && BPF_CORE_READ_BITFIELD_PROBED(ctx, rx_no_pad))
		c->rx.mode |= MODE_NO_PAD;
}

/* What a key change can change. */
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

static __always_inline u32 hot_index(u64 sk)
{
	u32 key = sk; /* half of a pointer is a number, with which the verifier lets us reckon */

	asm volatile("" : "+w"(key));
	return key * 0x9e3779b1U >> (32 - HOT_BITS); /* Fibonacci hashing */
}

static __always_inline struct conn *hot_place(u64 sk)
{
	u32 key = hot_index(sk);

	return bpf_map_lookup_elem(&hot, &key);
}

/*
 * A hook on another processor may look for a connection while it is made: it finds
 * one only when it is whole. An exchange is a full barrier, in each kernel that has
 * one, on each machine; the reader's side is ordered by the address that it gets.
 */
static __always_inline void conn_publish(struct conn *c, u64 sk) { __sync_lock_test_and_set(&c->sk, sk); }

/* The connection of a socket, whether the filters want it or not. */
static __always_inline struct conn *conn_find(u64 sk)
{
	struct conn *c;

	if (!live)
		return 0;
	c = hot_place(sk);
	if (c && c->sk == sk)
		return c;
	c = bpf_map_lookup_elem(&conns, &sk);
	return c && c->sk == sk ? c : 0;
}

static __always_inline struct conn *if_wanted(struct conn *c)
{
	return c && !c->unwanted ? c : 0;
}

static __always_inline struct conn *conn_lookup(u64 sk)
{
	return if_wanted(conn_find(sk));
}

/* Make room for a connection, for who comes first. others: somebody else is at it, or has done it. */
static __always_inline struct conn *conn_place(u64 sk, bool *others)
{
	struct conn *place = hot_place(sk), *c;
	u32 zero = 0;
	long err;

	if (place && !__sync_val_compare_and_swap(&place->claim, 0, sk))
		return place;
	*others = place && place->claim == sk;
	c = bpf_map_lookup_elem(&blank, &zero);
	if (*others || !c)
		return 0;
	err = bpf_map_update_elem(&conns, &sk, c, BPF_NOEXIST);
	*others = err == -EEXIST;
	return err ? 0 : bpf_map_lookup_elem(&conns, &sk);
}

static __always_inline void conn_delete(u64 sk)
{
	struct conn *c = hot_place(sk);

	if (!c || c->sk != sk) {
		bpf_map_delete_elem(&conns, &sk);
		return;
	}
	/* Blank for the next one, before that can take the place. */
	conn_publish(c, 0);
	__builtin_memset(c, 0, offsetof(struct conn, claim));
	__builtin_memset((void *)c + offsetof(struct conn, ctx), 0, sizeof(*c) - offsetof(struct conn, ctx));
	__sync_lock_test_and_set(&c->claim, 0);
}

/* 0 where there is no room, and where another hook is making it right now: to this one it is not there yet. */
static __always_inline struct conn *conn_new(u64 sk, struct tls_context *ctx, bool *others)
{
	struct conn *c;

	if (!ctx || !live)
		return 0;
	c = conn_place(sk, others);
	if (!c)
		return *others ? conn_find(sk) : 0;
	c->ctx = (u64)ctx;
	set_addresses(&c->tx, (void *)sk);
	c->tx.conn = new_conn_id(c->claim ? hot_index(sk) + 1 : 0);
	c->rx = c->tx;
	c->rx.dir = DIR_RX;
	set_keys(c);
	c->tx.start = c->next[DIR_TX] = read_seq(c->seq_tx);
	c->rx.start = c->next[DIR_RX] = read_seq(c->seq_rx);
	c->unwanted = !conn_wanted(&c->tx);
	conn_publish(c, sk);
	return c;
}

/*
 * Tell user space of a connection. Its end and its rekeys follow if its begin was
 * told. A global function: the verifier looks at it once, not at each call.
 */
__noinline int emit_socket(struct conn *c, u32 state, u32 dir, struct event *who)
{
	bool cgroup_wanted;
	struct event e;

	if (!c)
		return 0;
	e = c->tx;
	e.kind = KIND_SOCKET;
	e.state = state;
	e.dir = dir;
	e.gen = c->tx.gen | c->rx.gen << 16;
	e.stamp[0] = c->closing ? c->end_seq[DIR_TX] : read_seq(c->seq_tx);
	e.stamp[1] = c->closing ? c->end_seq[DIR_RX] : read_seq(c->seq_rx);
	e.stamp[2] = c->tx.hidden;
	e.stamp[3] = c->rx.hidden;
	e.seq = bpf_ktime_get_ns();
	e.mode_tx = c->keyed[DIR_TX] ? c->tx.mode : 0;
	e.mode_rx = c->keyed[DIR_RX] ? c->rx.mode : 0;
	e.flags = 0;
	e.skipped = c->sampled[DIR_TX].skipped;
	e.len = c->sampled[DIR_RX].skipped;
	if (who) {
		e.pid = who->pid;
		e.tid = who->tid;
		e.uid = who->uid;
		e.cgroup = who->cgroup;
		__builtin_memcpy(e.comm, who->comm, sizeof(e.comm));
		cgroup_wanted = !want_cgroup || who->cgroup == want_cgroup;
	} else {
		set_process(&e);
		e.flags &= FLAG_KTHREAD;
		cgroup_wanted = current_cgroup_wanted();
	}
	if (state == STATE_FOUND || state == STATE_OPEN)
		c->told |= conn_wanted(&e) && process_wanted(&e) && cgroup_wanted;
	if (state == STATE_FOUND) { /* maybe before the kernel has written the modes: then not of the keys */
		c->key_told[DIR_TX] = e.mode_tx != 0;
		c->key_told[DIR_RX] = e.mode_rx != 0;
	} else if (state != STATE_CLOSE) {
		c->key_told[dir & 1] = 1;
	}
	if (c->told)
		emit(&e);
	return 0;
}

/*
 * One direction of a socket that found no room. The kernel's sequence moves with
 * each record, whichever hooks and copies of them see it; those that idle longest
 * are forgotten.
 */
struct unmet {
	u64 cookie; /* 0, or it tells the socket from a later one at its address */
	u64 next;   /* records below are counted */
	u64 hidden; /* the filters do not want the record that was begun last */
};

struct unmet_key { u64 sk, dir; };

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct unmet_key);
	__type(value, struct unmet);
} unmet SEC(".maps");

static __always_inline bool hides(u64 sk, u32 dir)
{
	struct event e = {};

	set_addresses(&e, (void *)sk);
	e.dir = dir;
	set_process(&e);
	return e.flags & FLAG_HIDDEN;
}

/* A record begins or ends whose connection found no room: count those that were sealed or opened since the last time. */
static __noinline void count_unmet(u64 sk, u32 dir, bool begins)
{
	const struct tls_context *ctx = tls_ctx_of((void *)sk);
	const struct sock *s = (void *)sk;
	struct unmet_key key = { sk, dir };
	struct unmet now = {};
	struct unmet *was;

	if (!live || !ctx || (dir == DIR_TX && BPF_CORE_READ_BITFIELD_PROBED(ctx, tx_conf) == TLS_HW))
		return;
	now.cookie = BPF_CORE_READ(s, __sk_common.skc_cookie.counter);
	now.next = read_seq(dir == DIR_TX ? seq_addr(&ctx->tx) : seq_addr(&ctx->rx));
	was = bpf_map_lookup_elem(&unmet, &key);
	if (was && was->cookie != now.cookie)
		was = 0;
	if (was && !was->hidden && now.next > was->next)
		add_lost(lost_as(LOST_CONN_MAP_FULL, dir), now.next - was->next);
	if (begins)
		now.hidden = hides(sk, dir);
	else if (was)
		now.hidden = was->hidden;
	bpf_map_update_elem(&unmet, &key, &now, BPF_ANY);
}

#define NO_RECORD 2 /* instead of a direction */

/* The connection of a socket, in which a record of dir begins. */
static __always_inline struct conn *conn_of_record(u64 sk, u32 dir)
{
	struct conn *c = conn_find(sk);
	bool others = false;

	if (c)
		return if_wanted(c);
	c = conn_new(sk, tls_ctx_of((void *)sk), &others);
	if (!c && !others && dir != NO_RECORD)
		count_unmet(sk, dir, true);
	c = if_wanted(c);
	if (c)
		emit_socket(c, STATE_FOUND, 0, 0);
	return c;
}

/* The connection of a socket; one that was open before the trace is met here. */
static __always_inline struct conn *conn_of(u64 sk) { return conn_of_record(sk, NO_RECORD); }

/* The connection of a socket, of which a record of dir is sealed or opened. */
static __always_inline struct conn *conn_of_made(u64 sk, u32 dir)
{
	struct conn *c = conn_find(sk);

	if (!c)
		count_unmet(sk, dir, false);
	return if_wanted(c);
}

#endif
