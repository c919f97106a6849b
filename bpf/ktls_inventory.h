/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The sockets that are open, in every network namespace. */
#ifndef KTLS_INVENTORY_H
#define KTLS_INVENTORY_H

#include "ktls_resync.h"

static __always_inline int visit_file(struct bpf_iter__task_file *ctx)
{
	struct socket *sock = socket_of_file(ctx->file);
	struct task_struct *task = ctx->task;
	struct holder who = {};
	bool others = false;
	struct conn *c;
	u64 sk;

	if (!task || !sock || !sock->sk)
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
	set_holder(&who, task);
	emit_socket(c, STATE_FOUND, 0, &who);
	if (c->card & CARD_GONE)
		emit_card(c);
	return 0;
}

#endif
