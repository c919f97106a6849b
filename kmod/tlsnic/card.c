// SPDX-License-Identifier: GPL-2.0-only
/*
 * A card: its calls from the kernel's TLS (struct tlsdev_ops), and what it does to packets. Sending it works as the
 * driver of Netronome's cards does (drivers/net/ethernet/netronome/nfp), whose hardware follows streams in the same
 * way.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/version.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>
#include <net/tcp.h>
#include "tlsnic.h"

/* The kernel keeps a driver's pointer for each direction of a connection. */
static void **driver_pointer(struct tls_context *ctx, enum tls_offload_ctx_dir dir)
{
	return __tls_driver_ctx(ctx, dir);
}

static u32 segments(const struct sk_buff *skb)
{
	return skb_shinfo(skb)->gso_segs ?: 1;
}

/* Says whether the card is to seal what the packet carries. */
static bool to_seal(const struct sk_buff *skb)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	return tls_is_skb_tx_device_offloaded(skb);
#else
	return skb->sk && tls_is_sk_tx_device_offloaded(skb->sk);
#endif
}

/*
 * A packet that does not begin where the card is. The kernel knows all that was not acknowledged and seals it itself. If
 * it lies ahead, something never came to the card, and the card needs to know where the next record begins.
 */
static struct sk_buff *fall_back(struct tlsnic_end *end, struct sk_buff *skb, u32 next, bool lost)
{
	u32 seq = ntohl(tcp_hdr(skb)->seq);
	struct sk_buff *sealed;

	tlsnic_count(end, TLSNIC_tx_tls_ooo, segments(skb));
	if ((lost || after(seq, next)) && !tls_offload_tx_resync_pending(skb->sk)) {
		tlsnic_count(end, TLSNIC_tx_tls_resync_req, 1);
		tls_offload_tx_resync_request(skb->sk, seq, next);
	}
	sealed = tls_encrypt_skb(skb);
	if (!sealed)
		tlsnic_count(end, TLSNIC_tx_tls_drop_no_sync_data, 1);
	else if (sealed != skb) /* else it was from before the keys */
		tlsnic_count(end, TLSNIC_tx_tls_fallback_packets, segments(sealed));
	return sealed;
}

/* Gives the packet as it goes to the cable, or nothing: then it is dropped, and TCP will send it again. */
struct sk_buff *tlsnic_seal(struct tlsnic_end *end, struct sk_buff *skb)
{
	u32 len = tlsnic_payload(skb), next;
	struct tlsnic_stream *s;
	struct sk_buff *sealed;
	bool lost;
	int err;

	if (!len || !to_seal(skb))
		return skb;
	if (tlsnic_fault(end, FAULT_MISS, ++end->sent)) {
		kfree_skb(skb);
		return NULL;
	}
	s = *driver_pointer(tls_get_ctx(skb->sk), TLS_OFFLOAD_CTX_DIR_TX);
	spin_lock_bh(&end->lock);
	next = s->next;
	lost = s->lost;
	if (lost || ntohl(tcp_hdr(skb)->seq) != next || tls_offload_tx_resync_pending(skb->sk)) {
		spin_unlock_bh(&end->lock);
		return fall_back(end, skb, next, lost);
	}
	/* The socket keeps the plaintext, to send it again. */
	sealed = skb_copy(skb, GFP_ATOMIC | __GFP_NOWARN);
	err = sealed ? tlsnic_stream_run(s, skb_transport_header(sealed) + tcp_hdrlen(sealed), len) : -ENOMEM;
	spin_unlock_bh(&end->lock);
	if (err) {
		tlsnic_count(end, TLSNIC_no_memory, err == -ENOMEM);
		kfree_skb(sealed);
		kfree_skb(skb);
		return NULL;
	}
	consume_skb(skb);
	tlsnic_count(end, TLSNIC_tx_tls_encrypted_packets, segments(sealed));
	tlsnic_count(end, TLSNIC_tx_tls_encrypted_bytes, len);
	return sealed;
}

static void packet_addresses(const struct sk_buff *skb, struct in6_addr *saddr, struct in6_addr *daddr)
{
	if (skb->protocol == htons(ETH_P_IPV6)) {
		*saddr = ipv6_hdr(skb)->saddr;
		*daddr = ipv6_hdr(skb)->daddr;
	} else {
		ipv6_addr_set_v4mapped(ip_hdr(skb)->saddr, saddr);
		ipv6_addr_set_v4mapped(ip_hdr(skb)->daddr, daddr);
	}
}

static struct tlsnic_conn *find_conn(struct tlsnic_end *end, const struct sk_buff *skb)
{
	struct in6_addr saddr, daddr;
	struct tlsnic_conn *c;

