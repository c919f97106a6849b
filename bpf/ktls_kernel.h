/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The kernel's types as far as the programs read them. CO-RE relocates every
 * access against the running kernel (vmlinux and tls.ko), so order and size do
 * not matter here, names do. One accessor for each change of layout; newest
 * layout first, older ones as ___flavours.
 */
#ifndef KTLS_KERNEL_H
#define KTLS_KERNEL_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;

#define AF_INET 2
#define AF_INET6 10
#define EEXIST 17
#define EINPROGRESS 115
#define EKEYEXPIRED 127
#define IPPROTO_TCP 6
#define MSG_MORE 0x8000
#define MSG_SENDPAGE_NOTLAST 0x20000
#define MSG_SPLICE_PAGES 0x8000000
#define PF_KTHREAD 0x00200000
#define TLS_BASE 0
#define TLS_SW 1
#define TLS_1_3 0x0304
#define TLS_HW 2
#define TLS_RX_EXPECT_NO_PAD 4
#define PAGE_SIZE 4096

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head { struct list_head *next, *prev; };
struct page { unsigned long flags; };
struct in6_addr { union { u8 u6_addr8[16]; } in6_u; };
struct ns_common { unsigned int inum; };
struct net { struct ns_common ns; };
typedef struct { struct net *net; } possible_net_t;
typedef struct { long long counter; } atomic64_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	u16 skc_num;
	unsigned short skc_family;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
};
struct sock {
	struct sock_common __sk_common;
	u16 sk_protocol;
	u16 sk_type;
	int sk_err;
	void *sk_user_data;
};
struct socket { struct sock *sk; };
struct tcp_ulp_ops { char name[16]; };
struct inet_connection_sock {
	const struct tcp_ulp_ops *icsk_ulp_ops;
	void *icsk_ulp_data;
};

struct scatterlist { unsigned long page_link; unsigned int offset; unsigned int length; };
struct sk_msg_sg { u32 start; u32 curr; u32 end; u32 size; struct scatterlist data[19]; };
struct sk_msg { struct sk_msg_sg sg; };

struct tls_crypto_info { u16 version; u16 cipher_type; };
union tls_crypto_context { struct tls_crypto_info info; };
struct tls_prot_info { u16 version; u16 cipher_type; };
struct cipher_context { char rec_seq[8]; };
/* 6.1 has pointers here, 6.12 the bytes themselves. */
struct cipher_context___ptr { char *rec_seq; };
struct tls_context {
	struct tls_prot_info prot_info;
	u8 tx_conf: 3;
	u8 rx_conf: 3;
	u8 zerocopy_sendfile: 1;
	u8 rx_no_pad: 1;
	void *priv_ctx_tx;
	void *priv_ctx_rx;
	struct cipher_context tx;
	struct cipher_context rx;
	union tls_crypto_context crypto_send;
	union tls_crypto_context crypto_recv;
};
struct aead_request { u32 assoclen; struct scatterlist *dst; };
struct tls_decrypt_ctx { struct sock *sk; u8 aad[13]; };
struct tls_rec {
	struct list_head list;
	int tx_ready;
	struct sk_msg msg_plaintext;
	char content_type;
	struct sock *sk;
	struct aead_request aead_req;
};
struct tls_sw_context_tx { struct tls_rec *open_rec; struct list_head tx_list; };
struct crypto_async_request { void *data; };

struct tls_strparser { struct sock *sk; u32 mark: 8; bool msg_ready; };
struct tls_sw_context_rx { struct tls_strparser strp; };
struct strp_msg { int full_len; int offset; };
struct _strp_msg { struct strp_msg strp; };
struct tls_msg { u8 control; };
struct sk_skb_cb { struct _strp_msg strp; struct tls_msg tls; };
struct sk_buff {
	unsigned int len, data_len;
	char cb[48];
	unsigned int end;
	unsigned char *head, *data;
};
struct tls_decrypt_arg { bool zc; bool async; struct sk_buff *skb; };

/* 6.1: an skb fragment is a struct bio_vec; 6.12: a struct skb_frag. */
struct skb_frag { unsigned long netmem; unsigned int len; unsigned int offset; };
struct bio_vec { struct page *bv_page; unsigned int bv_len; unsigned int bv_offset; };
struct skb_shared_info { u8 nr_frags; struct sk_buff *frag_list; struct bio_vec frags[17]; };

struct timespec64 { long long tv_sec; };

