/* SPDX-License-Identifier: GPL-2.0-only */
/* Declarations shared by the module's files. The order of locks: gate, lock, lock_sock(low). */
#ifndef AFKTLS_H
#define AFKTLS_H
#include <linux/mutex.h>
#include <linux/net.h>
#include <linux/rwsem.h>
#include <linux/skbuff.h>
#include <linux/tls.h>
#include <net/sock.h>
#include "af_ktls.h"
#include "compat.h"
#include "hooks.h"

#define DTLS_HEADER 13		/* RFC 6347 4.1: type, version(2), epoch(2), sequence(6), length(2) */
#define DTLS_TAG 16
#define DTLS_MAX_PLAIN 16384
#define DTLS_SEQ_MASK 0xffffffffffffULL
#define DTLS_ALERT 21
#define DTLS_APPLICATION_DATA 23
#define UDP_MAX_PAYLOAD 65507

enum { AFKTLS_RX_DIR, AFKTLS_TX_DIR, AFKTLS_DIRS };

/* A cipher of TLS 1.2, by the parts of its tls12_crypto_info_*: info, iv, key, salt, rec_seq. */
struct afktls_cipher {
	u16 id;			/* KTLS_CIPHER_* */
	u8 info_iv, key, info_salt; /* bytes of these parts */
	u8 salt;		/* bytes of the value of KTLS_SET_SALT_* */
	u8 explicit;		/* bytes of the nonce that each record carries */
	const char *aead;
};

#define AFKTLS_MAX_KEY 32
#define AFKTLS_IV 12
#define AFKTLS_MAX_INFO (sizeof(struct tls_crypto_info) + AFKTLS_IV + AFKTLS_MAX_KEY + 4 + 8)

/* A direction's key as user space set it. */
struct afktls_parts {
	u8 key[AFKTLS_MAX_KEY];
	u8 salt[AFKTLS_IV];
	u64 next;		/* DTLS: epoch(16) | sequence(48) */
	u8 have;		/* AFKTLS_HAVE_* */
};
#define AFKTLS_HAVE_IV 1
#define AFKTLS_HAVE_KEY 2
#define AFKTLS_HAVE_SALT 4
#define AFKTLS_HAVE_ALL 7

/*
 * A key in use and its counter: they live and die together, so that no other counter can meet this key.
 * Senders hold a reference; receivers in softirq are waited for by synchronize_net().
 */
struct afktls_key {
	refcount_t refs;
	u16 epoch;
	u8 explicit;
	u8 salt[AFKTLS_IV];
	struct crypto_aead *aead;
	/* tx, below afktls_sock.lock: epoch(16) | sequence(48) of the next record */
	u64 next;
	/* rx, below window: highest sequence opened + 1, and which of the 64 before it were */
	spinlock_t window;
	u64 top;
	u64 seen;
	/* rx: while afktls_drain() processes older datagrams, new ones wait behind them; below waiting.lock */
	struct sk_buff_head waiting;
	u32 waiting_size;	/* truesize of all that ever waited */
	bool draining;
};

/* A record on its way out: rec.len bytes of plaintext at rec.data, of at most room, followed by room for the tag. */
struct afktls_out {
	struct afktls_record rec; /* first, and what tracers are given */
	struct afktls_key *key;
	unsigned int flags;	/* MSG_DONTWAIT */
	u16 room;
	u8 *wire;		/* header, explicit nonce, plaintext, tag */
	u8 aad[];
};

/* A record on its way in. */
struct afktls_in {
	struct afktls_record rec; /* first, and what tracers are given */
	struct afktls_key *key;
	u8 *wire;		/* its header in the datagram, which is linear */
};

enum afktls_stat { /* the order of struct ktls_stats */
	AFKTLS_STAT_TX_RECORDS, AFKTLS_STAT_TX_BYTES, AFKTLS_STAT_RX_RECORDS, AFKTLS_STAT_RX_BYTES, AFKTLS_STAT_REPLAYS,
	AFKTLS_STAT_BAD_TAGS, AFKTLS_STAT_OTHER_EPOCHS, AFKTLS_STAT_FULL, AFKTLS_STAT_MALFORMED, AFKTLS_STAT_FILTERED,
	AFKTLS_STAT_TO_USER_SPACE, AFKTLS_STATS
};

struct afktls_sock {
	struct sock sk;		/* the first four: hooks.h */
	struct sock *udp;
	u16 version;
	u16 cipher;

	/*
	 * Attached or not. Written with gate held for writing; users of the UDP socket hold it for reading. Stream
	 * sockets never release low before they are closed, and need no gate.
	 */
	struct rw_semaphore gate;
	struct socket *low;	/* the socket below, with a reference to its file */
	bool attached;
	void (*udp_write_space)(struct sock *sk);
	struct sock *writer;	/* udp for poll, below RCU */
	u32 told_mark, told_priority; /* what the UDP socket had from us, or we from it */
	u32 attachment;		/* number of the current or next attachment; written below the receive queue's lock */

