// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receiving: datagrams of the UDP socket, before it queues them. Our records are opened and queued here; the rest of
 * the datagram, if any, goes to the UDP socket and its owner.
 */
#include <linux/filter.h>
#include <linux/ktime.h>
#include <linux/udp.h>
#include "afktls.h"

/* A datagram on its way through its records. */
struct walk {
	struct afktls_sock *ks;
	struct afktls_key *key;
	struct sk_buff *skb;	/* its data is the UDP payload, linear and not shared */
	u32 at;			/* where the record begins */
	u32 kept;		/* bytes at the front for user space */
	u32 datagram;
	u64 begun;
	bool taken;		/* skb became a record of the queue */
};

static const struct {
	enum afktls_drop_reason reason;
	enum afktls_stat stat;
} counted[] = {
	{ AFKTLS_REPLAY, AFKTLS_STAT_REPLAYS }, { AFKTLS_TOO_OLD, AFKTLS_STAT_REPLAYS },
	{ AFKTLS_BAD_TAG, AFKTLS_STAT_BAD_TAGS }, { AFKTLS_EPOCH, AFKTLS_STAT_OTHER_EPOCHS },
	{ AFKTLS_FULL, AFKTLS_STAT_FULL }, { AFKTLS_NO_MEMORY, AFKTLS_STAT_FULL },
	{ AFKTLS_FILTERED, AFKTLS_STAT_FILTERED }, { AFKTLS_MALFORMED, AFKTLS_STAT_MALFORMED },
	{ AFKTLS_TO_USER, AFKTLS_STAT_TO_USER_SPACE },
};

static void drop(struct afktls_sock *ks, struct afktls_record *rec, enum afktls_drop_reason reason)
{
	for (int i = 0; i < ARRAY_SIZE(counted); i++)
		if (counted[i].reason == reason)
			afktls_count(ks, counted[i].stat, 1);
	rec->reason = reason;
	afktls_drop(ks, rec);
}

/* Drops a whole datagram, for which there is no room. */
void afktls_lose(struct afktls_sock *ks, struct sk_buff *skb)
{
	struct afktls_record rec = { .datagram = skb->len, .begun = ktime_get_ns() };

	drop(ks, &rec, AFKTLS_NO_MEMORY);
	kfree_skb(skb);
}

/* Restores a queued record, for its reader or its drop. */
void afktls_queued_record(struct sk_buff *skb, struct afktls_record *rec)
{
	struct afktls_cb *cb = afktls_cb(skb);

	*rec = (struct afktls_record) {
		.seq = cb->seq, .epoch = cb->epoch, .type = cb->type, .len = skb->len,
		.datagram = cb->datagram, .begun = cb->begun, .data = skb->data,
	};
}

/* Makes the record a packet of its own: the datagram itself if it has no other record. */
static struct sk_buff *packet_of(struct walk *w, struct afktls_record *rec)
{
	struct sk_buff *skb = w->skb;

	if (w->datagram == afktls_overhead(w->key->explicit) + rec->len) {
		w->taken = true;
		skb_pull(skb, (u8 *)rec->data - skb->data);
		skb_trim(skb, rec->len);
		return skb;
	}
	skb = alloc_skb(rec->len, GFP_ATOMIC);
	if (!skb)
		return NULL;
	skb_put_data(skb, rec->data, rec->len);
	skb->tstamp = w->skb->tstamp;
	return skb;
}

/* Socket filters see the plaintext and nothing before it. */
static void dress(struct afktls_sock *ks, struct sk_buff *skb, const struct afktls_record *rec)
{
	skb_scrub_packet(skb, false);
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	skb_reset_transport_header(skb);
	skb->protocol = 0;
	skb->ip_summed = CHECKSUM_NONE;
	memset(skb->cb, 0, sizeof(skb->cb));
	*afktls_cb(skb) = (struct afktls_cb) {
		.seq = rec->seq, .begun = rec->begun, .datagram = rec->datagram, .epoch = rec->epoch, .type = rec->type,
		.attachment = READ_ONCE(ks->attachment),
	};
}