struct iovec { void *iov_base; unsigned long iov_len; };
struct iov_iter {
	u8 iter_type;
	unsigned long iov_offset;
	unsigned long nr_segs;
	const struct iovec *__iov;
	const struct bio_vec *bvec;
	void *ubuf;
};
/* 6.1: iov; 6.12: __iov. */
struct iov_iter___pre_6_4 { const struct iovec *iov; };
enum iter_type { ITER_UBUF, ITER_IOVEC, ITER_BVEC };
struct msghdr { unsigned int msg_flags; struct iov_iter msg_iter; };

typedef struct { unsigned int val; } kuid_t;
struct cred { kuid_t uid; };
struct kernfs_node { u64 id; };
struct cgroup { struct kernfs_node *kn; };
struct css_set { struct cgroup *dfl_cgrp; };
struct task_struct {
	u32 pid;
	u32 tgid;
	unsigned int flags;
	char comm[16];
	const struct cred *cred;
	struct css_set *cgroups;
};
struct pt_regs { unsigned long orig_ax; };
struct pt_regs___arm64 { int syscallno; };
struct file;
struct seq_file;
struct bpf_iter_meta { struct seq_file *seq; };
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	u32 fd;
	struct file *file;
};

#pragma clang attribute pop

#define READ(dst, src) bpf_probe_read_kernel(&(dst), sizeof(dst), src)

/*
 * A field of what the hook is given: the verifier lets fentry programs read it
 * directly. Programs of other kinds (bpf/gobpf) define both otherwise.
 */
#ifndef GIVEN
#define GIVEN(p, field) ((p)->field)
#endif

/*
 * Argument n of the traced function. In assembly, because the compiler would
 * turn a choice between two arguments into arithmetic on the context pointer,
 * which the verifier refuses.
 */
#ifndef ARG
#define ARG(ctx, n) ({ u64 v_; \
	asm volatile("%0 = *(u64 *)(%1 + %2)" : "=r"(v_) : "r"(ctx), "i"((n) * 8)); v_; })
#endif

/* A task's name; the kernel fills the rest with zeros (__set_task_comm). */
static __always_inline void set_comm(u64 to[2], const struct task_struct *t)
{
	const u64 *from = (const void *)&t->comm;

	to[0] = from[0];
	to[1] = from[1];
}

/* The tls_context of a socket whose ULP is tls (tls_get_ctx). */
static __always_inline struct tls_context *tls_ctx_of(const void *sk)
{
	const struct inet_connection_sock *icsk = sk;

	return BPF_CORE_READ(icsk, icsk_ulp_data);
}

/* Address of the 8 big-endian bytes of a direction's record sequence. */
static __always_inline u64 seq_addr(const struct cipher_context *cc)
{
	if (bpf_core_type_size(struct cipher_context) > 16)
		return (u64)&cc->rec_seq;
	return (u64)BPF_CORE_READ((const struct cipher_context___ptr *)cc, rec_seq);
}

/*
 * Length of a record's plaintext. Functions like this take the pointer as an
 * argument: a field of our own structs inside BPF_CORE_READ would be relocated too.
 */
static __always_inline u32 rec_len(const struct tls_rec *rec)
{
	return BPF_CORE_READ(rec, msg_plaintext.sg.size);
}

/* The kernel's mark on a record that waits for TCP. */
static __always_inline bool is_sealed(const struct tls_rec *rec)
{
	return bpf_core_field_exists(rec->tx_ready) && BPF_CORE_READ(rec, tx_ready);
}

#ifndef read_word
extern void *bpf_rdonly_cast(const void *obj, u32 btf_id) __ksym __weak;

const volatile u32 have_cast = 0; /* the kernel has bpf_rdonly_cast (from 6.2) */

/*
 * 8 bytes of the kernel's memory. A pointer of a type that begins with such a
 * number reads them with an instruction where a helper takes eighty. The type has
 * to be one of vmlinux; what the bytes are does not matter.
 */
static __always_inline u64 read_word(u64 addr)
{
	u64 v = 0;

	if (have_cast)
		return ((struct timespec64 *)bpf_rdonly_cast((void *)addr, bpf_core_type_id_kernel(struct timespec64)))->tv_sec;
	bpf_probe_read_kernel(&v, sizeof(v), (void *)addr);
	return v;
}
#endif

static __always_inline u64 read_seq(u64 addr) { return bpf_be64_to_cpu(read_word(addr)); }

static __always_inline u16 read_be16(u64 addr)
{
	u16 be = 0;

	bpf_probe_read_kernel(&be, sizeof(be), (void *)addr);
	return bpf_ntohs(be);
}

/* The type byte in front of the record that is being opened (tls_rx_msg_size). */
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
