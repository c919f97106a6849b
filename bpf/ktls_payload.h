/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Copying plaintext out of the three places where it lies: a scatterlist ring
 * (send), an skb's fragments (receive, copied path) and the reader's own
 * memory (receive, direct path).
 */
#ifndef KTLS_PAYLOAD_H
#define KTLS_PAYLOAD_H

#include "ktls_kernel.h"
#include "ktls_event.h"

/* Variables of the kernel that translate a struct page to its address (x86-64). */
#ifndef KTLSTOP_KPROBE
const volatile u64 page_offset_base = 0;
const volatile u64 vmemmap_base = 0;
#endif

static __always_inline u64 page_addr(u64 page)
{
	return page_offset_base + (page - vmemmap_base) / bpf_core_type_size(struct page) * PAGE_SIZE;
}

static __always_inline u64 sg_addr(const struct scatterlist *sg)
{
	return page_addr(BPF_CORE_READ(sg, page_link) & ~3ULL) + BPF_CORE_READ(sg, offset);
}

enum source_kind { SRC_SG, SRC_SKB, SRC_UBUF, SRC_IOVEC, SRC_BVEC };

/*
 * A plaintext as a list of pieces; at is the next piece's index. It lies in a
 * map, not on the stack: the verifier follows values on the stack so closely
 * that a loop over them never converges (6.12).
 */
struct source {
	u64 base;  /* address of the array of pieces, or of the bytes (SRC_UBUF) */
	u32 at;
	u32 wrap;  /* SRC_SG: the ring's size */
	u64 skip;  /* bytes to skip before the plaintext */
	u32 kind;
	u32 want;  /* bytes still to copy */
	u32 done;
	u32 bad;
	u64 addr;  /* the present piece */
	u64 left;
	u64 skb;   /* SRC_SKB: linear part first */
};

/* What the copying loop works on. */
struct copy {
	struct source *from;
	struct payload *to;
};

static __always_inline void next_sg(struct source *s)
{
	const struct scatterlist *p = (void *)(s->base + (u64)s->at * bpf_core_type_size(struct scatterlist));

	s->addr = sg_addr(p);
	s->left = BPF_CORE_READ(p, length);
	if (++s->at == s->wrap)
		s->at = 0;
}

static __always_inline void next_bvec(struct source *s)
{
	struct bio_vec v = {};
	const struct bio_vec *p = (void *)(s->base + (u64)s->at * bpf_core_type_size(struct bio_vec));

	bpf_core_read(&v.bv_page, sizeof(v.bv_page), &p->bv_page);
	bpf_core_read(&v.bv_len, sizeof(v.bv_len), &p->bv_len);
	bpf_core_read(&v.bv_offset, sizeof(v.bv_offset), &p->bv_offset);
	s->addr = page_addr((u64)v.bv_page) + v.bv_offset;
	s->left = v.bv_len;
	s->at++;
}

static __always_inline void next_frag(struct source *s)
{
	const struct skb_frag *p;
	const struct sk_buff *skb = (void *)s->skb;

	if (bpf_core_field_exists(skb->data_len) && s->skb) { /* the linear part */
		s->addr = (u64)BPF_CORE_READ(skb, data);
		s->left = BPF_CORE_READ(skb, len) - BPF_CORE_READ(skb, data_len);
		s->skb = 0;
		return;
	}
	if (!bpf_core_type_exists(struct skb_frag)) {
		next_bvec(s);
		return;
	}
	p = (void *)(s->base + (u64)s->at * bpf_core_type_size(struct skb_frag));
	s->addr = page_addr(BPF_CORE_READ(p, netmem)) + BPF_CORE_READ(p, offset);
	s->left = BPF_CORE_READ(p, len);
	s->at++;
}

static __always_inline void next_iovec(struct source *s)
{
	struct iovec v = {};

	bpf_probe_read_kernel(&v, sizeof(v), (void *)(s->base + (u64)s->at * sizeof(v)));
	s->addr = (u64)v.iov_base;
	s->left = v.iov_len;
	s->at++;
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
		if (bpf_core_type_exists(struct bio_vec))
			next_bvec(s);
		else
			s->left = ~0U; /* at address 0: unreadable, and counted as such */
		break;
	default: /* SRC_UBUF: one piece */
		s->addr = s->base;
		s->left = ~0U;
	}
	if (s->skip) {
		u64 n = s->skip < s->left ? s->skip : s->left;

		s->addr += n;
		s->left -= n;
		s->skip -= n;
	}
}

static __always_inline int read_piece(void *dst, u32 n, const struct source *s)
{
	if (s->kind == SRC_UBUF || s->kind == SRC_IOVEC)
		return bpf_probe_read_user(dst, n, (void *)s->addr);
	return bpf_probe_read_kernel(dst, n, (void *)s->addr);
}

/*
 * One step of the copy: fetch a piece or copy up to STEP bytes of it. The
 * reservation is STEP bytes longer than CAP, so that any offset below CAP plus
 * any step stays inside of it, which is what the verifier can see.
 */
#define DEFINE_COPY(CAP, STEP)                                                      \
static long copy_step_##CAP(u32 i, struct copy *c)                                  \
{                                                                                   \
	struct source *s = c->from;                                                 \
	u64 off = s->done, n = s->left;                                             \
                                                                                    \
	if (!s->want)                                                               \
		return 1;                                                           \
	if (!n) {                                                                   \
		next_piece(s);                                                      \
		return 0;                                                           \
	}                                                                           \
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
	s->addr += n;                                                               \
	s->left -= n;                                                               \
	s->done += n;                                                               \
	s->want -= n;                                                               \
	return 0;                                                                   \
}

/* A fetch and a copy for each piece: readv takes 1024 buffers, and a buffer can be one byte. */
#define COPY_STEPS 40000

#endif
