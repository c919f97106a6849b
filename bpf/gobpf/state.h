/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The state of a connection. */
#ifndef GOBPF_STATE_H
#define GOBPF_STATE_H

#include "settings.h"
#include "../ktls_payload.h"

enum tx_state { TX_IDLE, TX_SEALING };
enum rx_state { RX_IDLE, RX_OPENING, RX_OPENED };
#define RX_STATE 3  /* of rx_state: the state. The other bits are a ticket, new for each record. */
#define RX_TICKET 4

/*
 * One connection. tx and rx are the events of the current records. The fields that are the
 * same for each record are filled in once, when the connection is created.
 */
struct conn {
	struct event tx, rx;
	u64 sk;       /* struct sock, set after everything else; see conn_find */
	u64 ctx;      /* struct tls_context */
	u64 priv_tx;  /* struct tls_sw_context_tx */
	u64 priv_rx;  /* struct tls_sw_context_rx */
	u64 seq_tx, seq_rx; /* addresses of the record sequences */
	u64 open_ts;  /* first byte of the open record */
	u64 tx_rec;   /* the tls_rec of tx */
	u64 push_rec; /* the tls_rec that is being pushed to TCP */
	u64 call_begun; /* when the call that opened rx started to open its first record */
	u64 ready_ts; /* when a complete record was in the receive queue */
	u64 end_seq[2]; /* the next sequences when the connection began to close */
	u64 uncertain[2]; /* a record that may continue a handshake message: the first of the trace, or one after a handshake record */
	struct source src[2]; /* the plaintext of tx and rx */
	u32 pending;  /* sealed records in "pending" that were not handed over */
	u32 pending_lost; /* those that found no room there */
	u32 rx_state; /* changed by compare-and-swap, because the return of a call is seen without the lock */
	u8 more;      /* the last send call may have left an open record */
	u8 tx_state, rx_failed, closing;
	u8 keyed[2];  /* this direction has or had a key */
	u8 reported;  /* user space knows the connection */
	u8 tx_failed; /* the failure was reported */
	u8 excluded;  /* the filters want none of its records, whoever makes the call: the hooks skip it */
	u8 key_reported[2]; /* this direction's key was reported, or would have been if the filters wanted it */
	u8 pad;
};

#endif
