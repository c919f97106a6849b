/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the programs report to user space. Go uses these structs as they are (pkg/loader/internal/wire). */
#ifndef KTLS_EVENT_H
#define KTLS_EVENT_H

#include "ktls_kernel.h"

enum kind { KIND_RECORD = 1, KIND_SOCKET = 2, KIND_ERROR = 3, KIND_OPENED = 4, KIND_HELD = 5, KIND_CARD = 6, KIND_DROP = 7 };
enum type { TYPE_ALERT = 21, TYPE_HANDSHAKE = 22, TYPE_DATA = 23 };
enum proto { PROTO_TLS = 1, PROTO_DTLS };
enum dir { DIR_TX = 0, DIR_RX = 1 };
enum op { OP_NONE, OP_SEND, OP_SENDFILE, OP_SPLICE, OP_RECV, OP_SPLICE_READ, OP_READ_SOCK, OP_URING_SEND, OP_URING_RECV };
enum state { STATE_FOUND = 1, STATE_OPEN, STATE_REKEY, STATE_CLOSE, STATE_AWAITS_KEY };
enum ending { ENDED_LOCAL = 1, ENDED_FIN, ENDED_RESET, ENDED_ERROR, ENDED_TIMEOUT };
enum notified { NOTIFIED_NOT_KNOWN, NOTIFIED_NO, NOTIFIED_YES };
enum func {
	FUNC_RX_ONE_RECORD = 1, FUNC_ERR_ABORT, FUNC_DECRYPT_DONE, FUNC_RECVMSG, FUNC_ENCRYPT_DONE, FUNC_STRP_ABORT_STRP,
	FUNC_SENDMSG, FUNC_WAIT_MEMORY, FUNC_SPLICE_READ, FUNC_SETSOCKOPT, FUNC_GETSOCKOPT, FUNC_SET_ULP,
	FUNC_DEVICE_SENDMSG,
};

enum flag {
	FLAG_ZEROCOPY = 1, /* the plaintext was never in a kernel buffer of its own */
	FLAG_RETURN_LATER = 2, /* rx: the call that opened it continued and opened another */
	FLAG_KTHREAD = 4,
	FLAG_PAYLOAD = 8, /* the payload ring has a struct payload of this record */
	FLAG_ASYNC = 16,
	FLAG_HIDDEN = 32, /* excluded by the filters: never leaves the kernel */
	FLAG_CONTROL = 64, /* ctl is valid */
	FLAG_PUSHED = 128, /* tx: TCP has it, since an unknown time */
};

/* Of a handshake record: its first message began in an earlier record, its last continues in a later one. */
enum message_bit { MESSAGE_CONTINUED = 1, MESSAGE_UNFINISHED = 2 };
#define MESSAGES 8 /* size of ctl in struct record */

/* Added to the kernel's receiving mode. */
enum mode_bit { MODE_NO_PAD = 128 /* TLS_RX_EXPECT_NO_PAD is set */ };

/* How much of a received record a network card had opened when it reached the kernel. */
enum card { CARD_NOT_ASKED, CARD_ALL, CARD_PART, CARD_NONE };

/* Causes of loss. Each has two indexes in the map "lost", one per direction. */
enum lost {
	LOST_RING_FULL,
	LOST_PAYLOAD_RING_FULL,
	LOST_PAYLOAD_UNREADABLE,
	LOST_CONN_MAP_FULL,
	LOST_PENDING_MAP_FULL,
	LOST_STATS_MAP_FULL,
	LOST_RING_FULL_EVENTS,
	LOST_SKIPPED,
	LOST_SLOW_LIMIT,
	LOST_MAX,
};

/* Times are bpf_ktime_get_ns(); 0 is unknown. */

#define MANY_RECORDS 0xffff

/* KIND_RECORD; also KIND_OPENED: asynchronous crypto has opened the record of conn, gen and seq. */
struct record {
	/*
	 * tx: first byte, sealing begins, sealed, handed to TCP. rx: complete in the
	 * queue, opening begins, opened, and the call returned or continued with the next
	 * record.
	 */
	u64 stamp[4];
	u64 seq;
	u64 hidden; /* records of this direction that the filters or sampling left out since the trace knows the connection */
	u64 start;  /* the first sequence under this key that the trace can have seen */
	/*
	 * Alert: level and description. Handshake: the types of the first messages that
	 * have a part in the record. Received data: a u64, when the call that returned
	 * with it started to open its first record.
	 */
	u8 ctl[8];
	u32 len;
	u32 skipped; /* records that sampling left out and that this record represents */
	u16 weight;  /* how many records its stages represent, see stage_weight */
	u16 call_records; /* rx: records that the call has opened so far, this one included, up to MANY_RECORDS */
	u16 hits;    /* bits of the expression's plaintext tests that matched */
	u8 matched;  /* the --match expression matched; 0: user space has to evaluate it */
	u8 op;
	u8 sampled;   /* chosen by sampling */
	u8 unsent;   /* tx: it was sealed, and freed before TCP had all of it */
	u16 err;     /* with unsent: the positive errno of the connection, 0: it was closed first */
	u8 messages; /* number of messages, up to 255; 0: only the first is known */
	u8 message_bits; /* enum message_bit */
	u8 card;     /* rx: enum card */
	u8 pad;
};

