/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Reading the kernel's memory, with one accessor for each change of layout. */
#ifndef KTLS_KERNEL_H
#define KTLS_KERNEL_H

#include "ktls_types.h"

#define READ(dst, src) bpf_probe_read_kernel(&(dst), sizeof(dst), src)

/*
 * A field of a structure that a hook receives. The verifier lets fentry programs read it
 * directly; bpf/gobpf defines GIVEN and ARG in its own way.
 */
#ifndef GIVEN
#define GIVEN(p, field) ((p)->field)
#endif

/*
 * Argument n of the traced function. This is assembly because the compiler would turn a
 * choice between two arguments into arithmetic on the context pointer, which the verifier
 * refuses.
 */
#ifndef ARG
#define ARG(ctx, n) ({ u64 v_; \
	asm volatile("%0 = *(u64 *)(%1 + %2)" : "=r"(v_) : "r"(ctx), "i"((n) * 8)); v_; })
#endif

#ifdef __TARGET_ARCH_arm64
#define weak_order 1 /* the processor may execute a later read before an earlier one */
#else
#define weak_order 0
#endif

/*
 * Orders reads by an address dependency. after(order_of(v), p) returns the address p, and
 * no access through it happens before the read of v, because the address depends on v and
 * processors do not speculate on addresses. Kernels before 6.15 have no load-acquire for
 * BPF. Call order_of before comparing v: afterwards the compiler may substitute the value
 * that v is equal to.
 */
static __always_inline u64 order_of(u64 v)
{
	if (weak_order)
		asm volatile("%0 &= 0" : "+r"(v));
	return v;
}

static __always_inline void *after(u64 order, const void *p)
{
	if (weak_order)
		p += order;
	return (void *)p;
}

/* Copy a task's name. The kernel fills the rest of it with zeros (__set_task_comm). */
static __always_inline void set_comm(u64 to[2], const struct task_struct *t)
{
	const u64 *from = (const void *)&t->comm;

	to[0] = from[0];
	to[1] = from[1];
}

/* The tls_context of a socket whose ULP is tls (as tls_get_ctx). */
static __always_inline struct tls_context *tls_ctx_of(const void *sk)
{
	const struct inet_connection_sock *icsk = sk;

	return BPF_CORE_READ(icsk, icsk_ulp_data);
}

/* Address of a direction's record sequence, 8 big-endian bytes. */
static __always_inline u64 seq_addr(const struct cipher_context *cc)
{
	if (bpf_core_type_size(struct cipher_context) > 16)
		return (u64)&cc->rec_seq;
	return (u64)BPF_CORE_READ((const struct cipher_context___ptr *)cc, rec_seq);
}

/*
 * Length of a record's plaintext. Accessors take the kernel's pointer as an argument:
 * inside BPF_CORE_READ a field of our own structs would be relocated too.
 */
static __always_inline u32 rec_len(const struct tls_rec *rec)
{
	return BPF_CORE_READ(rec, msg_plaintext.sg.size);
}

#ifndef read_word
extern void *bpf_rdonly_cast(const void *obj, u32 btf_id) __ksym __weak;

const volatile u32 have_cast = 0; /* the kernel has bpf_rdonly_cast (from 6.2) */

/*
 * Read 8 bytes of the kernel's memory; requires have_cast. A pointer to a kernel type that
 * begins with a 64-bit number reads them in one instruction, where a helper call takes
 * eighty. The type has to be in vmlinux; the meaning of the bytes does not matter.
 */
static __always_inline u64 cast_word(u64 addr)
{
	return ((struct timespec64 *)bpf_rdonly_cast((void *)addr, bpf_core_type_id_kernel(struct timespec64)))->tv_sec;
}

/* The same on every kernel. */
static __always_inline u64 read_word(u64 addr)
{
	u64 v = 0;

	if (have_cast)
		return cast_word(addr);
	bpf_probe_read_kernel(&v, sizeof(v), (void *)addr);
	return v;
}
#endif

/* The kernel's flag for a sealed record that waits for TCP. */
static __always_inline bool is_sealed(u64 rec)
{
	return bpf_core_field_exists(((struct tls_rec *)0)->tx_ready) && (u32)read_word(rec + bpf_core_field_offset(struct tls_rec, tx_ready));
}

static __always_inline u64 read_seq(u64 addr) { return bpf_be64_to_cpu(read_word(addr)); }

/* The current system call's number. The task must be in one, and not be a kernel thread. */
static __always_inline s32 syscall_nr(void)
{
	const struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	const struct pt_regs___aarch64 *arm = (void *)regs;

	if (bpf_core_field_exists(arm->syscallno))
		return BPF_CORE_READ(arm, syscallno);
	return regs->orig_ax;
}

/* Whether the current task is a kernel thread that works for a program's io_uring. */
static __always_inline bool is_ring_worker(void) { return bpf_get_current_task_btf()->flags & PF_IO_WORKER; }

/* Whether the receive queue has data: a record, or the start of one. */
static __always_inline bool has_queued(u64 sk)
{
	return (u32)read_word(sk + bpf_core_field_offset(struct sock, sk_receive_queue.qlen));
}

static __always_inline u16 read_be16(u64 addr)
{
	u16 be = 0;

	bpf_probe_read_kernel(&be, sizeof(be), (void *)addr);
	return bpf_ntohs(be);
}

/* Set the socket and both ends in a struct event or a struct watch_event. */
#define SET_ADDRESSES(e, sk) do { \
	const struct sock *s_ = (sk); \
	(e)->cookie = BPF_CORE_READ(s_, __sk_common.skc_cookie.counter); \
	(e)->netns = BPF_CORE_READ(s_, __sk_common.skc_net.net, ns.inum); \
	(e)->lport = BPF_CORE_READ(s_, __sk_common.skc_num); \
	(e)->rport = bpf_ntohs(BPF_CORE_READ(s_, __sk_common.skc_dport)); \
	(e)->family = BPF_CORE_READ(s_, __sk_common.skc_family); \
	if ((e)->family == AF_INET) { \
		bpf_core_read((e)->laddr, 4, &s_->__sk_common.skc_rcv_saddr); \
		bpf_core_read((e)->raddr, 4, &s_->__sk_common.skc_daddr); \
	} else { \
		bpf_core_read((e)->laddr, 16, &s_->__sk_common.skc_v6_rcv_saddr); \
		bpf_core_read((e)->raddr, 16, &s_->__sk_common.skc_v6_daddr); \
	} \
} while (0)

/* Whether the name passed to TCP_ULP (tcp_set_ulp) is "tls". */
static __always_inline bool is_ulp_tls(u64 name)
{
	u32 word = 0;

	return !bpf_probe_read_kernel(&word, sizeof(word), (void *)name) && bpf_ntohl(word) == 0x746c7300;
}

/* The type byte in the header of the record that is being opened (tls_rx_msg_size). */
static __always_inline u8 outer_type(const struct tls_sw_context_rx *priv)
{
	return BPF_CORE_READ_BITFIELD_PROBED(priv, strp.mark);
}

/* strp_msg() and tls_msg() of include/net/tls.h. */
static __always_inline struct sk_skb_cb *skb_cb(const struct sk_buff *skb)
{
	return (struct sk_skb_cb *)&skb->cb;
}

static __always_inline const struct iovec *iter_iov(const struct iov_iter *i)
{
	const struct iov_iter___pre_6_4 *old = (const void *)i;

	if (bpf_core_field_exists(old->iov))
		return BPF_CORE_READ(old, iov);
	return BPF_CORE_READ(i, __iov);
}

#endif
