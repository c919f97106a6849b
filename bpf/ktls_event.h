/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the programs tell user space. Go takes the structs as they are (pkg/loader/internal/wire). */
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
	FLAG_ZEROCOPY = 1, /* the plaintext never lay in a kernel buffer of its own */
	FLAG_RETURN_LATER = 2, /* rx: the call that opened it goes on, and opens another */
	FLAG_KTHREAD = 4,
	FLAG_PAYLOAD = 8, /* a struct payload of this record is in the payload ring */
	FLAG_ASYNC = 16,
	FLAG_HIDDEN = 32, /* never leaves the kernel: the filters do not want it */
	FLAG_CONTROL = 64, /* ctl is valid */
	FLAG_PUSHED = 128, /* tx: TCP has it, at an unknown time */
};

/* Of a handshake record: the first message began in one before, the last goes on in one behind. */
enum message_bit { MESSAGE_CONTINUED = 1, MESSAGE_UNFINISHED = 2 };
#define MESSAGES 8 /* of struct record's ctl */

/* Beside the kernel's number in a receiving mode. */
enum mode_bit { MODE_NO_PAD = 128 /* TLS_RX_EXPECT_NO_PAD is set */ };

/* What a network card had opened of a record received when the kernel came to it. */
enum card { CARD_NOT_ASKED, CARD_ALL, CARD_PART, CARD_NONE };

/* Causes of loss: each has two places in the map "lost", one for each direction. */
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

/* KIND_RECORD, and KIND_OPENED: asynchronous crypto has opened conn, gen and seq. */
struct record {
	/* tx: first byte, sealing begins, sealed, handed to TCP.
	 * rx: record there, taken up, opened, and the call went on to the next record or returned. */
	u64 stamp[4];
	u64 seq;
	u64 hidden; /* kept back by the filters or left out by sampling, since the trace saw the connection */
	u64 start;  /* the first sequence under this key that the trace can have seen */
	/*
	 * An alert's level and description, or the types of the first messages of which a handshake record
	 * has a part; of data received a u64: when the call that returned with it took up its first record.
	 */
	u8 ctl[8];
	u32 len;
	u32 skipped; /* left out by sampling, which this record stands for */
	u16 weight;  /* of its stages, see stage_weight */
	u16 call_records; /* rx: how many the call has opened, this one among them, at most MANY_RECORDS */
	u16 hits;    /* which of the expression's tests of the plaintext hold */
	u8 matched;  /* the expression of --match holds; else user space has to look */
	u8 op;
	u8 sampled;   /* chosen by turn, see sampling */
	u8 unsent;   /* tx: it was sealed, and has been freed before TCP had all of it */
	u16 err;     /* of these: what the connection had failed with, positive; 0: it was closed first */
	u8 messages; /* how many there are, up to 255; 0: only the first is known */
	u8 message_bits; /* enum message_bit */
	u8 card;     /* rx: enum card */
	u8 pad;
};

/* KIND_SOCKET. Of both directions, tx first. */
struct about_socket {
	u64 time;
	u64 awaited;    /* since when reads have had to wait for a new key, 1: since before the trace; 0: they have not */
	u64 next[2];    /* sequences */
	u64 hidden[2];
	u32 gen[2];
	u32 skipped[2]; /* left out by sampling, and no record stands for them */
	u32 blocked;    /* send calls refused for want of room (EAGAIN) */
	u32 open;       /* bytes of an open record that the close has dropped */
	u32 cut;        /* bytes of a record received of which the rest never came */
	u8 mode[2];     /* 0: no key */
	u8 state;
	u8 ended;       /* how: enum ending */
	u8 notified[2]; /* enum notified: whether close_notify has been sent, received */
	u8 driver[2];   /* 1 + the place in "drivers" of what seals and opens, 0: not known */
	u32 probed;     /* reads refused for want of room for a record's type, which the program then has read */
};

/* KIND_HELD: what a connection holds back, told before it is found, and what user space asks for. */
struct held {
	u64 time;
	u64 open_since; /* first byte of the open record, 0: not known */
	u64 quiet;      /* nanoseconds since data came last, 0: not known */
	u64 awaited;    /* see struct about_socket */
	u64 unread_bytes;
	u32 unread;     /* records that are opened, and that the program has not read whole: it may have peeked at them */
	u32 open;       /* bytes of the open record */
	u32 incomplete; /* bytes of a record received of which the rest has not come */
	u32 whole;      /* as long as it will be, header and tag included; 0: not known */
};

/* KIND_CARD: how a network card does at a connection whose records it was asked to seal or open. */
struct about_card {
	u64 time;
	u64 next[2];    /* sequences */
	u64 resyncs[2]; /* sent: asked for by the card; received: told to it */
	u64 fallback;   /* packets that the kernel has sealed in its place */
	u32 gen[2];
	u8 mode[2];     /* how the last record was sealed and opened; 0: no key */
	u8 gone;        /* the card went away, and the kernel seals and opens */
	u8 pad[5];
};

/* KIND_ERROR */
struct failure {
	u64 time;
	u64 seq;
	u32 err; /* positive */
	u8 func;
	u8 owner; /* no call is to blame: the process is who made the last one, or opened the connection */
	u16 option; /* of setsockopt and getsockopt */
	u32 more; /* calls that have failed in the same way since the last of them was told, besides this one */
	u32 pad;
};

/* KIND_DROP: a record of DTLS came, and nobody will read it. */
struct drop {
	u64 time;
	u64 seq;
	u32 count;    /* how many, of the same reason: this one, and those since the last that was told */
	u32 len;
	u8 reason;    /* enum afktls_drop_reason of kmod/af_ktls/hooks.h */
	u8 pad[3];
};

#define EVENT_VERSION 1

/* What user space is told: of whom and of what, and by its kind the rest. */
struct event {
	u8 layout; /* EVENT_VERSION */
	u8 kind, proto, dir;
	u8 type, mode, family, flags;
	u64 conn;
	u64 cookie;
	u64 cgroup;
	u32 pid, tid, uid, netns;
	/* At multiples of 8, so that the compiler copies them by words. */
	u8 laddr[16], raddr[16];
	u8 comm[16];
	u16 version, cipher;
	u16 lport, rport;
	u32 gen;   /* of the direction's keys */
	u16 epoch; /* of DTLS */
	/* DTLS: bytes of the UDP payload that carries it. TLS: 1 + the place in "users" of the part
	 * of the kernel that has the socket, 0: none is known. */
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

/* Until a call has made a record, who opened the connection stands for who makes them; of several one that is wanted. */
static __always_inline void set_default_owner(struct event *e, const struct event *who, bool wanted)
{
	if (e->kind || (e->pid && !(wanted && e->flags & FLAG_HIDDEN)))
		return;
	copy_owner(e, who);
	e->flags = (who->flags & FLAG_KTHREAD) | (wanted ? 0 : FLAG_HIDDEN);
}

/* Plaintext of one record; its event follows with FLAG_PAYLOAD. */
struct payload {
	u64 conn;
	u64 seq;
	u64 begun; /* stamp[1] of the event: a record can be tried more than once */
	u32 gen;
	u32 len;
	u64 dir; /* as wide as what would be left empty: one store */
	u8 data[];
};
_Static_assert(sizeof(struct payload) == 40, "pkg/loader/internal/wire knows this size");

#endif
