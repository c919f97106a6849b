// SPDX-License-Identifier: GPL-2.0-only
/* Reading datagrams: recvmsg, splice_read and poll over the queue of opened records. */
#include <linux/poll.h>
#include <linux/splice.h>
#include <net/tls.h>
#include "afktls.h"

static struct sk_buff *next_record(struct socket *sock, int flags, int *err)
{
	struct afktls_sock *ks = afktls_sk(sock->sk);
	struct sk_buff *skb;

	if (!READ_ONCE(ks->attached)) {
		*err = -ENOTCONN;
		return NULL;
	}
	skb = skb_recv_datagram(sock->sk, flags, err);
	if (!skb && !*err) /* the end: shutdown, or a detach while we waited */
		*err = READ_ONCE(ks->attached) ? 0 : -ENOTCONN;
	return skb;
}

/* Whether a record belongs to the current attachment: a reader may hold one across a detach and a bind. */
static bool is_current(struct afktls_sock *ks, struct sk_buff *skb)
{
	return afktls_cb(skb)->attachment == READ_ONCE(ks->attachment);
}

/* Puts it back, unless its attachment has ended; it is still charged to the socket. */
static void put_back(struct sock *sk, struct sk_buff *skb)
{
	struct sk_buff_head *queue = &sk->sk_receive_queue;
	bool back;

	spin_lock_bh(&queue->lock);
	back = is_current(afktls_sk(sk), skb);
	if (back)
		__skb_queue_head(queue, skb);
	spin_unlock_bh(&queue->lock);
	if (back)
		sk->sk_data_ready(sk);
	else
		kfree_skb(skb);
}

/* As in net/tls: a reader without room for the type of a control record gets an error instead. */
static int tell_type(struct msghdr *msg, u8 type)
{
	int err;

	if (!msg->msg_control && type == DTLS_APPLICATION_DATA)
		return 0;
	err = put_cmsg(msg, SOL_TLS, TLS_GET_RECORD_TYPE, sizeof(type), &type);
	if (type != DTLS_APPLICATION_DATA && (err || msg->msg_flags & MSG_CTRUNC))
		return -EIO;
	return 0;
}

static void tell_peer(struct afktls_sock *ks, struct msghdr *msg, struct sk_buff *skb)
{
	int n;

	if (!msg->msg_name)
		return;
	down_read(&ks->gate);
	n = ks->attached && is_current(ks, skb) ? READ_ONCE(ks->low->ops)->getname(ks->low, msg->msg_name, 1) : 0;
	up_read(&ks->gate);
	if (n > 0)
		msg->msg_namelen = n;
}

/*
 * With the gate a reader would wait for a detach that waits for a sender; a detach waits for RCU as well. copied: the
 * bytes that all readers together have received.
 */
static void told(struct afktls_sock *ks, struct sk_buff *skb, u8 flags, int copied)
{
	struct afktls_record rec;

	afktls_queued_record(skb, &rec);
	rec.flags = flags;
	rcu_read_lock();
	if (smp_load_acquire(&ks->writer) && is_current(ks, skb)) /* with a new writer comes its attachment */
		afktls_deliver(ks, &rec, copied);
	rcu_read_unlock();
}

int afktls_dgram_recvmsg(struct socket *sock, struct msghdr *msg, size_t len, int flags)
{
	struct afktls_sock *ks = afktls_sk(sock->sk);
	struct sk_buff *skb;
	int err, from, whole, copied;

	if (flags & (MSG_OOB | MSG_ERRQUEUE))
		return -EOPNOTSUPP;
	skb = next_record(sock, flags, &err);
	if (!skb)
		return err;
	from = afktls_read(skb);
	whole = skb->len - from;
	copied = min_t(size_t, whole, len);
	err = tell_type(msg, afktls_cb(skb)->type);
	if (!err)
		err = skb_copy_datagram_msg(skb, from, msg, copied);
	if (err && !(flags & MSG_PEEK)) {
		put_back(sock->sk, skb);
		return err;
	}
	if (!err) {
		if (copied < whole)
			msg->msg_flags |= MSG_TRUNC;
		sock_recv_cmsgs(msg, sock->sk, skb);
		tell_peer(ks, msg, skb);
		if (!(flags & MSG_PEEK))
			told(ks, skb, 0, from + copied);
	}
	consume_skb(skb);
	return err ?: (flags & MSG_TRUNC ? whole : copied);
}

/* For a splice, 0 is the end: an empty record is read and skipped. */
static struct sk_buff *next_to_splice(struct socket *sock, int flags, int *err)
{
	struct sk_buff *skb;

	while ((skb = next_record(sock, flags, err)) && !skb->len && afktls_cb(skb)->type == DTLS_APPLICATION_DATA) {
		told(afktls_sk(sock->sk), skb, AFKTLS_REC_SPLICED, 0);
		consume_skb(skb);
	}
	return skb;
}

/* A record that does not fit the pipe stays, without the bytes that the pipe took. */
ssize_t afktls_dgram_splice_read(struct socket *sock, loff_t *ppos, struct pipe_inode_info *pipe, size_t len,
				 unsigned int flags)
{
	bool nowait = flags & SPLICE_F_NONBLOCK || sock->file->f_flags & O_NONBLOCK;
	struct afktls_sock *ks = afktls_sk(sock->sk);
	struct sk_buff *skb;
	u32 from, left;
	int err, n;

	skb = next_to_splice(sock, nowait ? MSG_DONTWAIT : 0, &err);
	if (!skb)
		return err;
	if (afktls_cb(skb)->type != DTLS_APPLICATION_DATA) {
		put_back(sock->sk, skb);
		return -EIO;
	}
	from = afktls_read(skb);
	left = skb->len - from;
	n = skb_splice_bits(skb, sock->sk, from, pipe, min_t(size_t, left, len), flags);
	if (n <= 0 || n < left) {
		if (n > 0)
			WRITE_ONCE(afktls_cb(skb)->read, from + n);
		put_back(sock->sk, skb);
		return n ?: -ENOMEM; /* 0: there was no page to put it into */
	}
	told(ks, skb, AFKTLS_REC_SPLICED, skb->len);
	consume_skb(skb);
	return n;
}

/*
 * Readable depends on our queue, writable on the UDP socket. No waiter is put on the UDP socket's wait queue, since
 * that may vanish at a detach: its write_space wakes those on ours.
 */
__poll_t afktls_dgram_poll(struct file *file, struct socket *sock, struct poll_table_struct *wait)
{
	struct afktls_sock *ks = afktls_sk(sock->sk);
	__poll_t mask = datagram_poll(file, sock, wait);
	bool writable = false;
	struct sock *udp;

	rcu_read_lock();
	udp = READ_ONCE(ks->writer);
	if (udp)
		writable = sock_writeable(udp);
	rcu_read_unlock();
	if (!udp)
		mask |= EPOLLHUP;
	return writable ? mask : mask & ~(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
}
