/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The interface that the module af_ktls promises to tracers (kmod/af_ktls/hooks.h), as far
 * as the programs use it.
 */
#ifndef KTLS_DTLS_TYPES_H
#define KTLS_DTLS_TYPES_H

#include "ktls_types.h"

#define DTLS_1_2 0xfefd
#define DTLS_SEQ 0xffffffffffffULL /* 48 bits */
#define AFKTLS_REC_SPLICED 1
#define AFKTLS_REPLAY 1
#define AFKTLS_TOO_OLD 2
#define AFKTLS_UNREAD 9
#define AFKTLS_REASONS 16 /* more than the values of enum afktls_drop_reason */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct afktls_key {
	u64 next; /* tx: epoch(16) | sequence(48) of the next record */
};

/* A socket of the family. Its struct sock is the first member, so both have one address. */
struct afktls_sock {
	struct sock sk;
	struct sock *udp; /* 0: not attached */
	u16 version;
	u16 cipher;
	struct afktls_key *tx, *rx; /* 0: none */
	atomic64_t stats[11]; /* ordered as struct ktls_stats of the user API */
};

#define AFKTLS_STAT_RX_RECORDS 2 /* records put into the receive queue */

struct afktls_record {
	u64 seq;
	u16 epoch;
	u8 type;
	u8 flags;
	u16 len;
	u16 reason;
	u32 datagram;
	u64 begun;
	const void *data;
};

#pragma clang attribute pop

#endif
