/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The expression of --match. pkg/loader compiles it and puts the code in the
 * place of the three functions match_event, match_slices and match_at. They are
 * global, so that the verifier looks at each once and not at every call.
 */
#ifndef KTLS_MATCH_H
#define KTLS_MATCH_H

#include "ktls_payload.h"

const volatile u32 matching = 0;      /* there is an expression */
const volatile u32 match_payload = 0; /* it tests the plaintext: one bit for each test */
const volatile u32 match_search = 0;  /* those of them that search it */

/*
 * When match_event is asked: before the plaintext is looked at, before it is
 * copied, and when the event is complete. Before that it leaves out what is not
 * known yet.
 */
enum match_stage { MATCH_HEAD, MATCH_PLAINTEXT, MATCH_DONE };
enum match_answer { MATCH_NO, MATCH_YES, MATCH_ASK };

#define MATCH_WINDOW 256 /* bytes of the plaintext that tests see */
#define MATCH_BUFFERS 4

/*
 * A plaintext's first bytes, while they are tested. They stay in here. A task
 * can lose the processor in the middle of it, so that there are some for each.
 */
struct match_buffer {
	u32 busy;
	u32 hits;
	struct source src;
	u32 len, pad;
	u8 head[sizeof(struct payload)]; /* with data a struct payload, as the copying wants it */
	u8 data[2 * MATCH_WINDOW]; /* the copy's steps need the room behind */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MATCH_BUFFERS);
	__type(key, u32);
	__type(value, struct match_buffer);
} match_buffers SEC(".maps");

/* The compiler must not know what a stub returns. */
#define STUB_RETURNS(v) int ret_ = (v); asm volatile("" : "+r"(ret_)); return ret_

__noinline int match_event(struct event *e, u32 stage)
{
	asm volatile("" :: "r"(e), "r"(stage));
	STUB_RETURNS(MATCH_YES);
}

/* One bit for each test of a slice that holds. */
__noinline int match_slices(struct match_buffer *l)
{
	asm volatile("" :: "r"(l));
	STUB_RETURNS(0);
}

/* One bit for each needle that 16 bytes begin with; left of them are plaintext. */
__noinline int match_at(u64 low, u64 high, u32 left)
{
	asm volatile("" :: "r"(low), "r"(high), "r"(left));
	STUB_RETURNS(0);
}

static __always_inline bool match_record(struct event *e)
{
	int answer;

	if (!matching)
		return true;
	answer = match_event(e, MATCH_DONE);
	e->rec.matched = answer == MATCH_YES;
	return answer != MATCH_NO;
}

static __always_inline struct match_buffer *match_buffer_get(void)
{
	struct match_buffer *l;
	u32 i;

#pragma unroll
	for (i = 0; i < MATCH_BUFFERS; i++) {
		u32 key = i;

		l = bpf_map_lookup_elem(&match_buffers, &key);
		if (l && !__sync_val_compare_and_swap(&l->busy, 0, 1))
			return l;
	}
	return 0;
}

struct search { struct match_buffer *match_buffer; };

static long search_step(u32 i, struct search *s)
{
	struct match_buffer *l = s->match_buffer;
	u32 len = l->len;

	if (i >= MATCH_WINDOW || i >= len || l->hits == match_search)
		return 1;
	l->hits |= match_at(*(u64 *)(l->data + i), *(u64 *)(l->data + i + 8), len - i);
	return 0;
}

/* Tests the plaintext; what cannot be read passes no test. */
static __always_inline u16 match_buffer_hits(struct match_buffer *l)
{
	struct search s = { l };
	u16 hits;

	l->hits = 0;
	l->len = l->src.done;
	hits = match_slices(l);
	if (match_search)
		bpf_loop(MATCH_WINDOW, search_step, &s, 0);
	return hits | l->hits;
}

#endif
