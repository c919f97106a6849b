/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The first messages of a handshake, ClientHello and ServerHello, as they pass through a
 * TCP socket. Only bytes that begin like one of these leave the kernel, at most HELLO_BYTES
 * of them; user space parses them.
 */
#ifndef KTLS_HELLO_H
#define KTLS_HELLO_H

#include "ktls_watch.h"

#define MSG_PEEK 2
#define MAX_CALLS 32 /* calls examined per direction: other messages can come before TLS (STARTTLS) */
#define MAX_HELLOS 2 /* two, with a HelloRetryRequest */

/* How much of a socket was examined. */
struct hello_state {
	u8 calls[2], hellos[2]; /* sent, received */
	u8 header[RECORD_HEADER]; /* of a handshake record that was received alone: libraries read the header first */
	u8 header_only;               /* header is valid, and the rest of the record comes next */
	u8 pad[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u64); /* a socket's cookie, because addresses are reused */
	__type(value, struct hello_state);
} hello_state SEC(".maps");

/* Receive calls in progress, by thread: the first buffer and its size. */
struct receiving { u64 to, len, cookie; };

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct receiving);
} receiving SEC(".maps");

/* The first buffer of a call and its size; 0 if it is not user memory. */
static __always_inline u64 first_buffer(const struct msghdr *msg, u64 *len)
{
	const struct iov_iter *i = &msg->msg_iter;
	u64 off = BPF_CORE_READ(i, iov_offset);
	u8 type = BPF_CORE_READ(i, iter_type);
	struct iovec v = {};

	if (bpf_core_enum_value_exists(enum iter_type, ITER_UBUF) &&
	    type == bpf_core_enum_value(enum iter_type, ITER_UBUF)) {
		*len = HELLO_BYTES;
		return (u64)BPF_CORE_READ(i, ubuf) + off;
	}
	if (type != bpf_core_enum_value(enum iter_type, ITER_IOVEC) || bpf_probe_read_kernel(&v, sizeof(v), iter_iov(i)))
		return 0;
	*len = v.iov_len - off;
	return (u64)v.iov_base + off;
}

static __always_inline struct hello_state *hello_state_of(u64 cookie)
{
	struct hello_state none = {}, *l = bpf_map_lookup_elem(&hello_state, &cookie);

	if (l)
		return l;
	bpf_map_update_elem(&hello_state, &cookie, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&hello_state, &cookie);
}

static __always_inline bool is_done(const struct hello_state *l, u32 dir)
{
	return l->calls[dir] >= MAX_CALLS || l->hellos[dir] >= MAX_HELLOS;
}

static __always_inline bool is_handshake(const u8 *header) { return header[0] == 0x16 && header[1] == 3; }

static __always_inline bool is_hello(u8 type) { return type == 1 || type == 2; }

/* Report a hello: the record header, if it was received alone, and n bytes of user memory. */
static __always_inline void report_hello(const struct sock *sk, const u8 *header, u64 from, u32 n, u8 flags)
{
	struct watch_event *s = watch_reserve(sk, WATCH_HELLO);
	u32 begin = header ? RECORD_HEADER : 0;

	if (!s)
		return;
	if (header)
		__builtin_memcpy(s->bytes, header, RECORD_HEADER);
	if (n > HELLO_BYTES - RECORD_HEADER)
		n = HELLO_BYTES - RECORD_HEADER;
	asm volatile("" : "+r"(n)); /* the verifier has to see the bound that the compiler knows */
	n &= HELLO_BYTES - 1;
	s->flags = flags;
	s->len = begin + n;
	if (bpf_probe_read_user(s->bytes + begin, n, (void *)from)) {
		bpf_ringbuf_discard(s, 0);
		return;
	}
	bpf_ringbuf_submit(s, 0);
}

/* tcp_sendmsg(sk, msg, size) */
static __always_inline int send_begins(u64 *ctx)
{
	u64 cookie = bpf_get_socket_cookie((void *)ctx[0]), len = 0, from;
	u8 b[RECORD_HEADER + 1] = {};
	struct hello_state *l = hello_state_of(cookie);
	u32 n = ctx[2];

	if (!l || is_done(l, 0))
		return 0;
	l->calls[0]++;
	from = first_buffer((void *)ctx[1], &len);
	if (!from || len < sizeof(b) || n < sizeof(b) || bpf_probe_read_user(b, sizeof(b), (void *)from))
		return 0;
	if (!is_handshake(b) || !is_hello(b[RECORD_HEADER]))
		return 0;
	l->hellos[0]++;
	report_hello((void *)ctx[0], 0, from, len < n ? len : n, WATCH_SENT);
	return 0;
}

/* tcp_recvmsg(sk, msg, len, flags, ...) */
static __always_inline int receive_begins(u64 *ctx)
{
	struct receiving r = { 0, 0, bpf_get_socket_cookie((void *)ctx[0]) };
	u64 thread = bpf_get_current_pid_tgid();
	struct hello_state *l = hello_state_of(r.cookie);

	if (!l || is_done(l, 1) || (u32)ctx[3] & MSG_PEEK)
		return 0;
	r.to = first_buffer((void *)ctx[1], &r.len);
	if (r.to)
		bpf_map_update_elem(&receiving, &thread, &r, BPF_ANY);
	return 0;
}

/*
 * n bytes were received: a record from its start, or one whose header came before. Only
 * bytes in the call's first buffer are examined, because other memory follows it.
 */
static __always_inline void check_received(const struct sock *sk, struct hello_state *l, const struct receiving *r, u32 n)
{
	u32 available = r->len < n ? r->len : n;
	u8 b[RECORD_HEADER + 1] = {};
	u64 at = r->to;

	if (l->header_only) {
		l->header_only = 0;
		if (!available || bpf_probe_read_user(b, 1, (void *)at) || !is_hello(b[0]))
			return;
		l->hellos[1]++;
		report_hello(sk, l->header, at, available, 0);
		return;
	}
	if (available < RECORD_HEADER || bpf_probe_read_user(b, RECORD_HEADER, (void *)at) || !is_handshake(b))
		return;
	if (n == RECORD_HEADER) {
		__builtin_memcpy(l->header, b, RECORD_HEADER);
		l->header_only = 1;
	} else if (available > RECORD_HEADER && !bpf_probe_read_user(&b[RECORD_HEADER], 1, (void *)(at + RECORD_HEADER)) && is_hello(b[RECORD_HEADER])) {
		l->hellos[1]++;
		report_hello(sk, 0, at, available, 0);
	}
}

/*
 * The return of tcp_recvmsg. A stored entry can belong to an earlier call of the thread
 * whose return was not seen, so the cookies have to match.
 */
static __always_inline int receive_ends(u64 *ctx)
{
	u64 thread = bpf_get_current_pid_tgid(), ret = 0;
	struct receiving *r = bpf_map_lookup_elem(&receiving, &thread);
	struct hello_state *l = 0;

	if (!r)
		return 0;
	bpf_get_func_ret(ctx, &ret);
	if ((int)ret > 0 && r->cookie == bpf_get_socket_cookie((void *)ctx[0]) && !((u32)ctx[3] & MSG_PEEK))
		l = hello_state_of(r->cookie);
	if (l && !is_done(l, 1)) {
		l->calls[1]++;
		check_received((void *)ctx[0], l, r, ret);
	}
	bpf_map_delete_elem(&receiving, &thread);
	return 0;
}

#endif
