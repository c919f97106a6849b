// SPDX-License-Identifier: GPL-2.0-only
/* The family: sockets are created, bound and closed. */
#include <linux/file.h>
#include <linux/module.h>
#include <linux/sockios.h>
#include <asm/ioctls.h>
#include "afktls.h"

/* hooks.h guarantees this beginning of the struct. */
static_assert(offsetof(struct afktls_sock, sk) == 0);
static_assert(offsetof(struct afktls_sock, udp) == ALIGN(sizeof(struct sock), 8));
static_assert(offsetof(struct afktls_sock, version) == offsetof(struct afktls_sock, udp) + 8);
static_assert(offsetof(struct afktls_sock, cipher) == offsetof(struct afktls_sock, version) + 2);
static_assert(sizeof(struct ktls_stats) == AFKTLS_STATS * sizeof(u64));

static int family = AF_KTLS;
module_param(family, int, 0444);
MODULE_PARM_DESC(family, "number of the address family (12, which DECnet has left)");

/* Before the socket is attached again: clears its earlier state. */
void afktls_reset(struct afktls_sock *ks)
{
	afktls_free_out(ks->open);
	ks->open = NULL;
	afktls_free_keys(ks);
	ks->mtu = 0;
	for (int i = 0; i < AFKTLS_STATS; i++)
		atomic64_set(&ks->stats[i], 0);
	ks->sk.sk_err = 0;
	ks->sk.sk_shutdown = 0;
}

static int attach_to(struct afktls_sock *ks, struct socket *low)
{
	struct sock *sk = low->sk;
	bool tcp = sk_is_tcp(sk), udp = sk->sk_type == SOCK_DGRAM && sk->sk_protocol == IPPROTO_UDP;

	if (sk->sk_family != AF_INET && sk->sk_family != AF_INET6)
		return -EAFNOSUPPORT;
	/* Options that are passed on are checked against the caller's rights in our namespace. */
	if (!net_eq(sock_net(&ks->sk), sock_net(sk)))
		return -EXDEV;
	if (ks->sk.sk_type == SOCK_STREAM)
		return tcp ? afktls_attach_tcp(ks, low) : -EAFNOSUPPORT;
	return udp ? afktls_attach_udp(ks, low) : -EAFNOSUPPORT;
}

/* Needs the gate for writing. */
static int attach(struct afktls_sock *ks, const struct sockaddr_ktls *addr)
{
	const struct afktls_cipher *alg = afktls_find_cipher(addr->sa_cipher);
	struct socket *low;
	int err;

	if (ks->low)
		return -EISCONN;
	if ((addr->sa_cipher && !alg) || addr->sa_version > KTLS_VERSION_1_2)
		return -ENOENT;
	low = sockfd_lookup(addr->sa_socket, &err);
	if (!low)
		return err;
	err = attach_to(ks, low);
	if (err) {
		sockfd_put(low);
		return err;
	}
	ks->alg = alg;
	ks->cipher = addr->sa_cipher;
	ks->version = ks->sk.sk_type == SOCK_DGRAM ? KTLS_DTLS_1_2_VERSION : 0x0303;
	WRITE_ONCE(ks->attached, true);
	if (ks->udp)
		afktls_attach(ks);
	return 0;
}

int afktls_bind(struct socket *sock, afktls_sockaddr *addr, int len)
{
	struct afktls_sock *ks = afktls_sk(sock->sk);
	int err;

	if (len != sizeof(struct sockaddr_ktls))
		return -EBADMSG;
	down_write(&ks->gate);
	err = attach(ks, (const struct sockaddr_ktls *)addr);
	up_write(&ks->gate);
	return err;
}

/*
 * Needs the gate for writing. Waiting readers are woken, and notice the detach. A stream socket keeps the socket
 * below until it is closed: a caller may be waiting in its poll.
 */
void afktls_unattach(struct afktls_sock *ks)
{
	if (!ks->attached)
		return;
	WRITE_ONCE(ks->attached, false);
	if (ks->sk.sk_type == SOCK_DGRAM)
		afktls_detach_udp(ks);
	afktls_free_out(ks->open);
	ks->open = NULL;
	ks->sk.sk_shutdown |= RCV_SHUTDOWN;
	ks->sk.sk_state_change(&ks->sk);
}

int afktls_release(struct socket *sock)
{
	struct sock *sk = sock->sk;
	struct afktls_sock *ks;

	if (!sk)
		return 0;
	ks = afktls_sk(sk);
	down_write(&ks->gate);
	afktls_unattach(ks);
	if (ks->low)
		sockfd_put(ks->low);
	ks->low = NULL;
	up_write(&ks->gate);
	skb_queue_purge(&sk->sk_receive_queue);
	sock_prot_inuse_add(sock_net(sk), sk->sk_prot, -1);
	sock_orphan(sk);
	sock->sk = NULL;
	sock_put(sk);
	return 0;
}

