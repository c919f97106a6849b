/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Reporting to user space: records, unless they are filtered, sampled out or only counted, and sockets. */
#ifndef KTLS_REPORT_H
#define KTLS_REPORT_H

#include "ktls_cipher.h"
#include "ktls_held.h"
#include "ktls_owner.h"
#include "ktls_match.h"
#include "ktls_conn_alloc.h"
#include "ktls_user.h"

static __always_inline bool is_hidden(struct event *e)
{
	return (e->flags & FLAG_HIDDEN) || !match_record(e);
}

/* Dashboard mode: add a record to the sums. Returns true if it becomes an event too. */
static __always_inline bool aggregate_record(struct event *e)
{
	if (!add_record(e))
		count_lost(LOST_STATS_MAP_FULL, e->dir);
	if (!has_stages(e))
		e->rec.stamp[1] = e->rec.stamp[2] = 0;
	if (is_streamed(e))
		return true;
	/*
	 * User space would wait for the record with which the call returns, and that one
	 * may stay in the kernel.
	 */
	if (ends_with_call(e))
		e->flags &= ~FLAG_RETURN_LATER;
	if (e->type != TYPE_DATA)
		return true;
	if (!took_long(e->rec.stamp[0], e->rec.stamp[3]) || !may_report_slow(e->dir))
		return false;
	if (e->dir == DIR_TX && !is_measured(e))
		e->rec.op = OP_NONE; /* op belongs to another record */
	return true;
}

/* Whether struct plain holds everything about a record. */
static __always_inline bool is_plain(const struct event *e) { return plain_only && !e->rec.weight && e->type == TYPE_DATA; }

/* Report a record that was not sent. The sums do not count it, and it represents no other record. */
static __always_inline void emit_unsent(struct event *e, u64 hidden)
{
	if (!has_stages(e))
		e->rec.stamp[1] = e->rec.stamp[2] = 0;
	e->rec.hidden = hidden;
	e->rec.skipped = 0;
	emit(e);
}

/* Report a record, or count it as left out by the filters or by sampling. */
static __always_inline void emit_record(struct event *e, u64 *hidden, struct sampler *s)
{
	if (is_hidden(e)) {
		__sync_fetch_and_add(hidden, 1);
		return;
	}
	if (e->rec.unsent) {
		emit_unsent(e, *hidden);
		return;
	}
	if (is_sampled_out(e, s)) {
		__sync_fetch_and_add(hidden, 1);
		count_sampled_out(s);
		return;
	}
	if (aggregate && !aggregate_record(e))
		return;
	e->rec.hidden = *hidden;
	take_weight(e, s);
	if (!emit(e))
		return_weight(e, s);
}

static __always_inline void set_socket(const struct conn *c, struct about_socket *s, u32 state)
{
	__builtin_memset(s, 0, sizeof(*s));
	s->state = state;
	s->time = bpf_ktime_get_ns();
	s->awaited = c->awaited;
	s->next[DIR_TX] = c->closing ? c->end_seq[DIR_TX] : read_seq(c->seq_tx);
	s->next[DIR_RX] = c->closing ? c->end_seq[DIR_RX] : read_seq(c->seq_rx);
	s->hidden[DIR_TX] = c->tx.rec.hidden;
	s->hidden[DIR_RX] = c->rx.rec.hidden;
	s->gen[DIR_TX] = c->tx.gen;
	s->gen[DIR_RX] = c->rx.gen;
	s->mode[DIR_TX] = c->tx.mode;
	s->mode[DIR_RX] = mode_of(c, DIR_RX) ? c->rx.mode : 0;
	s->skipped[DIR_TX] = c->sampler[DIR_TX].skipped;
	s->skipped[DIR_RX] = c->sampler[DIR_RX].skipped;
	s->probed = c->probed;
	s->blocked = c->blocked;
	s->open = c->open_bytes;
	s->cut = c->cut;
	s->ended = c->ended;
	s->notified[DIR_TX] = mode_of(c, DIR_TX) != TLS_BASE ? c->notified[DIR_TX] : NOTIFIED_NOT_KNOWN;
	s->notified[DIR_RX] = mode_of(c, DIR_RX) != TLS_BASE ? c->notified[DIR_RX] : NOTIFIED_NOT_KNOWN;
	if (state == STATE_CLOSE) /* its crypto contexts are freed */
		return;
	s->driver[DIR_TX] = driver_for(c, DIR_TX);
	s->driver[DIR_RX] = driver_for(c, DIR_RX);
}

/*
 * Report a connection. Its rekeys and its close are reported if its begin was. A global
 * function: the verifier checks it once, not at each call.
 */
__noinline int emit_socket(struct conn *c, u32 state, u32 dir, struct owner *who)
{
	struct event e;
	bool wanted;

	if (!c)
		return 0;
	e = c->tx;
	e.dir = dir;
	wanted = set_socket_owner(&e, who);
	set_default_owner(&c->tx, &e, wanted);
	set_default_owner(&c->rx, &e, wanted);
	if (state == STATE_FOUND || state == STATE_OPEN)
		c->reported |= conn_wanted(&e) && wanted;
	if (state == STATE_FOUND) { /* the kernel may not have written the modes yet: then the keys are still to be reported */
		c->key_reported[DIR_TX] = c->tx.mode != 0;
		c->key_reported[DIR_RX] = mode_of(c, DIR_RX) != 0;
	} else if (state != STATE_CLOSE) {
		c->key_reported[dir & 1] = 1;
	}
	if (!c->reported)
		return 0;
	if (state == STATE_FOUND && set_held(c, &e.held)) {
		e.kind = KIND_HELD;
		emit(&e);
	}
	e.kind = KIND_SOCKET;
	set_socket(c, &e.socket, state);
	emit(&e);
	return 0;
}

#endif
