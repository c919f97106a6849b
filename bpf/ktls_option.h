/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Requests that the kernel refused: TLS on a socket, a key, an option. */
#ifndef KTLS_OPTION_H
#define KTLS_OPTION_H

#include "ktls_call_failure.h"

#define TCP_ULP 31

/*
 * A refusal can come before there is a connection, so refusals are counted by process,
 * call, option and error. The value is the last event of each kind, and counts the
 * refusals not reported.
 */
struct refusal { u32 pid, requested; u16 err; u8 func, option; };

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct refusal);
	__type(value, struct event);
} refusals SEC(".maps");

/* Whether to report a refusal now. The report also counts those suppressed since the last one. */
static __always_inline bool may_report(const struct refusal *r, struct event *e)
{
	struct event *last = bpf_map_lookup_elem(&refusals, r);

	if (!last) {
		bpf_map_update_elem(&refusals, r, e, BPF_ANY);
		return true;
	}
	if (e->failure.time - last->failure.time < SECOND) {
		__sync_fetch_and_add(&last->failure.more, 1);
		suppressed = 1;
		return false;
	}
	e->failure.more = __sync_lock_test_and_set(&last->failure.more, 0);
	last->failure.time = e->failure.time;
	return true;
}

/* Report that the kernel refused an option. requested: the version and cipher of the key. */
static __noinline int report_refusal(u64 sk, u32 func, u32 option, u32 err, u32 requested)
{
	struct conn *c = conn_find(sk);
	struct refusal r = { 0, requested, err, func, option };
	struct event e = {};

	if (!live)
		return 0;
	e.layout = EVENT_VERSION;
	e.proto = PROTO_TLS;
	e.kind = KIND_ERROR;
	e.dir = option == TLS_RX || option == TLS_RX_EXPECT_NO_PAD ? DIR_RX : DIR_TX;
	e.conn = c ? c->alive : 0;
	SET_ADDRESSES(&e, (void *)sk);
	e.version = requested;
	e.cipher = requested >> 16;
	set_process(&e);
	r.pid = e.pid;
	set_failure(&e.failure, 0, -(int)err, func);
	e.failure.option = option;
	if (!(e.flags & FLAG_HIDDEN) && may_report(&r, &e))
		emit(&e);
	return 0;
}

/*
 * tls_setsockopt and tls_getsockopt of (sk, level, optname, optval, ...). The argument is
 * read after the call, in the state in which the call left it.
 */
static __always_inline int option_fails(u64 *ctx, u32 func, int ret)
{
	u32 option = ctx[2], requested = 0;

	if (func == FUNC_SETSOCKOPT && (option == TLS_TX || option == TLS_RX))
		bpf_probe_read_user(&requested, sizeof(requested), (void *)ctx[3]);
	return report_refusal(ctx[0], func, option, -ret, requested);
}

/* tls_getsockopt(sk, level, optname, optval, optlen) */
static __always_inline int option_read(u64 *ctx)
{
	int level = ctx[1], ret = ctx[5];

	return level == SOL_TLS && ret < 0 ? option_fails(ctx, FUNC_GETSOCKOPT, ret) : 0;
}

/* tcp_set_ulp(sk, name). Gives every socket its cookie before its first record; ss shows the same cookie. */
static __always_inline int ulp_is_set(u64 *ctx)
{
	int ret = ctx[2];

	bpf_get_socket_cookie((void *)ctx[0]);
	if (!ret || !is_ulp_tls(ctx[1]))
		return 0;
	if (ret == -EEXIST && is_tls((void *)ctx[0])) /* the socket has TLS already: libraries request it for each direction */
		return 0;
	return report_refusal(ctx[0], FUNC_SET_ULP, TCP_ULP, -ret, 0);
}

#endif
