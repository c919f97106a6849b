/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Requests for kernel TLS, and their results. */
#ifndef KTLS_SETUP_H
#define KTLS_SETUP_H

#include "ktls_watch.h"

#define TCP_ULP 31
#define SOL_TCP 6

static __always_inline int return_value(void *ctx)
{
	u64 ret = 0;

	bpf_get_func_ret(ctx, &ret);
	return ret;
}

/*
 * Report the result of a request. The socket got its cookie when its ULP was set; here the
 * verifier does not accept a struct sock of the module for the helper.
 */
static __always_inline void report_result(u64 *ctx, u32 option, u32 key, u8 flags)
{
	struct watch_event *s = watch_reserve((void *)ctx[0], WATCH_RESULT);

	if (!s)
		return;
	s->option = option;
	s->err = -return_value(ctx);
	s->version = key;
	s->cipher = key >> 16;
	s->flags = flags;
	bpf_ringbuf_submit(s, 0);
}

/* tcp_set_ulp(sk, name) */
static __always_inline int ulp_result(u64 *ctx)
{
	bpf_get_socket_cookie((void *)ctx[0]);
	if (is_ulp_tls(ctx[1]))
		report_result(ctx, TCP_ULP, 0, 0);
	return 0;
}

/* tls_setsockopt(sk, level, optname, optval, optlen); optval is a sockptr_t and takes two arguments. */
static __always_inline int key_result(u64 *ctx)
{
	u32 option = ctx[2], key = 0;

	if ((u32)ctx[1] != SOL_TLS || (option != TLS_TX && option != TLS_RX))
		return 0;
	bpf_probe_read_user(&key, sizeof(key), (void *)ctx[3]);
	report_result(ctx, option, key, 0);
	return 0;
}

/* mptcp_setsockopt, with the same arguments */
static __always_inline int mptcp_result(u64 *ctx)
{
	bpf_get_socket_cookie((void *)ctx[0]);
	if ((u32)ctx[1] == SOL_TCP && (u32)ctx[2] == TCP_ULP)
		report_result(ctx, TCP_ULP, 0, WATCH_MPTCP);
	return 0;
}

/* tls_set_device_offload(sk, ...), tls_set_device_offload_rx(sk, ...) */
static __always_inline int device_tx_result(u64 *ctx)
{
	report_result(ctx, TLS_TX, 0, WATCH_DEVICE);
	return 0;
}

static __always_inline int device_rx_result(u64 *ctx)
{
	report_result(ctx, TLS_RX, 0, WATCH_DEVICE);
	return 0;
}

#endif