/* KIND_SOCKET. Arrays hold both directions, tx first. */
struct about_socket {
	u64 time;
	u64 awaited;    /* since when reads have waited for a new key; 1: since before the trace, 0: they do not wait */
	u64 next[2];    /* next sequences */
	u64 hidden[2];
	u32 gen[2];
	u32 skipped[2]; /* records that sampling left out and that no record represents */
	u32 blocked;    /* send calls that failed for lack of buffer space (EAGAIN) */
	u32 open;       /* bytes of an open record that the close dropped */
	u32 cut;        /* bytes of a received record whose rest never arrived */
	u8 mode[2];     /* 0: no key */
	u8 state;
	u8 ended;       /* enum ending */
	u8 notified[2]; /* enum notified: close_notify sent, received */
	u8 driver[2];   /* 1 + index in "drivers" of the crypto driver, 0: unknown */
	u32 probed;     /* reads that failed for lack of room for the record type, before the program read the record */
};

/* KIND_HELD: data that a connection holds back. Reported before a connection is found, and on request. */
struct held {
	u64 time;
	u64 open_since; /* first byte of the open record, 0: unknown */
	u64 quiet;      /* nanoseconds since the last data arrived, 0: unknown */
	u64 awaited;    /* see struct about_socket */
	u64 unread_bytes;
	u32 unread;     /* records opened and not completely read; the program may have peeked at them */
	u32 open;       /* bytes of the open record */
	u32 incomplete; /* bytes of a received record whose rest has not arrived */
	u32 whole;      /* its length on the wire, header and tag included; 0: unknown */
};

/* KIND_CARD: the state of a connection that was offloaded to a network card. */
struct about_card {
	u64 time;
	u64 next[2];    /* next sequences */
	u64 resyncs[2]; /* tx: requested by the card; rx: sent to the card */
	u64 fallback;   /* packets that the kernel sealed in software */
	u32 gen[2];
	u8 mode[2];     /* how the last record was sealed and opened; 0: no key */
	u8 gone;        /* the card was removed, and the kernel seals and opens in software */
	u8 pad[5];
};

/* KIND_ERROR */
struct failure {
	u64 time;
	u64 seq;
	u32 err; /* positive */
	u8 func;
	u8 owner; /* no call is responsible: the process is the last caller, or the one that opened the connection */
	u16 option; /* the option of setsockopt and getsockopt */
	u32 more; /* further calls that failed in the same way since the last report */
	u32 pad;
};

/* KIND_DROP: a DTLS record arrived that nobody will read. */
struct drop {
	u64 time;
	u64 seq;
	u32 count;    /* dropped records of this reason since the last report, this one included */
	u32 len;
	u8 reason;    /* enum afktls_drop_reason of kmod/af_ktls/hooks.h */
	u8 pad[3];
};

#define EVENT_VERSION 1

/* What user space gets: the connection and process, and a part for each kind. */
struct event {
	u8 layout; /* EVENT_VERSION */
	u8 kind, proto, dir;
	u8 type, mode, family, flags;
	u64 conn;
	u64 cookie;
	u64 cgroup;
	u32 pid, tid, uid, netns;
	/* At multiples of 8, so that the compiler copies whole words. */
	u8 laddr[16], raddr[16];
	u8 comm[16];
	u16 version, cipher;
	u16 lport, rport;
	u32 gen;   /* key generation of the direction */
	u16 epoch; /* DTLS epoch */
	/*
	 * DTLS: bytes of the UDP payload that carries the record. TLS: 1 + index in
	 * "users" of the kernel subsystem that uses the socket, 0: unknown.
	 */
	u16 datagram_or_user;
	union {
		struct record rec;
		struct about_socket socket;
		struct failure failure;
		struct held held;
		struct drop drop;
		struct about_card card;
	};
};
_Static_assert(sizeof(struct event) == 200, "pkg/loader/internal/wire knows this size");
_Static_assert(__builtin_offsetof(struct event, rec.ctl) % 8 == 0, "set_call writes a whole word");
_Static_assert(__builtin_offsetof(struct event, laddr) % 8 == 0 && __builtin_offsetof(struct event, comm) % 8 == 0, "copied by words");

static __always_inline void copy_owner(struct event *e, const struct event *who)
{
	e->pid = who->pid;
	e->tid = who->tid;
	e->uid = who->uid;
	e->cgroup = who->cgroup;
	__builtin_memcpy(e->comm, who->comm, sizeof(e->comm));
	e->flags = who->flags & (FLAG_KTHREAD | FLAG_HIDDEN);
}

/*
 * Until a call makes a record, the task that opened the connection stands in for its
 * caller. If several tasks have the socket, one that the filters want takes precedence.
 */
static __always_inline void set_default_owner(struct event *e, const struct event *who, bool wanted)
{
	if (e->kind || (e->pid && !(wanted && e->flags & FLAG_HIDDEN)))
		return;
	copy_owner(e, who);
	e->flags = (who->flags & FLAG_KTHREAD) | (wanted ? 0 : FLAG_HIDDEN);
}

/*
 * seq is the first sequence under a new key. Until a record is made under it, the event has
 * the sequence before: user space derives the connection's next one from it.
 */
static __always_inline void begin_key(struct event *e, u64 seq)
{
	e->rec.start = seq;
	e->rec.seq = seq - 1;
}

/* The plaintext of one record. Its event follows, with FLAG_PAYLOAD. */
struct payload {
	u64 conn;
	u64 seq;
	u64 begun; /* stamp[1] of the event, because a record can be tried more than once */
	u32 gen;
	u32 len;
	u64 dir; /* 64 bits, so that one store leaves no padding */
	u8 data[];
};
_Static_assert(sizeof(struct payload) == 40, "pkg/loader/internal/wire knows this size");

#endif
