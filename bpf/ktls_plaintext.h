/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Testing the plaintext of an event, and copying it to user space. */
#ifndef KTLS_PLAINTEXT_H
#define KTLS_PLAINTEXT_H

#include "ktls_report.h"

DEFINE_COPY(256, 256)
DEFINE_COPY(1024, 256)
DEFINE_COPY(4096, 1024)
DEFINE_COPY(8192, 2048)
DEFINE_COPY(16384, 4096)

/*
 * Copy into the smallest of five reservations, because the size of a reservation must be a
 * constant. The current piece has n bytes.
 */
#define COPY(CAP, STEP, e, s) do {                                                    \
	struct payload *p = bpf_ringbuf_reserve(&payloads, sizeof(*p) + CAP + STEP, 0); \
	if (!p) {                                                                     \
		count_lost(LOST_PAYLOAD_RING_FULL, (e)->dir);                          \
		return;                                                               \
	}                                                                             \
	if (n > CAP)                                                                  \
		n = CAP;                                                              \
	(s)->bad = read_piece(p->data, n, s) != 0;                                    \
	if (n < all && !(s)->bad) {                                                   \
		advance(s, n);                                                          \
		c.from = s;                                                           \
		c.to = p;                                                             \
		bpf_loop(COPY_STEPS, copy_step_##CAP, &c, 0);                         \
		(s)->bad |= (s)->want;                                                \
	}                                                                             \
	if ((s)->bad) {                                                               \
		bpf_ringbuf_discard(p, BPF_RB_NO_WAKEUP);                             \
		count_lost(LOST_PAYLOAD_UNREADABLE, (e)->dir);                         \
		return;                                                               \
	}                                                                             \
	p->conn = (e)->conn;                                                          \
	p->seq = (e)->rec.seq;                                                            \
	p->begun = (e)->rec.stamp[1];                                                     \
	p->gen = (e)->gen;                                                            \
	p->len = all;                                                                 \
	p->dir = (e)->dir;                                                            \
	bpf_ringbuf_submit(p, BPF_RB_NO_WAKEUP);                                      \
	(e)->flags |= FLAG_PAYLOAD;                                                   \
} while (0)

/* Most plaintexts are one piece, which is copied without a loop. */
static __noinline void copy_payload_to_ring(struct event *e, struct source *s)
{
	u32 all = s->want;
	struct copy c;
	u64 n;

	if (!s->left)
		next_piece(s);
	n = s->left < all ? s->left : all;
	if (all <= 256)
		COPY(256, 256, e, s);
	else if (all <= 1024)
		COPY(1024, 256, e, s);
	else if (all <= 4096)
		COPY(4096, 1024, e, s);
	else if (all <= 8192)
		COPY(8192, 2048, e, s);
	else
		COPY(16384, 4096, e, s);
}

static __always_inline bool wants_payload(const struct event *e)
{
	return snaplen && !(e->flags & FLAG_HIDDEN) && (!aggregate || e->conn == stream_conn) && !skips_plaintext(e);
}

static __always_inline void copy_payload(struct event *e, struct source *s)
{
	if (!e->rec.len || !wants_payload(e))
		return;
	s->want = e->rec.len < snaplen ? e->rec.len : snaplen;
	copy_payload_to_ring(e, s);
}

/* Run the plaintext tests and set the event's hits. s is not changed. */
static __noinline void test_plaintext(struct event *e, struct source *s)
{
	struct match_buffer *l = match_buffer_get();
	struct copy c;

	if (!l) {
		count_lost(LOST_PAYLOAD_UNREADABLE, e->dir);
		return;
	}
	l->src = *s;
	l->src.want = e->rec.len < MATCH_WINDOW ? e->rec.len : MATCH_WINDOW;
	c.from = &l->src;
	c.to = (void *)l->head;
	bpf_loop(COPY_STEPS, copy_step_256, &c, 0);
	if (l->src.bad)
		count_lost(LOST_PAYLOAD_UNREADABLE, e->dir);
	else
		e->rec.hits = match_buffer_hits(l);
	l->busy = 0;
}

/* Whether the expression can still match, as far as it is known before the record leaves. */
static __always_inline bool may_match(struct event *e, struct source *s)
{
	if (!matching || (e->flags & FLAG_HIDDEN))
		return true;
	if (!match_event(e, MATCH_HEAD))
		return false;
	if (!match_payload)
		return true;
	test_plaintext(e, s);
	return match_event(e, MATCH_PLAINTEXT);
}

/* Test the plaintext, and copy it if it is wanted. */
static __always_inline void take_plaintext(struct event *e, struct source *s)
{
	if (may_match(e, s))
		copy_payload(e, s);
}

static __always_inline bool needs_plaintext(void) { return snaplen || match_payload; }

#endif
