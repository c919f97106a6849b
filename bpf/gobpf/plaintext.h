/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Copying the plaintext of an event into the CPU's bounce buffer. */
#ifndef GOBPF_PLAINTEXT_H
#define GOBPF_PLAINTEXT_H

#include "missed.h"

DEFINE_COPY(16384, 4096)

/*
 * bpf_loop callbacks need type information, so this is a plain loop that the verifier
 * unrolls step by step. It covers the pieces of a sent or received record (17 and the
 * linear part), but not every readv.
 */
#define KPROBE_COPY_STEPS 44

static __noinline void copy_payload_to_bounce(struct event *e, struct source *s)
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
	p->seq = e->rec.seq;
	p->begun = e->rec.stamp[1];
	p->gen = e->gen;
	p->len = s->done;
	p->dir = e->dir;
	o->payload = s->done;
	e->flags |= FLAG_PAYLOAD;
}

static __always_inline bool wants_payload(const struct event *e) { return snaplen && !(e->flags & FLAG_HIDDEN); }

static __always_inline void copy_payload(struct event *e, struct source *s)
{
	if (!e->rec.len || !wants_payload(e))
		return;
	s->want = e->rec.len < snaplen ? e->rec.len : snaplen;
	copy_payload_to_bounce(e, s);
}

static __always_inline bool is_control(const struct event *e)
{
	return can_read_plaintext && (e->type == TYPE_ALERT || e->type == TYPE_HANDSHAKE);
}

/*
 * Read the first bytes of an alert or a handshake record, unless a message may continue in
 * the record: after another handshake record, and where the trace begins. Following
 * messages would take a loop.
 */
static __always_inline void set_control(struct conn *c, struct event *e, struct source *s)
{
	u32 need = e->type == TYPE_ALERT ? 2 : 1; /* level and description; message type */
	u64 *uncertain = &c->uncertain[e->dir & 1];
	bool unknown = e->type == TYPE_HANDSHAKE && e->rec.seq && e->rec.seq == *uncertain;

	__builtin_memset(e->rec.ctl, 0, sizeof(e->rec.ctl));
	e->rec.messages = e->rec.message_bits = 0;
	if (e->type == TYPE_HANDSHAKE)
		*uncertain = e->rec.seq + 1;
	if (unknown || e->rec.len < need)
		return;
	next_piece(s);
	if (!s->left)
		next_piece(s);
	/* A record whose two bytes are in two pieces is reported without them. */
	if (s->left >= need && !read_piece(e->rec.ctl, need, s))
		e->flags |= FLAG_CONTROL;
}

#endif
