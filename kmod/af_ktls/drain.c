// SPDX-License-Identifier: GPL-2.0-only
/*
 * Datagrams that arrived before the key wait in the UDP socket, where nothing would look for them. They are processed
 * like those that arrive after it, and before these; records for user space go back.
 */
#include <linux/filter.h>
#include <net/udp.h>
#include "afktls.h"

/*
 * A pending error precedes the waiting datagrams. It is for the user of our socket; once the hooks are attached, UDP
 * gets no further one.
 */
static struct sk_buff *next_waiting(struct afktls_sock *ks)
{
	int off = 0, err;
	struct sk_buff *skb = __skb_recv_udp(ks->udp, MSG_DONTWAIT, &off, &err);

	if (skb || err == -EAGAIN)
		return skb;
	WRITE_ONCE(ks->sk.sk_err, -err);
	sk_error_report(&ks->sk);
	off = 0;
	return __skb_recv_udp(ks->udp, MSG_DONTWAIT, &off, &err);
}

/*
 * No more than the UDP socket could hold: a flood must not grow beyond that here. A reader that peeks at the UDP
 * socket may hold a datagram: that one stays unchanged, and we copy it.
 */
static void collect(struct afktls_sock *ks, struct sk_buff_head *list)
{
	long budget = 2L * READ_ONCE(ks->udp->sk_rcvbuf);
	struct sk_buff *skb;

	while (budget > 0 && (skb = next_waiting(ks))) {
		budget -= skb->truesize;
		skb = skb_share_check(skb, GFP_KERNEL);
		if (!skb)
			continue;
		skb->dev = NULL; /* UDP used it for its own data */
		__skb_queue_tail(list, skb);
	}
}

/* The fields from which UDP's reader takes the length and the charge. */
static void take_notes(struct sk_buff *skb)
{
	struct udp_dev_scratch *notes = udp_skb_scratch(skb);

	skb->dev_scratch = 0;
	notes->_tsize_state = skb->truesize;
#if BITS_PER_LONG == 64
	notes->len = skb->len;
	notes->csum_unnecessary = !!skb_csum_unnecessary(skb);
	notes->is_linear = !skb_is_nonlinear(skb);
#endif
}

/* What __udp_enqueue_schedule_skb() does, which modules can no longer call (7.x). */
static bool put_back(struct sock *udp, struct sk_buff *skb)
{
	struct sk_buff_head *queue = &udp->sk_receive_queue;
	int size = skb->truesize;
	bool room;

	take_notes(skb);
	spin_lock(&queue->lock);
	room = atomic_read(&udp->sk_rmem_alloc) <= READ_ONCE(udp->sk_rcvbuf) && sk_rmem_schedule(udp, skb, size);
	if (room) {
		sk_mem_charge(udp, size);
		atomic_add(size, &udp->sk_rmem_alloc);
		__skb_queue_tail(queue, skb);
	}
	spin_unlock(&queue->lock);
	return room;
}

/* The UDP socket's filter, and the system's: UDP asks them when encap_rcv has left a datagram to it. */
static bool passes(struct sock *udp, struct sk_buff *skb)
{
	bool passes;

	__skb_push(skb, sizeof(struct udphdr));
	passes = !sk_filter_trim_cap(udp, skb, sizeof(struct udphdr));
	__skb_pull(skb, sizeof(struct udphdr));
	return passes;
}

/*
 * UDP verifies a checksum when a datagram is read. A datagram with a wrong one goes back, for UDP to count and drop.
 * queued: UDP had it in its queue.
 */
static void one_datagram(struct afktls_sock *ks, struct afktls_key *key, struct sk_buff *skb, bool queued)
{
	if (!udp_lib_checksum_complete(skb) && !afktls_walk(ks, key, skb))
		return;
	if (!queued && !passes(ks->udp, skb)) {
		kfree_skb(skb);
		return;
	}
	if (put_back(ks->udp, skb)) {
		ks->udp->sk_data_ready(ks->udp);
		return;
	}
	skb->dev = NULL; /* take_notes() has used it */
	afktls_lose(ks, skb);
}

static void all_of(struct afktls_sock *ks, struct afktls_key *key, struct sk_buff_head *list, bool queued)
{
	struct sk_buff *skb;

	while ((skb = __skb_dequeue(list))) {
		local_bh_disable(); /* as in softirq, where all other datagrams are opened */
		rcu_read_lock();
		one_datagram(ks, key, skb, queued);
		rcu_read_unlock();
		local_bh_enable();
	}
}

/* Those that arrived since the key, which is a limited number. When none waits any longer, the next one need not. */
static bool take_waiting(struct afktls_key *key, struct sk_buff_head *list)
{
	spin_lock_bh(&key->waiting.lock);
	skb_queue_splice_tail_init(&key->waiting, list);
	if (skb_queue_empty(list))
		smp_store_release(&key->draining, false);
	spin_unlock_bh(&key->waiting.lock);
	return !skb_queue_empty(list);
}

/* Process context; needs ks->lock, the gate and a new rx key, which all softirqs have seen. */
void afktls_drain(struct afktls_sock *ks)
{
	struct afktls_key *key = rcu_dereference_protected(ks->rx, lockdep_is_held(&ks->lock));
	struct sk_buff_head list;

	__skb_queue_head_init(&list);
	collect(ks, &list);
	all_of(ks, key, &list, true);
	while (take_waiting(key, &list))
		all_of(ks, key, &list, false);
}