static void destruct(struct sock *sk)
{
	afktls_free_keys(afktls_sk(sk));
}

int afktls_getname(struct socket *sock, struct sockaddr *addr, int peer)
{
	struct afktls_sock *ks = afktls_sk(sock->sk);
	int err = -ENOTCONN;

	down_read(&ks->gate);
	if (ks->attached)
		err = READ_ONCE(ks->low->ops)->getname(ks->low, addr, peer);
	up_read(&ks->gate);
	return err;
}

/* FIONREAD of a datagram socket concerns our queue, everything else the socket below. */
int afktls_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg)
{
	struct afktls_sock *ks = afktls_sk(sock->sk);
	int err = -ENOTCONN;

	if (cmd == SIOCINQ && sock->type == SOCK_DGRAM) {
		struct sk_buff_head *queue = &sock->sk->sk_receive_queue;
		struct sk_buff *skb;
		int n;

		spin_lock_bh(&queue->lock);
		skb = skb_peek(queue);
		n = skb ? afktls_unread(skb) : 0;
		spin_unlock_bh(&queue->lock);
		return put_user(n, (int __user *)arg);
	}
	down_read(&ks->gate);
	if (ks->attached)
		err = READ_ONCE(ks->low->ops)->ioctl(ks->low, cmd, arg);
	up_read(&ks->gate);
	return err;
}

/* Half or all of our own end; nothing is sent. */
static int dgram_shutdown(struct socket *sock, int how)
{
	static const int mask[] = { RCV_SHUTDOWN, SEND_SHUTDOWN, SHUTDOWN_MASK };
	struct afktls_sock *ks = afktls_sk(sock->sk);
	int err = -ENOTCONN;

	if (how < 0 || how > 2)
		return -EINVAL;
	down_read(&ks->gate);
	if (ks->attached) {
		sock->sk->sk_shutdown |= mask[how];
		sock->sk->sk_state_change(sock->sk);
		err = 0;
	}
	up_read(&ks->gate);
	return err;
}

static const struct proto_ops dgram_ops = {
	.family = AF_KTLS,
	.owner = THIS_MODULE,
	.release = afktls_release,
	.bind = afktls_bind,
	.connect = sock_no_connect,
	.socketpair = sock_no_socketpair,
	.accept = sock_no_accept,
	.getname = afktls_getname,
	.poll = afktls_dgram_poll,
	.ioctl = afktls_ioctl,
	.gettstamp = sock_gettstamp,
	.listen = sock_no_listen,
	.shutdown = dgram_shutdown,
	.setsockopt = afktls_setsockopt,
	.getsockopt = afktls_getsockopt,
	.sendmsg = afktls_dgram_sendmsg,
	.recvmsg = afktls_dgram_recvmsg,
	.mmap = sock_no_mmap,
	.splice_read = afktls_dgram_splice_read,
#ifdef AFKTLS_SENDPAGE
	.sendpage = afktls_dgram_sendpage,
#endif
#ifdef AFKTLS_HAVE_SPLICE_EOF
	.splice_eof = afktls_dgram_splice_eof,
#endif
};

static struct proto afktls_proto = {
	.name = "KTLS",
	.owner = THIS_MODULE,
	.obj_size = sizeof(struct afktls_sock),
};

static int create(struct net *net, struct socket *sock, int protocol, int kern)
{
	struct afktls_sock *ks;
	struct sock *sk;

	if (sock->type != SOCK_DGRAM && sock->type != SOCK_STREAM)
		return -ESOCKTNOSUPPORT;
	if (protocol)
		return -EPROTONOSUPPORT;
	sk = sk_alloc(net, family, GFP_KERNEL, &afktls_proto, kern);
	if (!sk)
		return -ENOMEM;
	sock->ops = sock->type == SOCK_DGRAM ? &dgram_ops : &afktls_stream_ops;
	sock_init_data(sock, sk);
	sk->sk_destruct = destruct;
	ks = afktls_sk(sk);
	init_rwsem(&ks->gate);
	mutex_init(&ks->lock);
	sock_prot_inuse_add(net, &afktls_proto, 1);
	return 0;
}

static struct net_proto_family afktls_family = {
	.create = create,
	.owner = THIS_MODULE,
};

static int __init afktls_init(void)
{
	int err = proto_register(&afktls_proto, 1);

	if (err)
		return err;
	afktls_family.family = family;
	err = sock_register(&afktls_family);
	if (err)
		proto_unregister(&afktls_proto);
	return err;
}

static void __exit afktls_exit(void)
{
	sock_unregister(family);
	proto_unregister(&afktls_proto);
}

module_init(afktls_init);
module_exit(afktls_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("AF_KTLS: sockets that are the TLS or DTLS record layer of another socket");
MODULE_VERSION("1.0");
MODULE_ALIAS_NETPROTO(AF_KTLS);
