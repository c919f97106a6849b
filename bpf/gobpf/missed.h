/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Keys that no hook saw. */
#ifndef GOBPF_MISSED_H
#define GOBPF_MISSED_H

#include "lookup.h"
#include "../ktls_failure.h"

/* Report a key that no hook saw. Its first record is seq. */
static __noinline void key_missed(struct conn *c, u8 dir, u64 seq)
{
	set_keys(c);
	if (dir == DIR_TX)
		c->tx.rec.start = seq;
	else
		c->rx.rec.start = seq;
	c->uncertain[dir & 1] = seq;
	emit_socket(c, STATE_OPEN, dir);
}

#endif
