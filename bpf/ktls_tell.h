/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What leaves for user space: records, which may be kept back, left out or added up, and sockets. */
#ifndef KTLS_TELL_H
#define KTLS_TELL_H

#include "ktls_conn.h"
#include "ktls_match.h"

static __always_inline bool is_hidden(struct event *e)
{
	return (e->flags & FLAG_HIDDEN) || !match_record(e);
}

/* Dashboard mode: add a record up. True if it is to be an event as well. */
static __always_inline bool counted(struct event *e)
{
	if (!add_record(e))
		count_lost(LOST_STATS_MAP_FULL, e->dir);
	if (!has_stages(e))
		e->stamp[1] = e->stamp[2] = 0;
	if (e->conn == stream_conn)
		return true;
	/* The record that would bring the return may stay in the kernel. */
	e->flags &= ~FLAG_RETURN_LATER;
	return e->type != TYPE_DATA;
}

/* Report a record, or count it as kept back by the filters or left out by sampling. */
static __always_inline void emit_record(struct event *e, u64 *hidden, struct sampled *s)
{
	if (is_hidden(e)) {
		__sync_fetch_and_add(hidden, 1);
		return;
	}
	if (left_out(e, s)) {
		__sync_fetch_and_add(hidden, 1);
		skip(s);
		return;
	}
	if (aggregate && !counted(e))
		return;
	e->hidden = *hidden;
	stand_for(e, s);
	if (!emit(e))
		give_back(e, s);
}

/*
 * Tell user space of a connection. Its end and its rekeys follow if its begin was
 * told. A global function: the verifier looks at it once, not at each call.
 */
__noinline int emit_socket(struct conn *c, u32 state, u32 dir, struct event *who)
{
	bool cgroup_wanted;
	struct event e;

	if (!c)
		return 0;
	e = c->tx;
	e.kind = KIND_SOCKET;
	e.state = state;
	e.dir = dir;
	e.gen = c->tx.gen | c->rx.gen << 16;
	e.stamp[0] = c->closing ? c->end_seq[DIR_TX] : read_seq(c->seq_tx);
	e.stamp[1] = c->closing ? c->end_seq[DIR_RX] : read_seq(c->seq_rx);
	e.stamp[2] = c->tx.hidden;
	e.stamp[3] = c->rx.hidden;
	e.seq = bpf_ktime_get_ns();
	e.mode_tx = c->keyed[DIR_TX] ? c->tx.mode : 0;
	e.mode_rx = c->keyed[DIR_RX] ? c->rx.mode : 0;
	e.flags = 0;
	e.skipped = c->sampled[DIR_TX].skipped;
	e.len = c->sampled[DIR_RX].skipped;
	if (who) {
		e.pid = who->pid;
		e.tid = who->tid;
		e.uid = who->uid;
		e.cgroup = who->cgroup;
		__builtin_memcpy(e.comm, who->comm, sizeof(e.comm));
		cgroup_wanted = !want_cgroup || who->cgroup == want_cgroup;
	} else {
		set_process(&e);
		e.flags &= FLAG_KTHREAD;
		cgroup_wanted = current_cgroup_wanted();
	}
	if (state == STATE_FOUND || state == STATE_OPEN)
		c->told |= conn_wanted(&e) && process_wanted(&e) && cgroup_wanted;
	if (state == STATE_FOUND) { /* maybe before the kernel has written the modes: then not of the keys */
		c->key_told[DIR_TX] = e.mode_tx != 0;
		c->key_told[DIR_RX] = e.mode_rx != 0;
	} else if (state != STATE_CLOSE) {
		c->key_told[dir & 1] = 1;
	}
	if (c->told)
		emit(&e);
	return 0;
}

#endif
