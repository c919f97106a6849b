/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The programs. A kretprobe gets no arguments, so the entry saves them for it. */
#ifndef GOBPF_HOOKS_H
#define GOBPF_HOOKS_H

#include "life.h"

enum call {
	CALL_PUSH, CALL_OPEN, CALL_RECV, CALL_SPLICE_READ, CALL_READ_SOCK, CALL_SET, CALL_RELEASE, CALL_PARSE, CALL_CLOSE,
};

struct call_key { u64 task, function; };
struct call_args { u64 arg[6]; };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct call_key);
	__type(value, struct call_args);
} calls SEC(".maps");

#define ARGS(regs) { .arg = { regs[REG_ARG0], regs[REG_ARG1], regs[REG_ARG2], regs[REG_ARG3], regs[REG_ARG4] } }

static __always_inline void save_args(u64 function, const struct call_args *args)
{
	struct call_key key = { bpf_get_current_pid_tgid(), function };

	if (live)
		bpf_map_update_elem(&calls, &key, args, BPF_ANY);
}

/* Load the saved arguments of a returning call and delete them. */
static __always_inline bool load_args(u64 function, struct call_args *args)
{
	struct call_key key = { bpf_get_current_pid_tgid(), function };
	struct call_args *saved = bpf_map_lookup_elem(&calls, &key);

	if (!saved)
		return false;
	*args = *saved;
	bpf_map_delete_elem(&calls, &key);
	return true;
}

#define ENTRY(function, handler)                                       \
	SEC("kprobe/" #function) int function##_enter(u64 *regs)       \
	{                                                              \
		struct call_args a = ARGS(regs);                       \
		open_outbox(regs, regs[REG_SP]);                       \
		handler(a.arg);                                        \
		send_outbox(regs);                                     \
		return 0;                                              \
	}

#define RETURN(function, call, handler)                                \
	SEC("kretprobe/" #function) int function##_exit(u64 *regs)     \
	{                                                              \
		struct call_args a;                                    \
		if (!load_args(call, &a))                              \
			return 0;                                      \
		a.arg[5] = regs[REG_RET];                               \
		open_outbox(regs, regs[REG_SP]);                       \
		handler(a.arg);                                        \
		send_outbox(regs);                                     \
		return 0;                                              \
	}

#define SAVE_ARGS(function, call)                                           \
	SEC("kprobe/" #function) int function##_enter(u64 *regs)       \
	{                                                              \
		struct call_args a = ARGS(regs);                       \
		save_args(call, &a);                                   \
		return 0;                                              \
	}

static __always_inline void push_begins_saved(u64 *arg)
{
	save_args(CALL_PUSH, (void *)arg);
	push_begins(arg);
}

static __always_inline void open_begins_saved(u64 *arg)
{
	save_args(CALL_OPEN, (void *)arg);
	open_begins(arg);
}

static __always_inline void close_begins_saved(u64 *arg)
{
	save_args(CALL_CLOSE, (void *)arg);
	close_begins(arg);
}

/* The handlers expect the return value after the arguments of the kernel's function. */
static __always_inline void open_ends_saved(u64 *arg)
{
	arg[3] = arg[5];
	open_ends(arg);
}

static __always_inline void sw_offload_ends_saved(u64 *arg)
{
	arg[3] = arg[5];
	if (!set_update_arg && set_tx_arg == 1)
		arg[2] = arg[5];
	sw_offload_ends(arg);
}

ENTRY(tls_sw_sendmsg, sendmsg_begins)
ENTRY(tls_sw_sendpage, sendpage_begins)
ENTRY(bpf_exec_tx_verdict, verdict_begins)
ENTRY(tls_push_sg, push_begins_saved)
RETURN(tls_push_sg, CALL_PUSH, push_ends)
ENTRY(tls_rx_msg_ready, record_ready)
ENTRY(tls_rx_msg_maybe_announce, record_announced)
ENTRY(tls_rx_one_record, open_begins_saved)
RETURN(tls_rx_one_record, CALL_OPEN, open_ends_saved)
SAVE_ARGS(tls_sw_recvmsg, CALL_RECV)
RETURN(tls_sw_recvmsg, CALL_RECV, recvmsg_returns)
SAVE_ARGS(tls_sw_splice_read, CALL_SPLICE_READ)
RETURN(tls_sw_splice_read, CALL_SPLICE_READ, splice_read_returns)
SAVE_ARGS(tls_sw_read_sock, CALL_READ_SOCK)
RETURN(tls_sw_read_sock, CALL_READ_SOCK, read_sock_returns)
SAVE_ARGS(tls_set_sw_offload, CALL_SET)
RETURN(tls_set_sw_offload, CALL_SET, sw_offload_ends_saved)
SAVE_ARGS(tls_sw_release_resources_tx, CALL_RELEASE)
RETURN(tls_sw_release_resources_tx, CALL_RELEASE, release_ends)
SAVE_ARGS(tls_strp_check_rcv, CALL_PARSE)
RETURN(tls_strp_check_rcv, CALL_PARSE, record_announced)
ENTRY(tls_strp_abort_strp, parser_aborts)
ENTRY(tls_sk_proto_close, close_begins_saved)
RETURN(tls_sk_proto_close, CALL_CLOSE, close_ends)
ENTRY(tls_ctx_free, free_begins)
ENTRY(tls_err_abort, abort_begins)

/* A marker in the stream of events: once the loader reads it back, it has read everything before it. */
SEC("kprobe/tcp_set_ulp")
int tcp_set_ulp_enter(u64 *regs)
{
	struct sample_head marker = { bpf_ktime_get_ns(), SAMPLE_MARKER };

	if (bpf_get_current_pid_tgid() >> 32 == SETTING(tgid))
		send(regs, &marker, sizeof(marker), lost_as(LOST_RING_FULL_EVENTS, DIR_RX));
	return 0;
}

#endif
