/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The state of a connection, and where it lies. */
#ifndef KTLS_CONN_H
#define KTLS_CONN_H

#include "ktls_filter.h"
#include "ktls_payload.h"
#include "ktls_sample.h"
#include "ktls_stats.h"

enum { SEND_MORE = 1 /* the last one may have left an open record */, SEND_BROKEN = 2 /* the connection has failed */ };
enum tx_state { TX_IDLE, TX_SEALING };
/* A network card was given the direction's key, whether it has gone since or not. */
enum card_bit { CARD_TX = 1, CARD_RX = 2, CARD_GONE = 4 };
enum rx_state { RX_IDLE, RX_OPENING, RX_OPENED };
#define RX_STATE 3  /* of rx_state: the state; the rest is a ticket, new with each record */
#define RX_TICKET 4

/*
 * Failures of one kind: the first is told at once, those after it once a second, as their
 * number, with what is known of the last of them.
 */
struct limiter {
	u64 reported_at;
	u64 seq, cgroup;
	u64 comm[2];
	u32 pid, tid, uid, more;
	u16 err;
	u8 func, type, flags, pad[3];
};
#define LIMITERS 4

/*
 * Where a direction is in its handshake messages, which are told by their headers: a
 * message goes on over records, and a record can have several (RFC 8446 section 5.1).
 */
struct messages {
	u64 next;   /* the sequence behind the last handshake record */
	u64 uncertain; /* a record whose predecessor was not seen: a message may go on in it */
	u32 left;   /* bytes of the present message still to come, behind its header */
	u32 size;   /* its length, as far as its header has come */
	u8 header_bytes;    /* bytes of its header that have come */
	u8 type;
	u8 unknown; /* where the present message began was not seen */
	u8 pad[5];
};

/*
 * One connection. tx and rx are events in the making: what does not change
 * from record to record is filled in once, when the connection is met.
 */
struct conn {
	struct event tx;
	u64 tx_rec;   /* the tls_rec of tx: with it a struct waiting; where a card seals, the pieces of the record */
	struct event rx;
	u64 claim;    /* in "hot": the struct sock that has this place, 0 where it is free */
	u64 sk;       /* struct sock, once the rest is there; see conn_publish */
	u64 alive;    /* its id, until a hook ends it; see conn_retire */
	u64 ctx;      /* struct tls_context */
	u64 priv_tx;  /* struct tls_sw_context_tx */
	u64 priv_rx;  /* struct tls_sw_context_rx */
	u64 seq_tx, seq_rx; /* addresses of the record sequences */
	u64 open_ts;  /* first byte of the record that a call has left open */
	u64 next_ts;  /* first byte of the next record that the present send call makes */
	u64 push_rec; /* the tls_rec that is being handed to TCP */
	u64 freed;    /* what sk_msg_free was called for last, as if it were a tls_rec's plaintext */
	u64 reported_seq;
	u64 partial_rec; /* the tls_rec of which TCP has got only a part, and never will the rest */
	u64 next[2];  /* the sequence that is due: behind the last record that was begun (tx) or opened (rx) */
	u64 rx_call;  /* the task that has opened rx: its process above its thread */
	u64 call_begun; /* when that call took up its first record */
	u64 ready_ts; /* a whole record is in the receive queue */
	u64 old_key_next; /* the sequence of the first of "old" */
	u64 end_seq[2]; /* the next sequences, once the connection is closing */
	struct source src[2]; /* the plaintext of tx and rx */
	struct caller caller[2]; /* whom tx and rx name */
	u32 head, tail; /* of its records in "pending" */
	u32 old_key_pending;      /* sealed under the key before, and waiting for TCP: --stages off */
	u32 rx_state; /* changed by compare and swap: a call's return is seen without the lock */
	u8 send_state;     /* what the next send call has to look at: SEND_MORE, SEND_BROKEN */
	u8 tx_state, rx_failed, closing;
	u8 reported;      /* user space knows of it */
	u8 typed;     /* a send call has said of which type its records are */
	u8 tx_failed; /* the failure has been told */
	u8 counted_dirs;    /* directions that the inventory has counted: 1 << dir, below the look that did, see count_socket */
	u8 excluded;  /* the filters want no record of it, whoever makes the call: the hooks pass it by */
	u16 tx_err;   /* what sending has failed with */
	u16 reported_err; /* the same, where it has been told of the record reported_seq */
	u8 key_reported[2]; /* this direction's key is told, or would be if the filters wanted it */
	struct sampler sampler[2]; /* of tx and rx */
	u32 nth[2];   /* of tx and rx, see stage_weight */
	u32 cut;      /* see struct about_socket, as are those up to blocked */
	u8 ended, reset, notified[2];
	u32 blocked;  /* send calls that the kernel had no room for (EAGAIN) */
	u32 probed;
	bool probes;  /* reads have been refused for want of room for a record's type */
	u32 open_bytes; /* of the record that was open when the connection closed */
	u64 awaited;  /* see struct about_socket */
	u64 unread_at, unread_bytes; /* of the walk along its rx_list */
	struct limiter failures[LIMITERS];
	struct messages messages[2], messages_before; /* the latter: of the last handshake record sent */
	u8 card;      /* enum card_bit */
	u8 rx_card;   /* what a network card had opened of the record card_seq */
	u8 prepend, overhead; /* bytes before the plaintext of a record sent, and in all beside it */
	u8 card_changed; /* something of struct about_card has changed since it was told, at card_reported_at */
	u64 card_seq, card_reported_at;
	u64 resyncs[2], fallback; /* see struct about_card */
};

