/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tlsnic: a simulated network card that seals and opens TLS records, for tests of what the kernel and ktlstop do with
 * one. It is no vendor's card, and nothing about its speed says anything about one.
 *
 * Two devices, tlsnic0 and tlsnic1, are the ends of a cable. Each end has a card, which works as the kernel's
 * Documentation/networking/tls-offload.rst says: it follows each connection's records by the sequence numbers of TCP,
 * packet after packet, and where it has lost its place, it leaves packets to the kernel until the kernel gives it one.
 *
 *	main.c		the module, its parameters
 *	netdev.c	the devices, and their counters (ethtool -S)
 *	cable.c		from one end to the other, with faults
 *	card.c		which connections the card knows, and what it does to their packets
 *	stream.c	one direction of a connection: records, AES-GCM
 */
#ifndef TLSNIC_H
#define TLSNIC_H

#include <linux/in6.h>
#include <linux/list.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/version.h>
#include <net/tls.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

/* What an end counts. Those that drivers have too bear the names of tls-offload.rst. */
#define TLSNIC_COUNTERS(X)                                                                        \
	X(tx_tls_ctx)		     /* directions that the card was given to seal */             \
	X(tx_tls_del)		     /* and those taken back */                                   \
	X(tx_tls_encrypted_packets)  /* sealed by the card; a large send counts as its segments */\
	X(tx_tls_encrypted_bytes)                                                                 \
	X(tx_tls_ooo)		     /* not where the card was: retransmissions, lost places */   \
	X(tx_tls_fallback_packets)   /* of those, what the kernel has sealed for the card */      \
	X(tx_tls_drop_no_sync_data)  /* and what it could not */                                  \
	X(tx_tls_resync_req)	     /* the card asked for its place */                           \
	X(tx_tls_resync_ok)	     /* and was told */                                           \
	X(rx_tls_ctx)		     /* directions that the card was given to open */             \
	X(rx_tls_del)                                                                             \
	X(rx_tls_decrypted_packets)  /* opened by the card */                                     \
	X(rx_tls_decrypted_bytes)                                                                 \
	X(rx_tls_ooo)		     /* left to the kernel: not where the card was */             \
	X(rx_tls_err)		     /* left to the kernel: a wrong tag, or no record */          \
	X(rx_tls_resync_req_pkt)     /* the card asked whether a record begins where it thinks */ \
	X(rx_tls_resync_res_ok)	     /* the kernel told the card its place */                     \
	X(rx_tls_resync_res_skip)    /* one that the stream is past already, or not asked about */\
	X(no_memory)                                                                              \
	X(fault_drop)		     /* how often each fault struck */                            \
	X(fault_corrupt)                                                                          \
	X(fault_reorder)                                                                          \
	X(fault_leave)                                                                            \
	X(fault_lose)                                                                             \
	X(fault_miss)

#define TLSNIC_ENUM(name) TLSNIC_##name,
enum tlsnic_counter { TLSNIC_COUNTERS(TLSNIC_ENUM) TLSNIC_COUNTER_NR };
#undef TLSNIC_ENUM

/* One end of the cable: the private part of its device. */
struct tlsnic_end {
	struct net_device *dev;
	struct tlsnic_end *peer;
	int index;
	spinlock_t lock;		/* the card: its connections and all of their streams */
	struct list_head conns;		/* those whose packets the card opens */
	struct sk_buff *held;		/* of reordering: what the next packet overtakes; under the peer's transmit lock */
	u64 arrived;			/* packets with data on their way to this end; likewise */
	u64 sent;			/* packets that the card is to seal; under the own transmit lock */
	atomic64_t counters[TLSNIC_COUNTER_NR];
};

static inline void tlsnic_count(struct tlsnic_end *end, enum tlsnic_counter counter, u64 n)
{
	atomic64_add(n, &end->counters[counter]);
}

#define TLSNIC_NONCE 8				/* the explicit part, behind the header */
#define TLSNIC_PREFIX (TLS_HEADER_SIZE + TLSNIC_NONCE)
#define TLSNIC_TAG 16
#define TLSNIC_BODY (16384 + 2048)		/* the longest ciphertext of RFC 5246, 6.2.3 */

/* One direction of a connection, which the card seals or opens from packet to packet. */
struct tlsnic_stream {
	struct crypto_aead *aead;		/* makes and checks tags */
	struct aead_request *request;
	struct crypto_sync_skcipher *ctr;	/* encrypts any range of a record */
	bool seal;
	bool lost;				/* the card does not know its place */
	bool guess;				/* it follows what looks like records from where it asked about on */
	u32 next;				/* the TCP sequence that it goes on at */
	u64 record;				/* the number of the record there; of a guess, counted from 0 */
	u32 pos, len;				/* place in that record; its length, 0 before its header is there */
	u8 prefix[TLSNIC_PREFIX];
	/* What the crypto layer reads by page, and so may not be on the stack. */
	u8 nonce[16], aad[TLS_AAD_SPACE_SIZE], pad[16];
	u8 *text;				/* the record's text for its tag: plaintext to seal, ciphertext to open */
};

/* A connection whose packets an end's card opens, by what stands in these packets. */
struct tlsnic_conn {
	struct list_head list;
	struct tlsnic_stream stream;
	struct sock *sk;			/* as long as it is on the list */
	bool hints;				/* the card does not ask */
	u32 asked;				/* the sequence of what may be a record's header */
	u32 seen;				/* up to which the stream has come */
	struct in6_addr saddr, daddr;		/* IPv4 as mapped */
	__be16 sport, dport;
};

/* Faults: every so manieth packet, for each end; 0 is never. main.c says what they do. */
enum tlsnic_fault { FAULT_DROP, FAULT_CORRUPT, FAULT_REORDER, FAULT_LEAVE, FAULT_LOSE, FAULT_MISS };
extern bool tlsnic_hints;
bool tlsnic_fault(struct tlsnic_end *end, enum tlsnic_fault fault, u64 packet);

int tlsnic_create(struct tlsnic_end **end, int index);
extern const struct ethtool_ops tlsnic_ethtool_ops;
extern const struct tlsdev_ops tlsnic_tls_ops;

void tlsnic_send(struct tlsnic_end *from, struct sk_buff *skb);
struct sk_buff *tlsnic_seal(struct tlsnic_end *end, struct sk_buff *skb);
struct sk_buff *tlsnic_open(struct tlsnic_end *end, struct sk_buff *skb, bool leave, bool lose);
u32 tlsnic_payload(const struct sk_buff *skb);

int tlsnic_stream_init(struct tlsnic_stream *s, const struct tls_crypto_info *info, u32 seq, bool seal);
void tlsnic_stream_free(struct tlsnic_stream *s);
void tlsnic_stream_place(struct tlsnic_stream *s, u32 seq, u64 record);
bool tlsnic_is_header(const u8 *header);
int tlsnic_stream_run(struct tlsnic_stream *s, u8 *p, u32 n);

#endif
