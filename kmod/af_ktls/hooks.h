/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interface for tracers: functions that are not inlined, with stable arguments, and their types. Fields are only
 * added, at the end. Tracepoints of the same names (af_ktls_trace.h, system af_ktls) report the same without BTF.
 * Datagram sockets only: the records of stream sockets are net/tls's own.
 */
#ifndef AFKTLS_HOOKS_H
#define AFKTLS_HOOKS_H
#include <linux/types.h>

/*
 * struct afktls_sock begins, in this order, with
 *	struct sock sk;		the AF_KTLS socket
 *	struct sock *udp;	the UDP socket below: addresses, network namespace, cookie. NULL when not attached
 *	u16 version;		0xfefd
 *	u16 cipher;		KTLS_CIPHER_*
 * and has, at an offset in its type information,
 *	atomic64_t stats[];	in the order of struct ktls_stats (af_ktls.h)
 * Its struct proto has the name "KTLS".
 */
struct afktls_sock;

enum afktls_drop_reason {
	AFKTLS_REPLAY = 1,	/* seen before */
	AFKTLS_TOO_OLD,		/* left of the window */
	AFKTLS_BAD_TAG,
	AFKTLS_EPOCH,		/* of another epoch: left to user space (stays in the UDP socket) */
	AFKTLS_FULL,		/* opened, no room in the receive buffer */
	AFKTLS_FILTERED,	/* opened, a socket filter refused it */
	AFKTLS_MALFORMED,	/* not a record, or its length is wrong; seq and epoch may be 0 */
	AFKTLS_NO_MEMORY,
	AFKTLS_UNREAD,		/* opened, and the socket was closed or detached before it was read */
	AFKTLS_TO_USER,		/* handshake or other record left to user space (not ours to open) */
};

#define AFKTLS_REC_SPLICED 1	/* came by sendfile/splice, or leaves by splice */
#define AFKTLS_REC_KERNEL  2	/* reserved */

struct afktls_record {		/* valid during the call */
	u64 seq;		/* 48 bits */
	u16 epoch;
	u8 type;		/* RFC 5246 ContentType */
	u8 flags;		/* AFKTLS_REC_* */
	u16 len;		/* bytes of plaintext */
	u16 reason;		/* enum afktls_drop_reason, for afktls_drop */
	u32 datagram;		/* bytes of the UDP payload that carries it */
	u64 begun;		/* ktime_get_ns(): tx: its first byte came in; rx: its datagram arrived, or the key for it */
	/*
	 * The plaintext in kernel memory, linear, or NULL. tx: at the entry of afktls_tx_record, which seals in
	 * place. rx: at the exit of afktls_rx_record, in afktls_drop of an opened record, and in afktls_deliver.
	 */
	const void *data;
};

/* Process context unless said otherwise; ks is attached in all of them. */

/* End of bind(2). */
noinline void afktls_attach(struct afktls_sock *ks);
/* A direction has its first key, or a new one; seq is that of the next record. */
noinline void afktls_key(struct afktls_sock *ks, int tx, u16 epoch, u64 seq);
/* Entry: the plaintext is complete, sealing begins. Exit: sealed, or -errno. */
noinline int afktls_tx_record(struct afktls_sock *ks, struct afktls_record *rec);
/* Entry: sealed. Exit: 0, UDP has taken it; -errno, it is not sent, and its number is used up. */
noinline int afktls_tx_push(struct afktls_sock *ks, struct afktls_record *rec);
/* Softirq or process. Entry: opening begins. Exit: 0 opened, or -EBADMSG ... (then afktls_drop follows). */
noinline int afktls_rx_record(struct afktls_sock *ks, struct afktls_record *rec);
/* Softirq or process: any received record that this socket will not deliver. */
noinline void afktls_drop(struct afktls_sock *ks, struct afktls_record *rec);
/*
 * The record leaves the queue: readers have received `copied` bytes of it, with splices perhaps in pieces. Called
 * once for each record, not for MSG_PEEK.
 */
noinline void afktls_deliver(struct afktls_sock *ks, struct afktls_record *rec, int copied);
/* KTLS_UNATTACH or close; afktls_drop has reported records that were still queued before, as AFKTLS_UNREAD. */
noinline void afktls_detach(struct afktls_sock *ks);
#endif
