/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The kernel's types, as far as the programs read them. CO-RE relocates every access
 * against the running kernel (vmlinux and tls.ko), so names matter here, but not order and
 * size. The newest layout comes first, older ones are ___flavours.
 */
#ifndef KTLS_TYPES_H
#define KTLS_TYPES_H

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
#define EIO 5
#define EINVAL 22
#define EEXIST 17
#define EINPROGRESS 115
#define EKEYEXPIRED 127
#define IPPROTO_TCP 6
#define TCP_TIME_WAIT 6
#define TCP_LISTEN 10
#define TCP_NEW_SYN_RECV 12
#define MSG_MORE 0x8000
#define MSG_REFUSED 0x24000815 /* flags that tls_sw_sendmsg refuses on every kernel: OOB, DONTROUTE, PROBE, CONFIRM, ZEROCOPY, FASTOPEN */
#define MSG_SENDPAGE_NOTLAST 0x20000
#define MSG_SPLICE_PAGES 0x8000000
#define PF_KTHREAD 0x00200000
#define PF_IO_WORKER 0x00000010
#define TLS_BASE 0
#define TLS_SW 1
#define TLS_1_3 0x0304
#define TLS_HW 2
#define TLS_TX 1
#define TLS_RX 2
#define TLS_RX_EXPECT_NO_PAD 4
#define SOL_TLS 282
#define SOCK_DGRAM 2
#define SOCK_DONE 1 /* of enum sock_flags: a FIN has arrived */
#define RECORD_HEADER 5 /* bytes: type, version, length */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head { struct list_head *next, *prev; };
struct page { unsigned long flags; };
struct in6_addr { union { u8 u6_addr8[16]; } in6_u; };
struct ns_common { unsigned int inum; };
struct net { struct ns_common ns; };
typedef struct { struct net *net; } possible_net_t;
typedef struct { long long counter; } atomic64_t;

struct proto___kernel { char name[32]; }; /* ktls_event.h has an enum proto */
struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	u16 skc_num;
	unsigned short skc_family;
	unsigned char skc_state;
	unsigned long skc_flags;
	const struct proto___kernel *skc_prot;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
};
struct sk_buff_head { struct sk_buff *next; u32 qlen; };
struct sock {
	struct sock_common __sk_common;
	struct sk_buff_head sk_receive_queue;
	u16 sk_protocol;
	u16 sk_type;
	int sk_err;
	void *sk_user_data;
	void *sk_data_ready;
};
struct tcp_sock { u32 rcv_nxt, copied_seq; };
struct socket { struct sock *sk; };
struct tcp_ulp_ops { char name[16]; };
struct inet_connection_sock {
	const struct tcp_ulp_ops *icsk_ulp_ops;
	void *icsk_ulp_data;
	struct { u32 lrcvtime; } icsk_ack;
};

struct scatterlist { unsigned long page_link; unsigned int offset; unsigned int length; };
struct sk_msg_sg { u32 start; u32 curr; u32 end; u32 size; struct scatterlist data[19]; };
struct sk_msg { struct sk_msg_sg sg; };

struct tls_crypto_info { u16 version; u16 cipher_type; };
union tls_crypto_context { struct tls_crypto_info info; };
struct tls_prot_info { u16 version; u16 cipher_type; u16 prepend_size; u16 overhead_size; };
struct cipher_context { char rec_seq[8]; };
/* 6.1 has pointers here, 6.12 the bytes themselves. */
struct cipher_context___ptr { char *rec_seq; };
struct tls_context {
	struct tls_prot_info prot_info;
	u8 tx_conf: 3;
	u8 rx_conf: 3;
	u8 zerocopy_sendfile: 1;
	u8 rx_no_pad: 1;
	bool splicing_pages: 1;
	void *priv_ctx_tx;
	void *priv_ctx_rx;
	void *netdev;
	struct cipher_context tx;
	struct cipher_context rx;
	void *partially_sent_record;
	union tls_crypto_context crypto_send;
	union tls_crypto_context crypto_recv;
	struct sock *sk;
};
/* Up to 6.4; 6.5 dropped it. */
struct tls_context___pre_6_5 { bool in_tcp_sendpages: 1; };
struct aead_request { u32 assoclen; struct scatterlist *dst; };
struct tls_decrypt_ctx { struct sock *sk; u8 aad[13]; };
struct tls_rec {
	struct list_head list;
	int tx_ready;
	struct sk_msg msg_plaintext;
	struct sk_msg msg_encrypted;
	char content_type;
	struct sock *sk;
	struct aead_request aead_req;
};
struct crypto_alg { u32 cra_flags; char cra_driver_name[128]; };
struct crypto_tfm { struct crypto_alg *__crt_alg; };
struct crypto_aead { struct crypto_tfm base; };
struct tls_sw_context_tx { struct crypto_aead *aead_send; struct tls_rec *open_rec; struct list_head tx_list; };
struct crypto_async_request { void *data; };
/* For a network card that seals (tls_device.c). */
struct tls_record_info { int len; };
struct tls_offload_context_tx { struct tls_record_info *open_record; };

struct strp_msg { int full_len; int offset; };
struct tls_strparser { struct sock *sk; u32 mark: 8; u32 copy_mode: 1; bool msg_ready; struct strp_msg stm; struct sk_buff *anchor; };
struct tls_sw_context_rx { struct crypto_aead *aead_recv; struct tls_strparser strp; struct sk_buff_head rx_list; bool key_update_pending; void *saved_data_ready; };
struct _strp_msg { struct strp_msg strp; };
struct tls_msg { u8 control; };
struct sk_skb_cb { struct _strp_msg strp; struct tls_msg tls; };
struct sk_buff {
	struct sk_buff *next;
	struct sock *sk;
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
struct msghdr { unsigned int msg_flags; unsigned long msg_controllen; struct iov_iter msg_iter; };

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
	void *io_uring;
};
struct pt_regs { unsigned long orig_ax; };
struct pt_regs___aarch64 { int syscallno; };
struct file;
struct seq_file;
struct bpf_iter_meta { struct seq_file *seq; };
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	u32 fd;
	struct file *file;
};
struct bpf_iter__tcp { struct bpf_iter_meta *meta; struct sock_common *sk_common; };

#pragma clang attribute pop

#endif
