// SPDX-License-Identifier: GPL-2.0-only
/* The path of a packet between the sending card and the stack above the receiving one. */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include "tlsnic.h"

/* The bytes of data in a packet of TCP; in any other packet, and in one whose header is cut (AF_PACKET), 0. Extension headers of IPv6 are not looked behind. */
u32 tlsnic_payload(const struct sk_buff *skb)
{
	bool tcp = skb->protocol == htons(ETH_P_IP) ? ip_hdr(skb)->protocol == IPPROTO_TCP :
		   skb->protocol == htons(ETH_P_IPV6) && ipv6_hdr(skb)->nexthdr == IPPROTO_TCP;
	u32 headers;

	if (!tcp || !skb_transport_header_was_set(skb) || skb_headlen(skb) < skb_transport_offset(skb) + sizeof(struct tcphdr))
		return 0;
	headers = skb_transport_offset(skb) + tcp_hdrlen(skb);
	return skb->len > headers ? skb->len - headers : 0;
}

/* The card has processed it, or does not handle it: on to the stack. */
static void deliver(struct tlsnic_end *to, struct sk_buff *skb)
{
	unsigned int len = skb->len;

	/* A checksum that the sender left to its card is one that this card has seen to be right. */
	if (skb->ip_summed != CHECKSUM_PARTIAL)
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	if (dev_forward_skb(to->dev, skb) != NET_RX_SUCCESS) {
		to->dev->stats.rx_dropped++;
		return;
	}
	to->dev->stats.rx_packets++;
	to->dev->stats.rx_bytes += len;
}

/* The sender's TCP keeps the data that the packet refers to, so that a copy is changed. */
static struct sk_buff *corrupt(struct tlsnic_end *to, struct sk_buff *skb)
{
	struct sk_buff *copy = skb_copy(skb, GFP_ATOMIC | __GFP_NOWARN);

	if (copy)
		copy->data[copy->len - 1] ^= 1;
	else
		tlsnic_count(to, TLSNIC_no_memory, 1);
	kfree_skb(skb);
	return copy;
}

/* A packet with data, which faults may strike. */
static void carry(struct tlsnic_end *to, struct sk_buff *skb)
{
	u64 number = ++to->arrived;
	struct sk_buff *held;

	if (tlsnic_fault(to, FAULT_DROP, number)) {
		kfree_skb(skb);
		return;
	}
	if (tlsnic_fault(to, FAULT_CORRUPT, number)) {
		skb = corrupt(to, skb);
		if (!skb)
			return;
	}
	if (!to->held && tlsnic_fault(to, FAULT_REORDER, number)) {
		to->held = skb;
		return;
	}
	deliver(to, tlsnic_open(to, skb, tlsnic_fault(to, FAULT_LEAVE, number), tlsnic_fault(to, FAULT_LOSE, number)));
	held = to->held;
	to->held = NULL;
	if (held)
		deliver(to, tlsnic_open(to, held, false, false));
}

/* Sends a packet as it is now from an end to the other; called with the sending device's transmit lock held. */
void tlsnic_send(struct tlsnic_end *from, struct sk_buff *skb)
{
	from->dev->stats.tx_packets++;
	from->dev->stats.tx_bytes += skb->len;
	skb_orphan(skb);
	skb->decrypted = 0; /* on its way to a card that means to be sealed, on the way from one it means opened */
	if (tlsnic_payload(skb))
		carry(from->peer, skb);
	else
		deliver(from->peer, skb);
}