	packet_addresses(skb, &saddr, &daddr);
	list_for_each_entry(c, &end->conns, list)
		if (c->sport == tcp_hdr(skb)->source && c->dport == tcp_hdr(skb)->dest &&
		    ipv6_addr_equal(&c->saddr, &saddr) && ipv6_addr_equal(&c->daddr, &daddr))
			return c;
	return NULL;
}

/* Opens a packet where the card is, in a copy: the sender may keep the data for itself. The card is locked. */
static struct sk_buff *open_in_place(struct tlsnic_end *end, struct tlsnic_stream *s, struct sk_buff *skb, bool leave)
{
	u32 len = tlsnic_payload(skb);
	struct sk_buff *opened = skb_copy(skb, GFP_ATOMIC | __GFP_NOWARN);
	int err;

	if (!opened) {
		tlsnic_count(end, TLSNIC_no_memory, 1);
		return skb;
	}
	leave |= s->guess;
	err = tlsnic_stream_run(s, skb_transport_header(opened) + tcp_hdrlen(opened), len);
	if (err || leave) {
		tlsnic_count(end, TLSNIC_rx_tls_err, err && !s->guess);
		kfree_skb(opened);
		return skb;
	}
	opened->decrypted = 1;
	tlsnic_count(end, TLSNIC_rx_tls_decrypted_packets, segments(opened));
	tlsnic_count(end, TLSNIC_rx_tls_decrypted_bytes, len);
	consume_skb(skb);
	return opened;
}

/*
 * The card has no place. If the packet begins like a record, it asks the kernel whether one begins there, which the kernel
 * will see when it comes to it; until then the card follows what it takes for records.
 */
static void ask(struct tlsnic_end *end, struct tlsnic_conn *c, const struct sk_buff *skb)
{
	u32 seq = ntohl(tcp_hdr(skb)->seq);
	u8 header[TLS_HEADER_SIZE];

	if (c->hints || skb_copy_bits(skb, skb_transport_offset(skb) + tcp_hdrlen(skb), header, sizeof(header)) ||
	    !tlsnic_is_header(header))
		return;
	tlsnic_stream_place(&c->stream, seq, 0);
	c->stream.guess = true;
	c->asked = seq;
	tlsnic_count(end, TLSNIC_rx_tls_resync_req_pkt, 1);
	/* The kernel goes by the last byte of the header. */
	tls_offload_rx_resync_request(c->sk, htonl(seq + TLS_HEADER_SIZE - 1));
}

/* A gap makes the card lose its place; what was sent again it has seen before. */
static struct sk_buff *open_of(struct tlsnic_end *end, struct tlsnic_conn *c, struct sk_buff *skb, bool leave)
{
	u32 seq = ntohl(tcp_hdr(skb)->seq), end_seq = seq + tlsnic_payload(skb);

	c->stream.lost |= after(seq, c->stream.next);
	if (c->stream.lost)
		ask(end, c, skb);
	if (after(end_seq, c->seen))
		c->seen = end_seq;
	if (c->stream.lost || c->stream.guess || seq != c->stream.next)
		tlsnic_count(end, TLSNIC_rx_tls_ooo, segments(skb));
	if (c->stream.lost || seq != c->stream.next)
		return skb;
	return open_in_place(end, &c->stream, skb, leave);
}

/* Gives the packet as the stack gets it: opened where the card knows the connection and its place, else as it came. */
struct sk_buff *tlsnic_open(struct tlsnic_end *end, struct sk_buff *skb, bool leave, bool lose)
{
	struct tlsnic_conn *c;

	spin_lock_bh(&end->lock);
	c = find_conn(end, skb);
	if (c) {
		c->stream.lost |= lose;
		skb = open_of(end, c, skb, leave);
	}
	spin_unlock_bh(&end->lock);
	return skb;
}

static int add_tx(struct tlsnic_end *end, struct sock *sk, const struct tls_crypto_info *info, u32 seq)
{
	struct tlsnic_stream *s = kzalloc(sizeof(*s), GFP_KERNEL);
	int err;

	if (!s)
		return -ENOMEM;
	err = tlsnic_stream_init(s, info, seq, true);
	if (err) {
		kfree(s);
		return err;
	}
	*driver_pointer(tls_get_ctx(sk), TLS_OFFLOAD_CTX_DIR_TX) = s;
	tlsnic_count(end, TLSNIC_tx_tls_ctx, 1);
	return 0;
}

