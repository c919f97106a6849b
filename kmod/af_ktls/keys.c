// SPDX-License-Identifier: GPL-2.0-only
/* Keys: ciphers, the key of a direction with its counter, and the replay window. */
#include <crypto/aead.h>
#include <linux/slab.h>
#include "afktls.h"

static const struct afktls_cipher ciphers[] = {
	{ KTLS_CIPHER_AES_GCM_128, 8, 16, 4, 4, 8, "gcm(aes)" },	/* RFC 5288 */
	{ KTLS_CIPHER_AES_GCM_256, 8, 32, 4, 4, 8, "gcm(aes)" },
	{ KTLS_CIPHER_CHACHA20_POLY1305, 12, 32, 0, 12, 0, "rfc7539(chacha20,poly1305)" },	/* RFC 7905 */
};

const struct afktls_cipher *afktls_find_cipher(u16 id)
{
	for (int i = 0; i < ARRAY_SIZE(ciphers); i++)
		if (ciphers[i].id == id)
			return &ciphers[i];
	return NULL;
}

/*
 * Writes a key as the struct of linux/tls.h: info, iv, key, salt, rec_seq, each with the cipher's length, and at most
 * AFKTLS_MAX_INFO bytes together. For AES-GCM the iv is the record's number. Returns the length.
 */
u32 afktls_put_info(u8 *info, u16 version, const struct afktls_cipher *alg, const struct afktls_parts *parts, u64 next)
{
	u8 *iv = info + sizeof(struct tls_crypto_info), *key = iv + alg->info_iv, *salt = key + alg->key;
	u8 *seq = salt + alg->info_salt;

	*(struct tls_crypto_info *)info = (struct tls_crypto_info) { version, alg->id };
	put_unaligned_be64(next, seq);
	memcpy(iv, alg->info_salt ? seq : parts->salt, alg->info_iv);
	memcpy(key, parts->key, alg->key);
	memcpy(salt, parts->salt, alg->info_salt);
	return seq + 8 - info;
}

static void free_key(struct afktls_key *key)
{
	if (!key)
		return;
	if (!IS_ERR_OR_NULL(key->aead))
		crypto_free_aead(key->aead);
	kfree_sensitive(key);
}

void afktls_put_key(struct afktls_key *key)
{
	if (key && refcount_dec_and_test(&key->refs))
		free_key(key);
}

static int set_up_aead(struct afktls_key *key, const struct afktls_cipher *alg, const u8 *bytes)
{
	int err;

	/* Records are opened in softirq, which cannot wait: no asynchronous cipher. */
	key->aead = crypto_alloc_aead(alg->aead, 0, CRYPTO_ALG_ASYNC);
	if (IS_ERR(key->aead))
		return PTR_ERR(key->aead);
	err = crypto_aead_setauthsize(key->aead, DTLS_TAG);
	return err ?: crypto_aead_setkey(key->aead, bytes, alg->key);
}

/* A window in which all numbers before the first expected one count as seen: user space has read those. */
static struct afktls_key *new_key(const struct afktls_cipher *alg, const struct afktls_parts *parts)
{
	struct afktls_key *key = kzalloc(sizeof(*key), GFP_KERNEL);
	int err;

	if (!key)
		return ERR_PTR(-ENOMEM);
	refcount_set(&key->refs, 1);
	spin_lock_init(&key->window);
	skb_queue_head_init(&key->waiting);
	key->explicit = alg->explicit;
	key->epoch = parts->next >> 48;
	key->next = parts->next;
	key->top = parts->next & DTLS_SEQ_MASK;
	key->seen = ~0ULL;
	memcpy(key->salt, parts->salt, alg->salt);
	err = set_up_aead(key, alg, parts->key);
	if (err) {
		free_key(key);
		return ERR_PTR(err);
	}
	return key;
}

static struct afktls_key *rx_key(struct afktls_sock *ks)
{
	return rcu_dereference_protected(ks->rx, lockdep_is_held(&ks->lock));
}

bool afktls_has_key(struct afktls_sock *ks, int dir)
{
	if (ks->sk.sk_type == SOCK_STREAM)
		return ks->parts[dir].have == AFKTLS_HAVE_ALL;
	return dir == AFKTLS_TX_DIR ? ks->tx : rx_key(ks);
}

