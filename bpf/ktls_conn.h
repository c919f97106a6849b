/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The state of a connection, and where it is stored. */
#ifndef KTLS_CONN_H
#define KTLS_CONN_H

#include "ktls_filter.h"
#include "ktls_payload.h"
#include "ktls_sample.h"
#include "ktls_stats.h"

enum { SEND_MORE = 1 /* the last call may have left an open record */, SEND_BROKEN = 2 /* the connection has failed */ };
enum tx_state { TX_IDLE, TX_SEALING };
/* A network card was given the direction's key, and may have been removed since. */
enum card_bit { CARD_TX = 1, CARD_RX = 2, CARD_GONE = 4 };
enum rx_state { RX_IDLE, RX_OPENING, RX_OPENED };
#define RX_STATE 3  /* of rx_state: the state. The other bits are a ticket, new for each record. */
#define RX_TICKET 4

/*
 * Rate limit for failures of one kind. The first one is reported at once; later ones once
 * a second, as a count and with the details of the last.
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
 * The position of a direction in its stream of handshake messages. A message can span
 * records, and a record can hold several messages (RFC 8446 section 5.1).
 */
struct messages {
	u64 next;   /* the sequence after the last handshake record */
	u64 uncertain; /* a record whose predecessor was not seen: it may continue a message */
	u32 left;   /* bytes of the current message still to come, without its header */
	u32 size;   /* its length, as far as its header was read */
	u8 header_bytes; /* bytes of its header read so far */
	u8 type;
	u8 unknown; /* the start of the current message was not seen */
	u8 pad[5];
};

/*
 * One connection. tx and rx are the events of the current records. The fields that are the
 * same for each record are filled in once, when the connection is created.
 */
struct conn {
	struct event tx;
	u64 tx_rec;   /* the tls_rec of tx, and with it a struct pending_record; with a card, the pieces of the record */
	struct event rx;
	u64 claim;    /* in "hot": the struct sock that owns this slot, 0 if it is free */
	u64 sk;       /* struct sock, set after everything else; see conn_publish */
	u64 alive;    /* its id, until a hook ends the connection; see conn_retire */
	u64 ctx;      /* struct tls_context */
	u64 priv_tx;  /* struct tls_sw_context_tx */
	u64 priv_rx;  /* struct tls_sw_context_rx */
	u64 seq_tx, seq_rx; /* addresses of the record sequences */
	u64 open_ts;  /* first byte of the record that a call left open */
	u64 next_ts;  /* first byte of the next record of the current send call */
	u64 push_rec; /* the tls_rec that is being pushed to TCP */
	u64 freed;    /* the tls_rec of the last call of sk_msg_free, if its argument was a plaintext */
	u64 reported_seq;
	u64 partial_rec; /* the tls_rec of which TCP has only a part and will not get the rest */
	u64 next[2];  /* the expected sequence: after the last record that began (tx) or was opened (rx) */
	u64 rx_call;  /* the task that opened rx: process id in the upper half, thread id in the lower */
	u64 call_begun; /* when that call started to open its first record */
	u64 ready_ts; /* when a complete record was in the receive queue */
	u64 old_key_next; /* the sequence of the first of old_key_pending */
	u64 end_seq[2]; /* the next sequences when the connection began to close */
	struct source src[2]; /* the plaintext of tx and rx */
	struct caller caller[2]; /* the tasks that tx and rx name */
	u32 head, tail; /* numbers of its records in "pending" */
	u32 old_key_pending; /* records under the previous key that wait for TCP; only with stages off */
	u32 rx_state; /* changed by compare-and-swap, because the return of a call is seen without the lock */
	u8 send_state; /* what the next send call has to check: SEND_MORE, SEND_BROKEN */
	u8 tx_state, rx_failed, closing;
	u8 reported;  /* user space knows the connection */
	u8 typed;     /* a send call has set a record type */
	u8 tx_failed; /* the failure was reported */
	u8 counted_dirs; /* directions that the inventory has counted (1 << dir), and above them the number of that pass, see count_socket */
	u8 excluded;  /* the filters want none of its records, whoever makes the call: the hooks skip it */
	u16 tx_err;   /* the errno with which sending failed */
	u16 reported_err; /* the same, as reported with the record reported_seq */
	u8 key_reported[2]; /* this direction's key was reported, or would have been if the filters wanted it */
	struct sampler sampler[2]; /* for tx and rx */
	u32 nth[2];   /* numbers of tx and rx, see stage_weight */
	u32 cut;      /* this and the fields up to blocked: see struct about_socket */
	u8 ended, reset, notified[2];
	u32 blocked;  /* send calls that failed for lack of buffer space (EAGAIN) */
	u32 probed;
	bool probes;  /* reads have failed for lack of room for the record type */
	u32 open_bytes; /* bytes of the record that was open at the close */
	u64 awaited;  /* see struct about_socket */
	u64 unread_at, unread_bytes; /* of the walk along its rx_list */
	struct limiter failures[LIMITERS];
	struct messages messages[2], messages_before; /* messages_before: the state before the last handshake record sent */
	u8 card;      /* enum card_bit */
	u8 rx_card;   /* how much of the record card_seq a network card opened */
	u8 prepend, overhead; /* bytes before the plaintext of a sent record, and all bytes around it */
	u8 card_changed; /* a value of struct about_card has changed since the report at card_reported_at */
	u64 card_seq, card_reported_at;
	u64 resyncs[2], fallback; /* see struct about_card */
};