static enum afktls_drop_reason queue(struct afktls_sock *ks, struct sk_buff *skb)
{
	if (sk_filter(&ks->sk, skb))
		return AFKTLS_FILTERED;
	return __sock_queue_rcv_skb(&ks->sk, skb) ? AFKTLS_FULL : 0;
}

static void deliver(struct walk *w, struct afktls_record *rec)
{
	struct sk_buff *skb = packet_of(w, rec);
	enum afktls_drop_reason reason;

	if (!skb) {
		drop(w->ks, rec, AFKTLS_NO_MEMORY);
		return;
	}
	dress(w->ks, skb, rec);
	reason = queue(w->ks, skb);
	if (reason) {
		drop(w->ks, rec, reason);
		kfree_skb(skb);
		return;
	}
	/* From here on a reader may have freed skb, and the memory at rec->data. */
	afktls_count(w->ks, AFKTLS_STAT_RX_RECORDS, 1);
	afktls_count(w->ks, AFKTLS_STAT_RX_BYTES, rec->len);
}

/* A record of our epoch and of one of our types, with a valid length. */
static void open_record(struct walk *w, struct afktls_record *header)
{
	struct afktls_in in = { .rec = *header, .key = w->key, .wire = w->skb->data + w->at };
	enum afktls_drop_reason reason = afktls_window_check(w->key, in.rec.seq);
	int err;

	if (reason) {
		drop(w->ks, &in.rec, reason);
		return;
	}
	err = afktls_rx_record(w->ks, &in.rec);
	if (err) {
		drop(w->ks, &in.rec, err == -ENOMEM ? AFKTLS_NO_MEMORY : AFKTLS_BAD_TAG);
		return;
	}
	reason = afktls_window_mark(w->key, in.rec.seq);
	if (reason) {
		drop(w->ks, &in.rec, reason);
		return;
	}
	deliver(w, &in.rec);
}

/* Leaves the next n bytes to user space, after those left to it already. */
static void keep(struct walk *w, u32 n)
{
	u8 *data = w->skb->data;

	if (w->kept != w->at)
		memmove(data + w->kept, data + w->at, n);
	w->kept += n;
	w->at += n;
}

/*
 * RFC 6347 4.1, and the range of RFC 7983 7. DTLS 1.3's shorter header (RFC 9147 4) is rejected, and left to user
 * space.
 */
static bool is_record(const u8 *data, u32 left)
{
	return left >= DTLS_HEADER && data[0] >= 20 && data[0] <= 63 && data[1] == KTLS_DTLS_1_2_VERSION >> 8;
}

static bool is_ours(const struct walk *w, const struct afktls_record *rec, const u8 *data)
{
	return rec->epoch == w->key->epoch && get_unaligned_be16(data + 1) == KTLS_DTLS_1_2_VERSION &&
	       (rec->type == DTLS_APPLICATION_DATA || rec->type == DTLS_ALERT);
}

/* After a record, other bytes are garbage; a datagram that begins with them belongs to another protocol. */
static void not_a_record(struct walk *w, struct afktls_record *rec)
{
	u32 left = w->datagram - w->at;

	if (!w->at) {
		drop(w->ks, rec, AFKTLS_TO_USER);
		keep(w, left);
		return;
	}
	drop(w->ks, rec, AFKTLS_MALFORMED);
	w->at += left;
}

static void one_record(struct walk *w)
{
	u8 *data = w->skb->data + w->at;
	u32 left = w->datagram - w->at, length;
	struct afktls_record rec = { .datagram = w->datagram, .begun = w->begun };
	u32 overhead = w->key->explicit + DTLS_TAG;

	if (!is_record(data, left)) {
		not_a_record(w, &rec);
		return;
	}
	rec.type = data[0];
	rec.epoch = get_unaligned_be16(data + 3);
	rec.seq = get_unaligned_be64(data + 3) & DTLS_SEQ_MASK;
	length = get_unaligned_be16(data + 11);
	if (!is_ours(w, &rec, data)) {
		drop(w->ks, &rec, rec.epoch == w->key->epoch ? AFKTLS_TO_USER : AFKTLS_EPOCH);
		keep(w, min(left, DTLS_HEADER + length));
		return;
	}
	if (DTLS_HEADER + length > left || length < overhead || length > overhead + DTLS_MAX_PLAIN) {
		drop(w->ks, &rec, AFKTLS_MALFORMED);
		w->at += min(left, DTLS_HEADER + length);
		return;
	}
	rec.len = length - overhead;
	open_record(w, &rec);
	w->at += DTLS_HEADER + length;
}

