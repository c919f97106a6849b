/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the kprobe build does in its own way in the middle of ktls_plaintext.h and of the hooks. */
#ifndef KTLS_KPROBE_COPY_H
#define KTLS_KPROBE_COPY_H

#include "ktls_payload.h"

DEFINE_COPY(16384, 4096)

/*
 * Callbacks need type information of their own, so this is a plain loop, which
 * the verifier walks step by step: enough for as many pieces as a record sent
 * or received has (17 and the linear part), not for every readv.
 */
#define KPROBE_COPY_STEPS 44

static __noinline void copy_payload_to_ring(struct event *e, struct source *s)
{
	struct outbox *o = my_outbox();
	u32 zero = 0;
	struct bounce *b = bpf_map_lookup_elem(&bounce, &zero);
	struct payload *p;
	struct copy c;

	if (!o || !b)
		return;
	p = (void *)b->payload;
	c.from = s;
	c.to = p;
	for (u32 i = 0; i < KPROBE_COPY_STEPS; i++)
		if (copy_step_16384(i, &c))
			break;
	if (s->bad || s->want) { /* want: more pieces than steps */
		count_lost(LOST_PAYLOAD_UNREADABLE, e->dir);
		return;
	}
	b->head.sent = bpf_ktime_get_ns();
	b->head.what = SAMPLE_PAYLOAD;
	p->conn = e->conn;
	p->seq = e->seq;
	p->begun = e->stamp[1];
	p->gen = e->gen;
	p->len = s->done;
	p->dir = e->dir;
	o->payload = s->done;
	e->flags |= FLAG_PAYLOAD;
}

/*
 * The number of the system call lies at the far end of the task's stack, on
 * which the traced function runs.
 */
static __always_inline u8 send_op(u8 flags)
{
	struct outbox *o = my_outbox();
	u64 top;
	s32 nr = 0;

	if (!o || flags & FLAG_KTHREAD)
		return OP_SEND;
	top = (o->sp & ~(SETTING(stack_size) - 1)) + SETTING(stack_size);
	bpf_probe_read_kernel(&nr, sizeof(nr), (void *)(top - SETTING(orig_ax_back)));
	if (nr == nr_sendfile)
		return OP_SENDFILE;
	return nr == nr_splice ? OP_SPLICE : OP_SEND;
}

/* Whether this task is the one to tell of the record that was opened. */
static __always_inline bool rx_taken(struct conn *c, u32 was);

/*
 * Another reader may take c->rx over right now. Only who changes the state tells
 * of the record, and its place among the samples is taken before.
 */
static __always_inline int call_returns(u64 sk, u8 op)
{
	struct conn *c = conn_lookup(sk);
	struct outbox *o = my_outbox();
	struct event_sample *s;
	u32 was;

	if (!c || !o)
		return 0;
	was = *(volatile u32 *)&c->rx_state;
	if ((was & RX_STATE) != RX_OPENED || !is_current(&c->rx))
		return 0;
	s = next_sample(o, &c->rx);
	if (!s)
		return 0;
	s->event = c->rx;
	if (is_hidden(&s->event)) {
		/* Before another reader's record can leave without it. */
		__sync_fetch_and_add(&c->rx.hidden, 1);
		if (!rx_taken(c, was))
			__sync_fetch_and_add(&c->rx.hidden, -1);
		return 0;
	}
	if (!rx_taken(c, was))
		return 0;
	s->event.stamp[3] = bpf_ktime_get_ns();
	s->event.op = op;
	o->n++;
	return 0;
}

/* User space looks for what was set aside when it hears of the close. */
static __always_inline void flush_set_aside(struct conn *c) {}

#endif
