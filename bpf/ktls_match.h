/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The expression of --match. pkg/loader compiles it and replaces the bodies of
 * match_event, match_slices and match_at with the result. They are global functions, so
 * that the verifier checks each of them once and not at every call.
 */
#ifndef KTLS_MATCH_H
#define KTLS_MATCH_H

#include "ktls_payload.h"

const volatile u32 matching = 0;      /* there is an expression */
const volatile u32 match_payload = 0; /* bits of the tests that examine the plaintext */
const volatile u32 match_search = 0;  /* those of them that search it */

/*
 * When match_event runs: before the plaintext is examined, before it is copied, and when
 * the event is complete. In the first two stages it ignores terms whose values are not
 * known yet.
 */
enum match_stage { MATCH_HEAD, MATCH_PLAINTEXT, MATCH_DONE };
enum match_answer { MATCH_NO, MATCH_YES, MATCH_ASK };

#define MATCH_WINDOW 256 /* bytes of the plaintext that tests can see */
#define MATCH_BUFFERS 4

/*
 * A buffer with the first bytes of a plaintext while they are tested. They never leave the
 * kernel. Each CPU has several, because a task can be preempted while it uses one.
 */
struct match_buffer {
	u32 busy;
	u32 hits;
	struct source src;
	u32 len, pad;
	u8 head[sizeof(struct payload)]; /* with data, a struct payload for the copy step */
	u8 data[2 * MATCH_WINDOW]; /* the copy step needs the room after the window */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MATCH_BUFFERS);
	__type(key, u32);
	__type(value, struct match_buffer);
} match_buffers SEC(".maps");

/* Hides the return value of a stub from the compiler. */
#define STUB_RETURNS(v) int ret_ = (v); asm volatile("" : "+r"(ret_)); return ret_

__noinline int match_event(struct event *e, u32 stage)
{
	asm volatile("" :: "r"(e), "r"(stage));
	STUB_RETURNS(MATCH_YES);
}

/* Returns a bit for each slice test that matches. */
__noinline int match_slices(struct match_buffer *l)
{
	asm volatile("" :: "r"(l));
	STUB_RETURNS(0);
}

/*
 * Returns a bit for each needle found at the start of 16 bytes, of which the first left
 * bytes are plaintext.
 */
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

/* Runs the tests on the plaintext. Tests of bytes that are not there do not match. */
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