/*
 * Takes our records out of a datagram whose UDP payload is at skb->data. False: skb is gone. True: the caller keeps
 * it, with the bytes for user space. The records of a datagram are opened in order.
 */
bool afktls_walk(struct afktls_sock *ks, struct afktls_key *key, struct sk_buff *skb)
{
	struct walk w = { .ks = ks, .key = key, .skb = skb, .datagram = skb->len, .begun = ktime_get_ns() };

	/* A tap may share the data, and a filter or a reader wants them in one piece. */
	if (skb_linearize_cow(skb)) {
		afktls_lose(ks, skb);
		return false;
	}
	do {
		one_record(&w);
	} while (w.at < w.datagram);
	if (w.taken)
		return false;
	if (!w.kept && w.datagram) {
		consume_skb(skb);
		return false;
	}
	if (w.kept != w.datagram) {
		skb_trim(skb, w.kept);
		skb->ip_summed = CHECKSUM_UNNECESSARY; /* UDP has checked the whole */
	}
	return true;
}

/* Makes the datagram, whose UDP payload is at skb->data, wait behind older ones. No more than the socket could hold. */
static void wait_behind(struct afktls_sock *ks, struct afktls_key *key, struct sk_buff *skb)
{
	if (key->waiting_size >= READ_ONCE(ks->sk.sk_rcvbuf)) {
		afktls_lose(ks, skb);
		return;
	}
	/* As UDP queues it: without references to what may vanish meanwhile. UDP has verified its checksum. */
	skb_dst_drop(skb);
	skb->dev = NULL;
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	key->waiting_size += skb->truesize;
	__skb_queue_tail(&key->waiting, skb);
}

/* Softirq. Whether afktls_drain() is not done with the datagrams before this one; then it is no longer the caller's. */
static bool must_wait(struct afktls_sock *ks, struct afktls_key *key, struct sk_buff *skb)
{
	bool wait;

	if (!smp_load_acquire(&key->draining)) /* and then all before it are queued */
		return false;
	spin_lock(&key->waiting.lock);
	wait = key->draining;
	if (wait)
		wait_behind(ks, key, skb);
	spin_unlock(&key->waiting.lock);
	return wait;
}

/* Softirq, below rcu_read_lock. 0: skb is ours; 1: UDP goes on with it. */
int afktls_encap_rcv(struct sock *usk, struct sk_buff *skb)
{
	struct afktls_sock *ks = rcu_dereference_sk_user_data(usk);
	struct afktls_key *key = ks ? rcu_dereference(ks->rx) : NULL;

	if (!key)
		return 1;
	__skb_pull(skb, sizeof(struct udphdr));
	if (must_wait(ks, key, skb) || !afktls_walk(ks, key, skb))
		return 0;
	__skb_push(skb, sizeof(struct udphdr));
	return 1;
}

/*
 * Drops unread records, before the socket below is released. A record that a reader has taken from the queue and puts
 * back later does not belong to the next attachment.
 */
void afktls_purge(struct afktls_sock *ks)
{
	struct sk_buff_head *queue = &ks->sk.sk_receive_queue;
	struct afktls_record rec;
	struct sk_buff *skb;

	spin_lock_bh(&queue->lock);
	WRITE_ONCE(ks->attachment, ks->attachment + 1);
	spin_unlock_bh(&queue->lock);
	while ((skb = skb_dequeue(&ks->sk.sk_receive_queue))) {
		afktls_queued_record(skb, &rec);
		drop(ks, &rec, AFKTLS_UNREAD);
		kfree_skb(skb);
	}
}
