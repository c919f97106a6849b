/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Finding the connection of a record. */
#ifndef KTLS_LOOKUP_H
#define KTLS_LOOKUP_H

#include "ktls_report.h"
#include "ktls_untracked.h"

int end_conn(struct conn *c, u64 id);

/*
 * The connection of a socket whose record begins. If the hooks of an earlier close were
 * skipped (see HOOK_TWICE), the connection at this address belongs to an earlier socket:
 * end it.
 */
static __always_inline struct conn *conn_current(u64 sk)
{
	const struct inet_connection_sock *icsk = (void *)sk;
	struct conn *c = conn_at(sk);

	if (c && have_cast && read_word((u64)&icsk->icsk_ulp_data) != c->ctx) {
		if (live)
			end_conn(c, c->alive);
		return 0;
	}
	return c;
}

/*
 * The connection of a socket, created here if it is unknown. completed: a record of dir
 * was just sealed or opened, and is the first one to report.
 */
static __always_inline struct conn *conn_get(u64 sk, u32 dir, bool completed)
{
	struct conn *c = !completed && dir != NO_RECORD ? conn_current(sk) : conn_at(sk);
	bool racing = false;

	if (c)
		return c->excluded || !live ? 0 : c;
	c = conn_new(sk, tls_ctx_of((void *)sk), completed ? dir : NO_RECORD, &racing);
	if (!c && !racing && dir != NO_RECORD)
		count_untracked(sk, dir, !completed);
	c = if_included(c);
	if (c)
		emit_socket(c, STATE_FOUND, 0, 0);
	return c;
}

/* The connection of a socket in which a record of dir begins. */
static __always_inline struct conn *conn_of_record(u64 sk, u32 dir) { return conn_get(sk, dir, false); }

/* The connection of a socket, created here if it was open before the trace. */
static __always_inline struct conn *conn_of(u64 sk) { return conn_get(sk, NO_RECORD, false); }

#endif