#define NO_SEQ ~0ULL

/*
 * A key begins, or the trace does. uncertain is the sequence that may continue a message,
 * NO_SEQ if the stream starts here.
 */
static __always_inline void begin_messages(struct conn *c, u32 dir, u64 uncertain)
{
	struct messages *m = &c->messages[dir & 1];

	m->next = NO_SEQ;
	m->uncertain = uncertain;
}

/*
 * Each hook looks up its connection, and indexing a variable costs a twentieth of a hash
 * lookup. The socket's address selects the slot in "hot"; if that is taken, the connection
 * is stored in "conns". A connection stays where it is until it ends.
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

/* Whether the parser has a complete record in the receive queue that nobody has read. */
static __always_inline bool has_record(const struct conn *c)
{
	return (u8)read_word(c->priv_rx + bpf_core_field_offset(struct tls_sw_context_rx, strp.msg_ready));
}

/*
 * Whether more bytes are queued behind the record that is being opened. They belong to the
 * next record, which was sealed before.
 */
static __always_inline bool more_behind(const struct conn *c, u64 sk)
{
	u32 available = (u32)read_word(sk + bpf_core_field_offset(struct tcp_sock, rcv_nxt)) -
		    (u32)read_word(sk + bpf_core_field_offset(struct tcp_sock, copied_seq));

	return available > (u32)read_word(c->priv_rx + bpf_core_field_offset(struct tls_sw_context_rx, strp.stm.full_len));
}

static __always_inline u32 hot_index(u64 sk)
{
	u32 key;      /* the lower half of a pointer is a scalar, on which the verifier allows arithmetic */

	asm volatile("%0 = %1" : "=w"(key) : "w"((u32)sk));
	return key * 0x9e3779b1U >> (32 - HOT_BITS); /* Fibonacci hashing */
}

static __always_inline struct conn *hot_place(u64 sk) { return &hot[hot_index(sk)]; }

/*
 * Publish a connection: a hook on another CPU may look it up while it is created, and must
 * find it complete or not at all. An atomic exchange is a full barrier on every kernel and
 * architecture that supports it. On the reader's side, the address dependency orders the
 * accesses (after).
 */
static __always_inline void conn_publish(struct conn *c, u64 sk) { __sync_lock_test_and_set(&c->sk, sk); }

/* The connection of a socket, even while tracing is off. */
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

/* The connection of a socket, even if the filters exclude it. */
static __always_inline struct conn *conn_find(u64 sk) { return live ? conn_at(sk) : 0; }

static __always_inline struct conn *if_included(struct conn *c)
{
	return c && !c->excluded ? c : 0;
}

/*
 * The connection of a socket if the filters want it. The check of "live" comes last,
 * because most hooks on excluded connections return before it.
 */
static __always_inline struct conn *conn_lookup(u64 sk)
{
	struct conn *c = if_included(conn_at(sk));

	return c && live ? c : 0;
}

#endif