/* The number of a direction's next record. Needs ks->lock. */
u64 afktls_next(struct afktls_sock *ks, int dir)
{
	struct afktls_key *key;
	u64 next;

	if (!afktls_has_key(ks, dir))
		return ks->parts[dir].next;
	if (ks->sk.sk_type == SOCK_STREAM)
		return afktls_next_tcp(ks, dir);
	if (dir == AFKTLS_TX_DIR)
		return ks->tx->next;
	key = rx_key(ks);
	spin_lock_bh(&key->window);
	next = ((u64)key->epoch << 48) + key->top;
	spin_unlock_bh(&key->window);
	return next;
}

static void replace_tx(struct afktls_sock *ks, struct afktls_key *key)
{
	swap(ks->tx, key);
	afktls_put_key(key);
}

/*
 * A softirq that has seen no key, or the old one, may not have put its datagram into the UDP socket's queue yet: it is
 * waited for, so that afktls_drain() misses none. Nobody could read records before the first key, so they can wait
 * and stay in order. A later key must not hold up a reader: there the new epoch's first records may be overtaken.
 */
static void replace_rx(struct afktls_sock *ks, struct afktls_key *key)
{
	struct afktls_key *old = rx_key(ks);

	key->draining = !old;
	rcu_assign_pointer(ks->rx, key);
	synchronize_net();
	afktls_put_key(old);
	afktls_drain(ks);
}

static void remember(struct afktls_sock *ks, int dir, const struct afktls_cipher *alg, const struct afktls_parts *parts)
{
	ks->alg = alg;
	ks->cipher = alg->id;
	ks->parts[dir] = *parts;
}

static int use_key_udp(struct afktls_sock *ks, int dir, const struct afktls_cipher *alg, const struct afktls_parts *parts)
{
	struct afktls_key *key;

	if (afktls_has_key(ks, dir) && parts->next < afktls_next(ks, dir))
		return -EINVAL;
	key = new_key(alg, parts);
	if (IS_ERR(key))
		return PTR_ERR(key);
	remember(ks, dir, alg, parts);
	afktls_key(ks, dir == AFKTLS_TX_DIR, parts->next >> 48, parts->next & DTLS_SEQ_MASK);
	if (dir == AFKTLS_TX_DIR)
		replace_tx(ks, key);
	else
		replace_rx(ks, key);
	return 0;
}

/*
 * Puts a complete key into use; a refused one leaves everything as it was. Needs ks->lock, and ks attached. A counter
 * never goes backwards, with any key: since the nonce of a record is its number, none can be used twice on this
 * socket. Otherwise EINVAL.
 */
int afktls_use_key(struct afktls_sock *ks, int dir, const struct afktls_cipher *alg, const struct afktls_parts *parts)
{
	int err;

	if (ks->sk.sk_type == SOCK_DGRAM)
		return use_key_udp(ks, dir, alg, parts);
	err = afktls_install_tcp(ks, dir, alg, parts);
	if (!err)
		remember(ks, dir, alg, parts);
	return err;
}

/* For a socket that is attached no longer. */
void afktls_free_keys(struct afktls_sock *ks)
{
	afktls_put_key(ks->tx);
	afktls_put_key(rcu_dereference_protected(ks->rx, true));
	ks->tx = NULL;
	RCU_INIT_POINTER(ks->rx, NULL);
	memzero_explicit(ks->parts, sizeof(ks->parts));
}

static enum afktls_drop_reason window_says(struct afktls_key *key, u64 seq)
{
	if (seq >= key->top)
		return 0;
	if (key->top - seq > 64)
		return AFKTLS_TOO_OLD;
	return key->seen & BIT_ULL(key->top - seq - 1) ? AFKTLS_REPLAY : 0;
}

/* RFC 6347 4.1.2.6: 0 if the number is new. It is marked only after the record's tag was verified. */
enum afktls_drop_reason afktls_window_check(struct afktls_key *key, u64 seq)
{
	enum afktls_drop_reason reason;

	spin_lock(&key->window);
	reason = window_says(key, seq);
	spin_unlock(&key->window);
	return reason;
}

/* Another processor may have opened the same record meanwhile: only one of them gets 0. */
enum afktls_drop_reason afktls_window_mark(struct afktls_key *key, u64 seq)
{
	enum afktls_drop_reason reason;

	spin_lock(&key->window);
	reason = window_says(key, seq);
	if (!reason && seq >= key->top) {
		u64 shift = seq - key->top + 1;

		key->seen = shift < 64 ? key->seen << shift | 1 : 1;
		key->top = seq + 1;
	} else if (!reason) {
		key->seen |= BIT_ULL(key->top - seq - 1);
	}
	spin_unlock(&key->window);
	return reason;
}
