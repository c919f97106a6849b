/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Finding the connection of a record. */
#ifndef GOBPF_LOOKUP_H
#define GOBPF_LOOKUP_H

#include "conn.h"
#include "../ktls_untracked.h"

#define NO_RECORD 2 /* instead of a direction */

/* The connection of a socket in which a record of dir begins. */
static __always_inline struct conn *conn_of_record(u64 sk, u32 dir)
{
	struct conn *c = conn_find(sk);

	if (c)
		return if_included(c);
	c = conn_new(sk, tls_ctx_of((void *)sk));
	if (!c && dir != NO_RECORD)
		count_untracked(sk, dir, true);
	c = if_included(c);
	if (c)
		emit_socket(c, STATE_FOUND, 0);
	return c;
}

/* The connection of a socket, created here if it was open before the trace. */
static __always_inline struct conn *conn_of(u64 sk) { return conn_of_record(sk, NO_RECORD); }

/* The connection of a socket, of which a record of dir was sealed or opened. */
static __always_inline struct conn *conn_of_completed(u64 sk, u32 dir)
{
	struct conn *c = conn_find(sk);

	if (!c)
		count_untracked(sk, dir, false);
	return if_included(c);
}

#endif
