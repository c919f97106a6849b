/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the programs tell user space. Go takes the structs as they are (pkg/loader/internal/wire). */
#ifndef KTLS_EVENT_H
#define KTLS_EVENT_H

#include "ktls_kernel.h"

enum kind { KIND_RECORD = 1, KIND_SOCKET = 2, KIND_ERROR = 3, KIND_OPENED = 4 };
enum type { TYPE_ALERT = 21, TYPE_HANDSHAKE = 22, TYPE_DATA = 23 };
enum dir { DIR_TX = 0, DIR_RX = 1 };
enum op { OP_NONE, OP_SEND, OP_SENDFILE, OP_SPLICE, OP_RECV, OP_SPLICE_READ, OP_READ_SOCK };
enum state { STATE_FOUND = 1, STATE_OPEN, STATE_REKEY, STATE_CLOSE };
enum func { FUNC_RX_ONE_RECORD = 1, FUNC_ERR_ABORT, FUNC_DECRYPT_DONE, FUNC_RECVMSG, FUNC_ENCRYPT_DONE, FUNC_STRP_ABORT_STRP };

enum flag {
	FLAG_ZEROCOPY = 1, /* the plaintext never lay in a kernel buffer of its own */
	FLAG_RETURN_LATER = 2, /* rx: the call that opened it goes on; a later event of the task has its return */
	FLAG_KTHREAD = 4,
	FLAG_PAYLOAD = 8, /* a struct payload of this record is in the payload ring */
	FLAG_ASYNC = 16,
	FLAG_HIDDEN = 32, /* never leaves the kernel: the filters do not want it */
	FLAG_CONTROL = 64, /* ctl is valid */
	FLAG_PUSHED = 128, /* tx: TCP has it, at an unknown time */
};

/* Beside the kernel's number in a receiving mode. */
enum mode_bit { MODE_NO_PAD = 128 /* TLS_RX_EXPECT_NO_PAD is set */ };

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
	LOST_MAX,
};

/* One record, socket or error. Times are bpf_ktime_get_ns(); 0 is unknown. */
struct event {
	/* tx: first byte, sealing begins, sealed, handed to TCP.
	 * rx: record there, taken up, opened, call returned.
	 * opened (asynchronous crypto has opened conn, gen and seq): the same as rx.
	 * socket: next tx sequence, next rx sequence, hidden tx, hidden rx. */
	u64 stamp[4];
	u64 seq;
	u64 conn;
	u64 cookie;
	u64 cgroup;
	u32 pid, tid, uid, netns;
	u32 len;
	u32 gen; /* socket: gen of tx in the low half, of rx in the high half */
	u64 hidden;
	u64 start; /* the first sequence under this key that the trace can have seen; socket: of tx */
	/* At multiples of 8, so that the compiler copies them by words. */
	u8 laddr[16], raddr[16];
	u8 comm[16];
	s32 err; /* error; of a record it is the weight of its stages, see stage_weight */
	u16 version, cipher;
	u16 lport, rport;
	u8 kind, dir, type, op;
	u8 mode, family, flags, state;
	u8 ctl[2];
	u8 mode_tx, mode_rx;
	u8 func;
	u8 matched; /* the expression of --match holds; else user space has to look */
	u16 hits; /* which of the expression's tests of the plaintext hold */
	u32 skipped; /* left out by sampling, which this record stands for; socket: of tx that none stands for, and len: of rx */
};
_Static_assert(sizeof(struct event) == 184, "pkg/loader/internal/wire knows this size");
_Static_assert(__builtin_offsetof(struct event, laddr) % 8 == 0 && __builtin_offsetof(struct event, comm) % 8 == 0, "copied by words");

/* Plaintext of one record; its event follows with FLAG_PAYLOAD. */
struct payload {
	u64 conn;
	u64 seq;
	u64 begun; /* stamp[1] of the event: a record can be tried more than once */
	u32 gen;
	u32 len;
	u8 dir;
	u8 pad[7];
	u8 data[];
};
_Static_assert(sizeof(struct payload) == 40, "pkg/loader/internal/wire knows this size");

#endif
