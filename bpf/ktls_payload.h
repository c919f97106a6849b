/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Copying plaintext from the three places where it can be: a scatterlist ring (send), the
 * fragments of an skb (receive, copied path) and the reader's own memory (receive, direct
 * path).
 */
#ifndef KTLS_PAYLOAD_H
#define KTLS_PAYLOAD_H

#include "ktls_kernel.h"
#include "ktls_event.h"

/*
 * Constants that translate the address of a struct page to that of the page: the start of
 * the direct map, the start of the array of struct page, and log2 of the page size
 * (pkg/loader/kernelmem.go). bpf/gobpf defines macros of these names.
 */
#ifndef page_offset_base
const volatile u64 page_offset_base = 0;
const volatile u64 vmemmap_base = 0;
const volatile u32 page_shift = 12;
#endif

static __always_inline u64 page_addr(u64 page)
{
	u64 size = bpf_core_type_size(struct page), nth = page - vmemmap_base;

	/* A division costs a dozen instructions. */
	return page_offset_base + ((size == 64 ? nth >> 6 : nth / size) << page_shift);
}

#define BEGINS_AS(type, first, second, third)                                                            \
	(bpf_core_field_offset(struct type, first) == 0 && bpf_core_field_offset(struct type, second) == 8 && \
	 bpf_core_field_offset(struct type, third) == 12)

/*
 * The common start of scatterlist, bio_vec and skb_frag, read at once: the page and two
 * numbers. For a scatterlist these are offset and length, for the others length and
 * offset.
 */
struct head { u64 page; u32 first, second; };

/* Returns zeros if the memory is unreadable. */
static __always_inline struct head read_head(u64 from)
{
	struct head h = {};
	u64 numbers;

	if (have_cast) {
		numbers = cast_word(from + 8);
		return (struct head){ cast_word(from), numbers, numbers >> 32 };
	}
	bpf_probe_read_kernel(&h, sizeof(h), (void *)from);
	return h;
}

static __always_inline bool read_sg(struct head *h, u64 sg)
{
	if (!BEGINS_AS(scatterlist, page_link, offset, length))
		return false;
	*h = read_head(sg);
	h->page &= ~3ULL;
	return h->page;
}

enum source_kind { SRC_SG, SRC_SKB, SRC_UBUF, SRC_IOVEC, SRC_BVEC };

/*
 * A plaintext as a list of pieces; at is the index of the next one. It is stored in a map,
 * not on the stack: the verifier tracks stack values so closely that a loop over them
 * never converges (6.12).
 */
struct source {
	u64 base;  /* address of the array of pieces, or of the bytes (SRC_UBUF) */
	u32 at;
	u32 wrap;  /* SRC_SG: the ring's size, in bytes */
	u64 skip;  /* bytes to skip before the plaintext */
	u32 kind;
	u32 want;  /* bytes left to copy */
	u32 done;
	u32 bad;
	u64 addr;  /* the current piece */
	u64 left;  /* 0: fetch the next piece */
	u64 skb;   /* SRC_SKB: linear part first */
};

/* Arguments of the copy loop. */
struct copy {
	struct source *from;
	struct payload *to;
};

/* A piece at address 0, which is unreadable and is counted as such. */
static __always_inline void next_unknown(struct source *s)
{
	s->addr = 0;
	s->left = ~0U;
}

static __always_inline void next_sg(struct source *s)
{
	struct head h;

	if (!read_sg(&h, s->base + (u64)s->at * bpf_core_type_size(struct scatterlist))) {
		next_unknown(s);
		return;
	}
	s->addr = page_addr(h.page) + h.first;
	s->left = h.second;
	if (++s->at * bpf_core_type_size(struct scatterlist) == s->wrap)
		s->at = 0;
}

static __always_inline void next_head(struct source *s, u32 size)
{
	struct head h = read_head(s->base + (u64)s->at * size);

	s->addr = page_addr(h.page) + h.second;
	s->left = h.first;
	s->at++;
}

static __always_inline void next_bvec(struct source *s)
{
	if (bpf_core_type_exists(struct bio_vec) && BEGINS_AS(bio_vec, bv_page, bv_len, bv_offset))
		next_head(s, bpf_core_type_size(struct bio_vec));
	else
		next_unknown(s);
}

static __always_inline void next_frag(struct source *s)
{
	const struct sk_buff *skb = (void *)s->skb;

	if (bpf_core_field_exists(skb->data_len) && s->skb) { /* the linear part */
		s->addr = (u64)BPF_CORE_READ(skb, data);
		s->left = BPF_CORE_READ(skb, len) - BPF_CORE_READ(skb, data_len);
		s->skb = 0;
	} else if (!bpf_core_type_exists(struct skb_frag)) {
		next_bvec(s);
	} else if (BEGINS_AS(skb_frag, netmem, len, offset)) {
		next_head(s, bpf_core_type_size(struct skb_frag));
	} else {
		next_unknown(s);
	}
}

static __always_inline void next_iovec(struct source *s)
{
	struct iovec v = {};

	bpf_probe_read_kernel(&v, sizeof(v), (void *)(s->base + (u64)s->at * sizeof(v)));
	s->addr = (u64)v.iov_base;
	s->left = v.iov_len;
	s->at++;
}

static __always_inline void skip_bytes(struct source *s)
{
	u64 n = s->skip < s->left ? s->skip : s->left;

	s->addr += n;
	s->left -= n;
	s->skip -= n;
}

static __always_inline void next_piece(struct source *s)
{
	switch (s->kind) {
	case SRC_SG:
		next_sg(s);
		break;
	case SRC_SKB:
		next_frag(s);
		break;
	case SRC_IOVEC:
		next_iovec(s);
		break;
	case SRC_BVEC:
		next_bvec(s);
		break;
	default: /* SRC_UBUF: one piece */
		s->addr = s->base;
		s->left = ~0U;
	}
	skip_bytes(s);
}

static __always_inline int read_piece(void *dst, u32 n, const struct source *s)
{
	if (s->kind == SRC_UBUF || s->kind == SRC_IOVEC)
		return bpf_probe_read_user(dst, n, (void *)s->addr);
	return bpf_probe_read_kernel(dst, n, (void *)s->addr);
}

/* Skip n bytes of the plaintext that were read. */
static __always_inline void advance(struct source *s, u64 n)
{
	s->addr += n;
	s->left -= n;
	s->done += n;
	s->want -= n;
}

/*
 * One step of the copy: fetch a piece if needed, and copy up to STEP bytes of it. The
 * reservation is STEP bytes longer than CAP, so the verifier can see that any offset below
 * CAP plus any step stays inside.
 */
#define DEFINE_COPY(CAP, STEP)                                                      \
static long copy_step_##CAP(u32 i, struct copy *c)                                  \
{                                                                                   \
	struct source *s = c->from;                                                 \
	u64 off = s->done, n;                                                       \
                                                                                    \
	if (!s->left)                                                               \
		next_piece(s);                                                      \
	n = s->left;                                                                \
	if (n > s->want)                                                            \
		n = s->want;                                                        \
	if (n > STEP)                                                               \
		n = STEP;                                                           \
	if (off >= CAP)                                                             \
		return 1;                                                           \
	if (read_piece(c->to->data + off, n, s)) {                                 \
		s->bad = 1;                                                         \
		return 1;                                                           \
	}                                                                           \
	advance(s, n);                                                                \
	return !s->want;                                                            \
}

/*
 * One step for each piece, and for each STEP bytes of it. readv takes 1024 buffers, and a
 * buffer can be a single byte.
 */
#define COPY_STEPS 20000

#endif
