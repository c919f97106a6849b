/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Hooks that the kernel skipped, and the keys and records that no hook saw. After a skipped
 * hook, the next one does its work as far as it can:
 *
 *   skipped            what stands in                                      what stays unknown
 *   sendmsg_enter      verdict_enter takes the end of the last record      queue
 *                      for the begin
 *   verdict_enter      push_enter, or else msg_free, takes the record      queue, encrypt,
 *                      over (take_over_record)                             plaintext
 *   push_enter         msg_free checks that TCP has it (is_handed_over)    encrypt
 *   msg_free           the next verdict_enter, msg_free or the close, by   push
 *                      the kernel's list of sealed records
 *   open_enter         open_exit starts the record                         wait, decrypt, plaintext
 *                                                                          on the direct path
 *   recvmsg_exit and   the next open_enter, or the close. If the same      deliver
 *   the like           thread reads next, both calls count as one
 *   set_sw_offload     the next record's first hook creates the            when
 *                      connection (conn_get) or sees its sequence go
 *                      back (key_missed)
 *   close_enter,       ctx_free, close_exit                                nothing
 *   free_tx, free_rx
 *   all of a close     the first record of the next socket at the address  when; until then the
 *                      (conn_current)                                      table has it
 *   all of a record    the next record or the close counts it as skipped   the record
 *                      (count_skipped), and the ledger shows a gap
 *
 * bpf_preempt_disable is no remedy: enabling preemption again reschedules inside the program.
 */
#ifndef KTLS_MISSED_H
#define KTLS_MISSED_H

#include "ktls_lookup.h"
#include "ktls_failure.h"

/* Report a key that no hook saw, see HOOK_TWICE. Its first record is seq. */
static __noinline void key_missed(struct conn *c, u8 dir, u64 seq)
{
	bool rekey = c->key_reported[dir & 1];

	set_keys(c);
	if (dir == DIR_TX) {
		begin_key(&c->tx, seq);
		c->tx.gen += rekey;
	} else {
		begin_key(&c->rx, seq);
		c->rx.gen += rekey;
	}
	c->next[dir & 1] = seq;
	begin_messages(c, dir, seq);
	emit_socket(c, rekey ? STATE_REKEY : STATE_OPEN, dir, 0);
	if (dir == DIR_RX)
		c->awaited = 0;
}

/* All records before seq were reported, except those whose hooks were all skipped: count these. */
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
 * The sequence of the record that begins now, or that has just been completed. Where
 * records are only counted and the kernel does not preempt itself, no hook is skipped and
 * counting is enough; reading the sequence would cost as much as the rest of the hook. For
 * the measured records it is read; they and the close show whether the count is right.
 */
static __always_inline u64 begin_seq(const struct conn *c, u32 dir, bool counted, bool completed)
{
	if (!preempts && counted)
		return c->next[dir & 1];
	return read_seq(dir == DIR_TX ? c->seq_tx : c->seq_rx) - completed;
}

/*
 * A record begins, maybe not with the expected sequence. It is one less if the last
 * attempt failed; if it is lower still, the direction has a new key.
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
