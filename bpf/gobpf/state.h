/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What these programs know of a connection. */
#ifndef GOBPF_STATE_H
#define GOBPF_STATE_H

#include "settings.h"
#include "../ktls_payload.h"

enum tx_state { TX_IDLE, TX_SEALING };
enum rx_state { RX_IDLE, RX_OPENING, RX_OPENED };
#define RX_STATE 3  /* of rx_state: the state; the rest is a ticket, new with each record */
#define RX_TICKET 4

/*
 * One connection. tx and rx are events in the making: what does not change
 * from record to record is filled in once, when the connection is met.
 */
struct conn {
	struct event tx, rx;
	u64 sk;       /* struct sock, once the rest is there; see conn_find */
	u64 ctx;      /* struct tls_context */
	u64 priv_tx;  /* struct tls_sw_context_tx */
	u64 priv_rx;  /* struct tls_sw_context_rx */
	u64 seq_tx, seq_rx; /* addresses of the record sequences */
	u64 open_ts;  /* first byte of the open record */
	u64 tx_rec;   /* the tls_rec of tx */
	u64 push_rec; /* the tls_rec that is being handed to TCP */
	u64 call_begun; /* when the call that has opened rx took up its first record */
	u64 ready_ts; /* a whole record is in the receive queue */
	u64 end_seq[2]; /* the next sequences, once the connection is closing */
	u64 uncertain[2]; /* a handshake message may go on in this record: the trace begins there, or one is before it */
	struct source src[2]; /* the plaintext of tx and rx */
	u32 pending;  /* records sealed and not yet handed over, in "pending" */
	u32 pending_lost;   /* those that found no room there */
	u32 rx_state; /* changed by compare and swap: a call's return is seen without the lock */
	u8 more;      /* the last send call may have left an open record */
	u8 tx_state, rx_failed, closing;
	u8 keyed[2];  /* this direction has had a key */
	u8 reported;      /* user space knows of it */
	u8 tx_failed; /* the failure has been told */
	u8 excluded;  /* the filters want no record of it, whoever makes the call: the hooks pass it by */
	u8 key_reported[2]; /* this direction's key is told, or would be if the filters wanted it */
	u8 pad;
};

#endif