#define NO_SEQ ~0ULL

/* A key begins, or the trace does; unsure: NO_SEQ where nothing stands before the first record. */
static __always_inline void begin_messages(struct conn *c, u32 dir, u64 uncertain)
{
	struct messages *m = &c->messages[dir & 1];

	m->next = NO_SEQ;
	m->uncertain = uncertain;
}

/*
 * Each hook looks its connection up, and a look into a variable costs a twentieth of
 * one into a hash. The socket's address names a connection's place in "hot"; one
 * whose place is taken lives in "conns" instead. It stays where it is to its end.
 */
struct conn hot[1 << HOT_BITS];

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, u64); /* struct sock */
	__type(value, struct conn);
} conns SEC(".maps");

static __always_inline bool is_tls(const struct sock *sk)
{
	const struct inet_connection_sock *icsk = (void *)sk;
	const struct tcp_ulp_ops *ops;
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	char name[4] = {};

	if ((family != AF_INET && family != AF_INET6) ||
	    BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return false;
	ops = BPF_CORE_READ(icsk, icsk_ulp_ops);
	if (!ops || !BPF_CORE_READ(icsk, icsk_ulp_data))
		return false;
	bpf_core_read(name, sizeof(name), &ops->name);
	return name[0] == 't' && name[1] == 'l' && name[2] == 's' && !name[3];
}

/* Whether the parser has found a whole record in the receive queue, and nobody has read it. */
static __always_inline bool has_record(const struct conn *c)
{
	return (u8)read_word(c->priv_rx + bpf_core_field_offset(struct tls_sw_context_rx, strp.msg_ready));
}

/* Whether behind the record that is being opened other bytes are there: of the next one, which was sealed before. */
static __always_inline bool more_behind(const struct conn *c, u64 sk)
{
	u32 available = (u32)read_word(sk + bpf_core_field_offset(struct tcp_sock, rcv_nxt)) -
		    (u32)read_word(sk + bpf_core_field_offset(struct tcp_sock, copied_seq));

	return available > (u32)read_word(c->priv_rx + bpf_core_field_offset(struct tls_sw_context_rx, strp.stm.full_len));
}

static __always_inline u32 hot_index(u64 sk)
{
	u32 key; /* half of a pointer is a number, with which the verifier lets us reckon */

	asm volatile("%0 = %1" : "=w"(key) : "w"((u32)sk));
	return key * 0x9e3779b1U >> (32 - HOT_BITS); /* Fibonacci hashing */
}

static __always_inline struct conn *hot_place(u64 sk) { return &hot[hot_index(sk)]; }

/*
 * A hook on another processor may look for a connection while it is made: it finds
 * one only when it is whole. An exchange is a full barrier, in each kernel that has
 * one, on each machine; the reader's side is ordered by the address that it gets (after).
 */
static __always_inline void conn_publish(struct conn *c, u64 sk) { __sync_lock_test_and_set(&c->sk, sk); }

/* What is known of a socket, though nothing may be traced right now. */
static __always_inline struct conn *conn_at(u64 sk)
{
	struct conn *c = hot_place(sk);
	u64 has = c->sk, order = order_of(has);

	if (has == sk)
		return after(order, c);
	c = bpf_map_lookup_elem(&conns, &sk);
	if (!c)
		return 0;
	has = c->sk;
	order = order_of(has);
	return has == sk ? after(order, c) : 0;
}

/* The connection of a socket, whether the filters want it or not. */
static __always_inline struct conn *conn_find(u64 sk) { return live ? conn_at(sk) : 0; }

static __always_inline struct conn *if_included(struct conn *c)
{
	return c && !c->excluded ? c : 0;
}

/* Whether anything is traced is asked last: most hooks of a connection that is not wanted end before it. */
static __always_inline struct conn *conn_lookup(u64 sk)
{
	struct conn *c = if_included(conn_at(sk));

	return c && live ? c : 0;
}

#endif