/* What stands in packets that come to the socket. */
static void socket_addresses(const struct sock *sk, struct tlsnic_conn *c)
{
	if (sk->sk_family == AF_INET6 && !ipv6_addr_v4mapped(&sk->sk_v6_daddr)) {
		c->saddr = sk->sk_v6_daddr;
		c->daddr = sk->sk_v6_rcv_saddr;
	} else {
		ipv6_addr_set_v4mapped(inet_sk(sk)->inet_daddr, &c->saddr);
		ipv6_addr_set_v4mapped(inet_sk(sk)->inet_rcv_saddr, &c->daddr);
	}
	c->sport = inet_sk(sk)->inet_dport;
	c->dport = inet_sk(sk)->inet_sport;
}

static int add_rx(struct tlsnic_end *end, struct sock *sk, const struct tls_crypto_info *info, u32 seq)
{
	struct tlsnic_conn *c = kzalloc(sizeof(*c), GFP_KERNEL);
	int err;

	if (!c)
		return -ENOMEM;
	err = tlsnic_stream_init(&c->stream, info, seq, false);
	if (err) {
		kfree(c);
		return err;
	}
	socket_addresses(sk, c);
	c->sk = sk;
	c->seen = seq;
	c->hints = READ_ONCE(tlsnic_hints);
	tls_offload_rx_resync_set_type(sk, c->hints ? TLS_OFFLOAD_SYNC_TYPE_CORE_NEXT_HINT : TLS_OFFLOAD_SYNC_TYPE_DRIVER_REQ);
	*driver_pointer(tls_get_ctx(sk), TLS_OFFLOAD_CTX_DIR_RX) = c;
	tlsnic_count(end, TLSNIC_rx_tls_ctx, 1);
	spin_lock_bh(&end->lock);
	list_add(&c->list, &end->conns);
	spin_unlock_bh(&end->lock);
	return 0;
}

static int tlsnic_add(struct net_device *dev, struct sock *sk, enum tls_offload_ctx_dir dir,
		      struct tls_crypto_info *info, u32 seq)
{
	if (dir == TLS_OFFLOAD_CTX_DIR_TX)
		return add_tx(netdev_priv(dev), sk, info, seq);
	return add_rx(netdev_priv(dev), sk, info, seq);
}

/* No packet that the card is to seal is on its way any more; one that it is to open may be, until it is off the list. */
static void tlsnic_del(struct net_device *dev, struct tls_context *ctx, enum tls_offload_ctx_dir dir)
{
	struct tlsnic_end *end = netdev_priv(dev);
	void *mine = *driver_pointer(ctx, dir);
	struct tlsnic_conn *c = mine;

	if (dir == TLS_OFFLOAD_CTX_DIR_TX) {
		tlsnic_stream_free(mine);
		tlsnic_count(end, TLSNIC_tx_tls_del, 1);
	} else {
		spin_lock_bh(&end->lock);
		list_del(&c->list);
		spin_unlock_bh(&end->lock);
		tlsnic_stream_free(&c->stream);
		tlsnic_count(end, TLSNIC_rx_tls_del, 1);
	}
	kfree_sensitive(mine);
}

/* What the card asked about is a record's begin, and it is this record's; a hint names one that is still to come. */
static bool place_rx(struct tlsnic_conn *c, u32 seq, u64 record)
{
	if (c->hints) {
		if (before(seq, c->seen))
			return false;
		tlsnic_stream_place(&c->stream, seq, record);
		return true;
	}
	if (!c->stream.guess || seq != c->asked + TLS_HEADER_SIZE - 1)
		return false;
	c->stream.guess = false;
	c->stream.record += record;
	return true;
}

static int tlsnic_resync(struct net_device *dev, struct sock *sk, u32 seq, u8 *number, enum tls_offload_ctx_dir dir)
{
	void *mine = *driver_pointer(tls_get_ctx(sk), dir);
	struct tlsnic_end *end = netdev_priv(dev);
	u64 record = get_unaligned_be64(number);
	bool placed;

	if (dir == TLS_OFFLOAD_CTX_DIR_TX) {
		spin_lock_bh(&end->lock);
		tlsnic_stream_place(mine, seq, record);
		spin_unlock_bh(&end->lock);
		tlsnic_count(end, TLSNIC_tx_tls_resync_ok, 1);
		return 0;
	}
	spin_lock_bh(&end->lock);
	placed = place_rx(mine, seq, record);
	spin_unlock_bh(&end->lock);
	tlsnic_count(end, placed ? TLSNIC_rx_tls_resync_res_ok : TLSNIC_rx_tls_resync_res_skip, 1);
	return 0;
}

const struct tlsdev_ops tlsnic_tls_ops = {
	.tls_dev_add = tlsnic_add,
	.tls_dev_del = tlsnic_del,
	.tls_dev_resync = tlsnic_resync,
};
