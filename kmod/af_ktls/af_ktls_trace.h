/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: the events of hooks.h for tracers without BTF. The socket is named by the cookie of the UDP socket
 * below.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM af_ktls

#if !defined(AFKTLS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define AFKTLS_TRACE_H
#include <linux/tracepoint.h>
#include "afktls.h"

DECLARE_EVENT_CLASS(afktls_socket,
	TP_PROTO(struct afktls_sock *ks),
	TP_ARGS(ks),
	TP_STRUCT__entry(
		__field(u64, cookie)
		__field(u16, version)
		__field(u16, cipher)
	),
	TP_fast_assign(
		__entry->cookie = atomic64_read(&ks->udp->sk_cookie);
		__entry->version = ks->version;
		__entry->cipher = ks->cipher;
	),
	TP_printk("cookie=%llu version=%#x cipher=%u", __entry->cookie, __entry->version, __entry->cipher)
);

DEFINE_EVENT(afktls_socket, afktls_attach, TP_PROTO(struct afktls_sock *ks), TP_ARGS(ks));
DEFINE_EVENT(afktls_socket, afktls_detach, TP_PROTO(struct afktls_sock *ks), TP_ARGS(ks));

TRACE_EVENT(afktls_key,
	TP_PROTO(struct afktls_sock *ks, int tx, u16 epoch, u64 seq),
	TP_ARGS(ks, tx, epoch, seq),
	TP_STRUCT__entry(
		__field(u64, cookie)
		__field(u64, seq)
		__field(u16, epoch)
		__field(u8, tx)
	),
	TP_fast_assign(
		__entry->cookie = atomic64_read(&ks->udp->sk_cookie);
		__entry->seq = seq;
		__entry->epoch = epoch;
		__entry->tx = tx;
	),
	TP_printk("cookie=%llu %s epoch=%u seq=%llu", __entry->cookie, __entry->tx ? "tx" : "rx",
		  __entry->epoch, __entry->seq)
);

/* result: 0 or -errno; for afktls_deliver the bytes copied, for afktls_drop the reason. */
DECLARE_EVENT_CLASS(afktls_one_record,
	TP_PROTO(struct afktls_sock *ks, struct afktls_record *rec, int result),
	TP_ARGS(ks, rec, result),
	TP_STRUCT__entry(
		__field(u64, cookie)
		__field(u64, seq)
		__field(u64, begun)
		__field(u32, datagram)
		__field(int, result)
		__field(u16, epoch)
		__field(u16, len)
		__field(u8, type)
		__field(u8, flags)
	),
	TP_fast_assign(
		__entry->cookie = atomic64_read(&ks->udp->sk_cookie);
		__entry->seq = rec->seq;
		__entry->begun = rec->begun;
		__entry->datagram = rec->datagram;
		__entry->result = result;
		__entry->epoch = rec->epoch;
		__entry->len = rec->len;
		__entry->type = rec->type;
		__entry->flags = rec->flags;
	),
	TP_printk("cookie=%llu epoch=%u seq=%llu type=%u len=%u datagram=%u flags=%#x result=%d", __entry->cookie,
		  __entry->epoch, __entry->seq, __entry->type, __entry->len, __entry->datagram, __entry->flags,
		  __entry->result)
);

/* At the exit of the function of the same name. */
#define AFKTLS_RECORD_EVENT(name)							\
	DEFINE_EVENT(afktls_one_record, name,						\
		     TP_PROTO(struct afktls_sock *ks, struct afktls_record *rec, int result),	\
		     TP_ARGS(ks, rec, result))
AFKTLS_RECORD_EVENT(afktls_tx_record);
AFKTLS_RECORD_EVENT(afktls_tx_push);
AFKTLS_RECORD_EVENT(afktls_rx_record);
AFKTLS_RECORD_EVENT(afktls_drop);
AFKTLS_RECORD_EVENT(afktls_deliver);

#endif

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE af_ktls_trace
#include <trace/define_trace.h>
