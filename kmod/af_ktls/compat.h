/* SPDX-License-Identifier: GPL-2.0-only */
/* Differences between kernels from 6.1 on. They are all here. */
#ifndef AFKTLS_COMPAT_H
#define AFKTLS_COMPAT_H
#include <linux/net.h>
#include <linux/version.h>
#include <net/inet_sock.h>
#include <net/udp_tunnel.h>

/* 6.12 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

/* 6.19: addresses of bind(2) have a type without a length. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
typedef struct sockaddr_unsized afktls_sockaddr;
#else
typedef struct sockaddr afktls_sockaddr;
#endif

/* 6.19: setup_udp_tunnel_sock() takes the sock. */
static inline void afktls_setup_udp(struct socket *low, struct udp_tunnel_sock_cfg *cfg)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	setup_udp_tunnel_sock(sock_net(low->sk), low->sk, cfg);
#else
	setup_udp_tunnel_sock(sock_net(low->sk), low, cfg);
#endif
}

/* 6.6: the flags of inet sockets are atomic bits (b09bde5c3554). */
static inline bool afktls_mc_loop(struct sock *sk)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	return inet_test_bit(MC_LOOP, sk);
#else
	return inet_sk(sk)->mc_loop;
#endif
}

static inline void afktls_set_mc_loop(struct sock *sk, bool on)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	inet_assign_bit(MC_LOOP, sk, on);
#else
	inet_sk(sk)->mc_loop = on;
#endif
}

/*
 * The argument of encap_err_rcv: since 6.2 the meaning of the ICMP message (42fb06b391ac), before that only the
 * message, which icmp.c's and icmp6.c's tables explain.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define AFKTLS_ERR_ARGS struct sock *usk, struct sk_buff *skb, int err, __be16 port, u32 info, u8 *payload
#define afktls_err_of(usk, skb) err
#else
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <net/icmp.h>
#define AFKTLS_ERR_ARGS struct sock *usk, struct sk_buff *skb, unsigned int udp_offset
static inline int afktls_err_of(struct sock *usk, struct sk_buff *skb)
{
	int err = 0;

	if (skb->protocol == htons(ETH_P_IP)) {
		struct icmphdr *h = icmp_hdr(skb);

		if (h->type == ICMP_DEST_UNREACH && h->code <= NR_ICMP_UNREACH && icmp_err_convert[h->code].fatal)
			err = icmp_err_convert[h->code].errno;
	} else {
#if IS_ENABLED(CONFIG_IPV6)
		struct icmp6hdr *h = icmp6_hdr(skb);

		if (!icmpv6_err_convert(h->icmp6_type, h->icmp6_code, &err))
			err = 0;
#endif
	}
	return err;
}
#endif

/* 6.5: sendfile and splice call sendmsg with MSG_SPLICE_PAGES; before that, sendpage (6.5 took it away). */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#define AFKTLS_SENDPAGE
#endif
#ifndef MSG_SPLICE_PAGES
#define MSG_SPLICE_PAGES 0
#endif
#endif
