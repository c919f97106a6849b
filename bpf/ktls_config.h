/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the loader sets: constants before it loads the programs, and variables while they run. */
#ifndef KTLS_CONFIG_H
#define KTLS_CONFIG_H

#include "ktls_kernel.h"

const volatile u32 snaplen = 0;
const volatile u32 tx_type_arg = 3;   /* index of bpf_exec_tx_verdict's record_type */
const volatile u32 set_tx_arg = 1;    /* index of tls_set_sw_offload's tx */
const volatile u32 set_update_arg = 0;/* index of its new_crypto_info; 0: this kernel has no rekey */
const volatile u32 done_is_req = 0;   /* tls_encrypt_done and tls_decrypt_done get a crypto_async_request, not its data */
const volatile u32 recvmsg_args = 4;
const volatile u32 ready_by_data = 0; /* this kernel has no tls_rx_msg_ready, see data_arrives */
const volatile s32 nr_sendfile = 40, nr_splice = 275, nr_uring = 426; /* sendfile, splice, io_uring_enter */
const volatile u32 preempts = 1;      /* the kernel preempts itself and can therefore skip hooks, see HOOK_TWICE */
const volatile u32 verdict_twice = 0;  /* verdict_enter is attached twice */

const volatile u32 aggregate = 0; /* dashboard mode; where the loader leaves it 0, its code is dead */
const volatile u32 stages = 1;    /* 0, with aggregate: the hooks between a record's begin and end are not attached */
const volatile u32 plain_only = 0;   /* aggregate, and nothing needs the caller or the contents of a record */
volatile u64 stream_conn = 0;     /* the connection whose records are reported one by one as well; changes at run time */

/* Attaching and detaching take a while, hook by hook. The hooks trace only while all of them are attached. */
volatile u32 live = 0;

#endif
