/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What went wrong: failures of the kernel's TLS code, and hooks that it skipped. */
#ifndef KTLS_MISSED_H
#define KTLS_MISSED_H

#include "ktls_lookup.h"
#include "ktls_failure.h"

/* This direction has a key that no hook saw, see TWIN. It begins with the record seq. */
static __noinline void key_missed(struct conn *c, u8 dir, u64 seq)
{
	bool rekey = c->key_reported[dir & 1];

	set_keys(c);
	if (dir == DIR_TX) {
		c->tx.rec.start = seq;
		c->tx.gen += rekey;
	} else {
		c->rx.rec.start = seq;
		c->rx.gen += rekey;
	}
	c->next[dir & 1] = seq;
	begin_messages(c, dir, seq);
	emit_socket(c, rekey ? STATE_REKEY : STATE_OPEN, dir, 0);
	if (dir == DIR_RX)
		c->awaited = 0;
}

/* The records before seq have been told of, but those for which each hook was skipped. */
static __always_inline void count_skipped(struct conn *c, u32 dir, u64 seq)
{
	__s64 more = seq - c->next[dir & 1]; /* sequences wrap (RFC 5246 section 6.1) */

	if (more > 0) {
		add_lost(lost_as(LOST_SKIPPED, dir), more);
		begin_messages(c, dir, seq);
		if (c->notified[dir & 1] == NOTIFIED_NO)
			c->notified[dir & 1] = NOTIFIED_NOT_KNOWN;
	}
	c->next[dir & 1] = seq;
}

/*
 * The sequence of the record that begins now, or that is made. Where only the sum of records is told,
 * and the kernel preempts itself not, so that no hook is skipped, counting them is
 * enough, since reading costs what the rest of a hook does there; one of some is read.
 */
static __always_inline u64 begin_seq(const struct conn *c, u32 dir, bool counted, bool completed)
{
	if (!preempts && counted)
		return c->next[dir & 1];
	return read_seq(dir == DIR_TX ? c->seq_tx : c->seq_rx) - completed;
}

/*
 * A record begins whose sequence may not be the one that is due. It is one less
 * where the last attempt came to nothing; what goes further back has a new key.
 */
static __always_inline void begin_record_at(struct conn *c, u32 dir, u64 seq)
{
	__s64 more = seq - c->next[dir & 1];

	if (!c->key_reported[dir & 1] || more < -1)
		key_missed(c, dir, seq);
	else if (more > 0)
		count_skipped(c, dir, seq);
}

#endif
