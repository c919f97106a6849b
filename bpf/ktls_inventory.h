/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The sockets that are open, in every network namespace. */
#ifndef KTLS_INVENTORY_H
#define KTLS_INVENTORY_H

#include "ktls_tell.h"

static __always_inline bool is_tls(const struct sock *sk)
{
	const struct inet_connection_sock *icsk = (void *)sk;
	const struct tcp_ulp_ops *ops;
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	char name[4] = {};

	if ((family != AF_INET && family != AF_INET6) ||
	    BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return false;
	ops = BPF_CORE_READ(icsk, icsk_ulp_ops);
	if (!ops || !BPF_CORE_READ(icsk, icsk_ulp_data))
		return false;
	bpf_core_read(name, sizeof(name), &ops->name);
	return name[0] == 't' && name[1] == 'l' && name[2] == 's' && !name[3];
}

static __always_inline int visit_file(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct holder who = {};
	struct socket *sock;
	bool others = false;
	struct conn *c;
	u64 sk;

	if (!task || !file)
		return 0;
	sock = bpf_sock_from_file(file);
	if (!sock || !sock->sk)
		return 0;
	sk = (u64)sock->sk;
	if (!is_tls((void *)sk))
		return 0;
	bpf_get_socket_cookie((void *)sock->sk);
	c = conn_find(sk);
	if (!c)
		c = conn_new(sk, tls_ctx_of((void *)sk), NO_RECORD, &others);
	if (!c || c->told) /* a shared socket is told of its first owner that is wanted */
		return 0;
	who.pid = BPF_CORE_READ(task, tgid);
	who.tid = BPF_CORE_READ(task, pid);
	who.uid = BPF_CORE_READ(task, cred, uid.val);
	who.cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	bpf_core_read(who.comm, sizeof(who.comm), &task->comm);
	emit_socket(c, STATE_FOUND, 0, &who);
	return 0;
}

#endif