	struct mutex lock;	/* everything below */
	const struct afktls_cipher *alg; /* NULL: the first key says */
	struct afktls_parts parts[AFKTLS_DIRS];
	struct afktls_key *tx;
	struct afktls_key __rcu *rx;
	u32 mtu;		/* most bytes of a datagram, 0: the path's */
	struct afktls_out *open; /* the data that MSG_MORE has collected */

	atomic64_t stats[AFKTLS_STATS];
};

static inline struct afktls_sock *afktls_sk(const struct sock *sk)
{
	return container_of(sk, struct afktls_sock, sk);
}

static inline void afktls_count(struct afktls_sock *ks, enum afktls_stat what, u64 n)
{
	atomic64_add(n, &ks->stats[what]);
}

/* A queued record, in skb->cb. */
struct afktls_cb {
	u64 seq, begun;
	u32 datagram;
	u16 epoch;
	u16 read;		/* bytes that a splice has taken from its front */
	u32 attachment;		/* of the socket, when the record came */
	u8 type;
};

static inline struct afktls_cb *afktls_cb(struct sk_buff *skb)
{
	sock_skb_cb_check_size(sizeof(struct afktls_cb));
	return (struct afktls_cb *)skb->cb;
}

/* How much of a record has been read, and how much is left. The skb stays whole: a peeker may share it. */
static inline u32 afktls_read(struct sk_buff *skb)
{
	return READ_ONCE(afktls_cb(skb)->read);
}

static inline u32 afktls_unread(struct sk_buff *skb)
{
	return skb->len - afktls_read(skb);
}

void afktls_queued_record(struct sk_buff *skb, struct afktls_record *rec);

/* attach.c */
int afktls_attach_udp(struct afktls_sock *ks, struct socket *low);
void afktls_detach_udp(struct afktls_sock *ks);

/* keys.c */
const struct afktls_cipher *afktls_find_cipher(u16 id);
u64 afktls_next(struct afktls_sock *ks, int dir);
u32 afktls_put_info(u8 *info, u16 version, const struct afktls_cipher *alg, const struct afktls_parts *parts, u64 next);
void afktls_put_key(struct afktls_key *key);
int afktls_use_key(struct afktls_sock *ks, int dir, const struct afktls_cipher *alg, const struct afktls_parts *parts);
bool afktls_has_key(struct afktls_sock *ks, int dir);
void afktls_free_keys(struct afktls_sock *ks);
enum afktls_drop_reason afktls_window_check(struct afktls_key *key, u64 seq);
enum afktls_drop_reason afktls_window_mark(struct afktls_key *key, u64 seq);

/* options.c */
int afktls_setsockopt(struct socket *sock, int level, int name, sockptr_t val, unsigned int len);
int afktls_getsockopt(struct socket *sock, int level, int name, char __user *val, int __user *len);

/* record.c */
struct afktls_out *afktls_new_out(u16 room, u8 explicit);
void afktls_free_out(struct afktls_out *out);
static inline u32 afktls_overhead(u8 explicit) { return DTLS_HEADER + explicit + DTLS_TAG; }

/* send.c */
u32 afktls_room(struct afktls_sock *ks);
int afktls_dgram_sendmsg(struct socket *sock, struct msghdr *msg, size_t size);
void afktls_dgram_splice_eof(struct socket *sock);
ssize_t afktls_dgram_sendpage(struct socket *sock, struct page *page, int offset, size_t size, int flags);

/* input.c */
int afktls_encap_rcv(struct sock *usk, struct sk_buff *skb);
bool afktls_walk(struct afktls_sock *ks, struct afktls_key *key, struct sk_buff *skb);
void afktls_lose(struct afktls_sock *ks, struct sk_buff *skb);
void afktls_purge(struct afktls_sock *ks);

/* drain.c */
void afktls_drain(struct afktls_sock *ks);

/* read.c */
int afktls_dgram_recvmsg(struct socket *sock, struct msghdr *msg, size_t len, int flags);
ssize_t afktls_dgram_splice_read(struct socket *sock, loff_t *ppos, struct pipe_inode_info *pipe, size_t len,
				 unsigned int flags);
__poll_t afktls_dgram_poll(struct file *file, struct socket *sock, struct poll_table_struct *wait);

/* stream.c */
extern const struct proto_ops afktls_stream_ops;
int afktls_attach_tcp(struct afktls_sock *ks, struct socket *low);
int afktls_install_tcp(struct afktls_sock *ks, int dir, const struct afktls_cipher *alg, const struct afktls_parts *parts);
u64 afktls_next_tcp(struct afktls_sock *ks, int dir);

/* sock.c: the operations of both types */
int afktls_bind(struct socket *sock, afktls_sockaddr *addr, int len);
int afktls_release(struct socket *sock);
int afktls_getname(struct socket *sock, struct sockaddr *addr, int peer);
int afktls_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg);
void afktls_reset(struct afktls_sock *ks);
void afktls_unattach(struct afktls_sock *ks);
#endif
