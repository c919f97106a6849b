// SPDX-License-Identifier: GPL-2.0-only
/* Attaching to a UDP socket, and detaching from it, which restores it. */
#include <linux/file.h>
#include <linux/udp.h>
#include <net/udp.h>
#include "afktls.h"

/* Softirq: the UDP socket has room to send again. */
static void write_space(struct sock *usk)
{
	struct afktls_sock *ks;

	rcu_read_lock();
	ks = rcu_dereference_sk_user_data(usk);
	if (ks) {
		ks->udp_write_space(usk);
		if (sock_writeable(usk))
			ks->sk.sk_write_space(&ks->sk);
	}
	rcu_read_unlock();
}

/*
 * Softirq: an ICMP message for the UDP socket, which UDP leaves to the encapsulation. As with UDP, only messages that
 * the port is unreachable count; the next send notices a smaller path MTU by itself.
 */
static void err_rcv(AFKTLS_ERR_ARGS)
{
	struct afktls_sock *ks = rcu_dereference_sk_user_data(usk);
	int fault = afktls_err_of(usk, skb);

	if (!ks || (fault != ECONNREFUSED && fault != ENOPROTOOPT))
		return;
	WRITE_ONCE(ks->sk.sk_err, fault);
	sk_error_report(&ks->sk);
}

static int check(struct sock *usk)
{
	if (usk->sk_state != TCP_ESTABLISHED)
		return -ENOTCONN;
	if (rcu_access_pointer(usk->sk_user_data) || udp_sk(usk)->encap_type || udp_sk(usk)->encap_rcv)
		return -EBUSY;
	return 0;
}

/* The AF_KTLS socket starts with the options of the UDP socket. */
static void inherit(struct sock *sk, struct sock *usk)
{
	if (!(sk->sk_userlocks & SOCK_RCVBUF_LOCK))
		WRITE_ONCE(sk->sk_rcvbuf, READ_ONCE(usk->sk_rcvbuf));
	if (!(sk->sk_userlocks & SOCK_SNDBUF_LOCK))
		WRITE_ONCE(sk->sk_sndbuf, READ_ONCE(usk->sk_sndbuf));
	if (sk->sk_sndtimeo == MAX_SCHEDULE_TIMEOUT)
		WRITE_ONCE(sk->sk_sndtimeo, READ_ONCE(usk->sk_sndtimeo));
	if (sk->sk_rcvtimeo == MAX_SCHEDULE_TIMEOUT)
		WRITE_ONCE(sk->sk_rcvtimeo, READ_ONCE(usk->sk_rcvtimeo));
	if (!sk->sk_mark)
		WRITE_ONCE(sk->sk_mark, READ_ONCE(usk->sk_mark));
	if (!sk->sk_priority)
		WRITE_ONCE(sk->sk_priority, READ_ONCE(usk->sk_priority));
}

/* A mark or priority of our own that the UDP socket lacks is set there with the first record. */
static void note_told(struct afktls_sock *ks, struct sock *usk)
{
	ks->told_mark = READ_ONCE(usk->sk_mark);
	ks->told_priority = READ_ONCE(usk->sk_priority);
}

static void hook(struct afktls_sock *ks, struct socket *low)
{
	struct udp_tunnel_sock_cfg cfg = {
		.sk_user_data = ks, .encap_type = 1, .encap_rcv = afktls_encap_rcv, .encap_err_rcv = err_rcv,
	};
	struct sock *usk = low->sk;
	bool loop = afktls_mc_loop(usk);

	afktls_setup_udp(low, &cfg);
	afktls_set_mc_loop(usk, loop); /* tunnels work without it, the owner of a socket may not */
	write_lock_bh(&usk->sk_callback_lock);
	ks->udp_write_space = usk->sk_write_space;
	WRITE_ONCE(usk->sk_write_space, write_space);
	write_unlock_bh(&usk->sk_callback_lock);
}

/* Needs the gate for writing. low's reference is ours if this succeeds. */
int afktls_attach_udp(struct afktls_sock *ks, struct socket *low)
{
	struct sock *usk = low->sk;
	int err;

	lock_sock(usk);
	err = check(usk);
	if (!err) {
		afktls_reset(ks);
		inherit(&ks->sk, usk);
		note_told(ks, usk);
		ks->low = low;
		ks->udp = usk;
		hook(ks, low);
		smp_store_release(&ks->writer, usk);
	}
	release_sock(usk);
	return err;
}

/* Only if it is still ours: the program may have set UDP_ENCAP meanwhile. */
static void unhook(struct afktls_sock *ks)
{
	struct sock *usk = ks->udp;

	lock_sock(usk);
	if (udp_sk(usk)->encap_rcv == afktls_encap_rcv) {
		WRITE_ONCE(udp_sk(usk)->encap_type, 0);
		WRITE_ONCE(udp_sk(usk)->encap_rcv, NULL);
	}
	if (udp_sk(usk)->encap_err_rcv == err_rcv)
		WRITE_ONCE(udp_sk(usk)->encap_err_rcv, NULL);
	write_lock_bh(&usk->sk_callback_lock);
	if (usk->sk_write_space == write_space)
		WRITE_ONCE(usk->sk_write_space, ks->udp_write_space);
	write_unlock_bh(&usk->sk_callback_lock);
	inet_dec_convert_csum(usk);
	if (rcu_access_pointer(usk->sk_user_data) == ks)
		rcu_assign_sk_user_data(usk, NULL);
	release_sock(usk);
}

/*
 * Needs the gate for writing. Once the hooks are removed and softirqs in them have ended, none of our objects is
 * reachable from the UDP socket.
 */
void afktls_detach_udp(struct afktls_sock *ks)
{
	WRITE_ONCE(ks->writer, NULL);
	unhook(ks);
	synchronize_net();
	afktls_purge(ks);
	afktls_detach(ks);
	ks->udp = NULL;
	sockfd_put(ks->low);
	ks->low = NULL;
}
