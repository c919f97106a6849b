// SPDX-License-Identifier: GPL-2.0-only
/* Socket options: those of the family, and those of the socket below. */
#include <linux/udp.h>
#include <net/tls.h>
#include "afktls.h"

/* Parses net/tls's structs by the lengths of the cipher. For AES-GCM the iv is the record's number anyway. */
static int parse_info(const u8 *info, unsigned int len, const struct afktls_cipher *alg, struct afktls_parts *parts)
{
	const u8 *iv = info + sizeof(struct tls_crypto_info), *key = iv + alg->info_iv, *salt = key + alg->key;
	const u8 *seq = salt + alg->info_salt;

	if (len != seq + 8 - info)
		return -EINVAL;
	memset(parts, 0, sizeof(*parts));
	memcpy(parts->key, key, alg->key);
	memcpy(parts->salt, alg->info_salt ? salt : iv, alg->salt);
	parts->next = get_unaligned_be64(seq);
	parts->have = AFKTLS_HAVE_ALL;
	return 0;
}

static int set_info(struct afktls_sock *ks, int dir, sockptr_t val, unsigned int len)
{
	struct { struct tls_crypto_info info; u8 rest[AFKTLS_MAX_INFO - sizeof(struct tls_crypto_info)]; } ci;
	const struct afktls_cipher *alg;
	struct afktls_parts parts;
	int err;

	if (len < sizeof(ci.info) || len > sizeof(ci))
		return -EINVAL;
	err = -EFAULT;
	if (copy_from_sockptr(&ci, val, len))
		goto out; /* a part of a key may have been set */
	alg = afktls_find_cipher(ci.info.cipher_type);
	err = -EINVAL;
	if (alg && (!ks->alg || ks->alg == alg) && ci.info.version == ks->version)
		err = parse_info((u8 *)&ci, len, alg, &parts);
	if (!err)
		err = afktls_use_key(ks, dir, alg, &parts);
out:
	memzero_explicit(&ci, sizeof(ci));
	memzero_explicit(&parts, sizeof(parts));
	return err;
}

static int set_info_tcp(struct afktls_sock *ks, int dir, sockptr_t val, unsigned int len)
{
	return READ_ONCE(ks->low->ops)->setsockopt(ks->low, SOL_TLS, dir == AFKTLS_TX_DIR ? TLS_TX : TLS_RX, val, len);
}

/* Sets one of the three parts of 2016, in a copy of the key so far. */
static int change_part(struct afktls_parts *parts, const struct afktls_cipher *alg, int what, sockptr_t val, unsigned int len)
{
	__be64 next;

	switch (what) {
	case AFKTLS_HAVE_IV:
		if (len != sizeof(next))
			return -EBADMSG;
		if (copy_from_sockptr(&next, val, len))
			return -EFAULT;
		parts->next = be64_to_cpu(next);
		break;
	case AFKTLS_HAVE_KEY:
		if (len != alg->key)
			return -EBADMSG;
		if (copy_from_sockptr(parts->key, val, len))
			return -EFAULT;
		break;
	default:
		if (len != alg->salt)
			return -EBADMSG;
		if (copy_from_sockptr(parts->salt, val, len))
			return -EFAULT;
	}
	parts->have |= what;
	return 0;
}

static int set_part(struct afktls_sock *ks, int dir, int what, sockptr_t val, unsigned int len)
{
	struct afktls_parts parts = ks->parts[dir];
	int err;

	if (!ks->alg)
		return -EINVAL;
	parts.next = afktls_next(ks, dir);
	err = change_part(&parts, ks->alg, what, val, len);
	if (!err && parts.have == AFKTLS_HAVE_ALL)
		err = afktls_use_key(ks, dir, ks->alg, &parts);
	else if (!err)
		ks->parts[dir] = parts;
	memzero_explicit(&parts, sizeof(parts));
	return err;
}

static int set_mtu(struct afktls_sock *ks, sockptr_t val, unsigned int len)
{
	union { u32 small; u64 large; } v;
	u64 mtu;

	if (ks->sk.sk_type != SOCK_DGRAM)
		return -EOPNOTSUPP;
	if (len != sizeof(u32) && len != sizeof(u64))
		return -EINVAL;
	if (copy_from_sockptr(&v, val, len))
		return -EFAULT;
	mtu = len == sizeof(u32) ? v.small : v.large;
	if (mtu && (mtu <= afktls_overhead(8) || mtu > UDP_MAX_PAYLOAD))
		return -EINVAL;
	ks->mtu = mtu;
	return 0;
}

static int set_attached(struct afktls_sock *ks, int name, sockptr_t val, unsigned int len)
{
	bool tcp = ks->sk.sk_type == SOCK_STREAM;

	switch (name) {
	case KTLS_SET_IV_RECV:
		return set_part(ks, AFKTLS_RX_DIR, AFKTLS_HAVE_IV, val, len);
	case KTLS_SET_KEY_RECV:
		return set_part(ks, AFKTLS_RX_DIR, AFKTLS_HAVE_KEY, val, len);
	case KTLS_SET_SALT_RECV:
		return set_part(ks, AFKTLS_RX_DIR, AFKTLS_HAVE_SALT, val, len);
	case KTLS_SET_IV_SEND:
		return set_part(ks, AFKTLS_TX_DIR, AFKTLS_HAVE_IV, val, len);
	case KTLS_SET_KEY_SEND:
		return set_part(ks, AFKTLS_TX_DIR, AFKTLS_HAVE_KEY, val, len);
	case KTLS_SET_SALT_SEND:
		return set_part(ks, AFKTLS_TX_DIR, AFKTLS_HAVE_SALT, val, len);
	case KTLS_TX:
	case KTLS_RX:
		return (tcp ? set_info_tcp : set_info)(ks, name == KTLS_TX ? AFKTLS_TX_DIR : AFKTLS_RX_DIR, val, len);
	case KTLS_SET_MTU:
		return set_mtu(ks, val, len);
	}
	return -ENOPROTOOPT;
}

static int unattach(struct afktls_sock *ks)
{
	int err = down_write_killable(&ks->gate);

	if (err)
		return err;
	err = ks->attached ? 0 : -ENOTCONN;
	afktls_unattach(ks);
	up_write(&ks->gate);
	return err;
}

static int set_own(struct afktls_sock *ks, int name, sockptr_t val, unsigned int len)
{
	int err = -ENOTCONN;

	if (name == KTLS_UNATTACH)
		return unattach(ks);
	if (down_read_killable(&ks->gate))
		return -EINTR;
	mutex_lock(&ks->lock);
	if (ks->attached)
		err = set_attached(ks, name, val, len);
	mutex_unlock(&ks->lock);
	up_read(&ks->gate);
	return err;
}

/* Options that would split or join our datagrams, or replace us as the receiver. */
static bool forbidden(struct afktls_sock *ks, int level, int name)
{
	return ks->sk.sk_type == SOCK_DGRAM && level == SOL_UDP &&
	       (name == UDP_ENCAP || name == UDP_CORK || name == UDP_SEGMENT || name == UDP_GRO);
}

static bool is_own_level(struct afktls_sock *ks, int level)
{
	return level == SOL_KTLS || level == ks->sk.sk_family;
}

int afktls_setsockopt(struct socket *sock, int level, int name, sockptr_t val, unsigned int len)
{
	struct afktls_sock *ks = afktls_sk(sock->sk);
	int err = -ENOTCONN;

	if (is_own_level(ks, level))
		return set_own(ks, name, val, len);
	if (forbidden(ks, level, name))
		return -EOPNOTSUPP;
	if (down_read_killable(&ks->gate))
		return -EINTR;
	if (ks->attached)
		err = READ_ONCE(ks->low->ops)->setsockopt(ks->low, level, name, val, len);
	up_read(&ks->gate);
	return err;
}

static int give(const void *what, int n, char __user *val, int __user *len)
{
	int room;

	if (get_user(room, len))
		return -EFAULT;
	if (room < n)
		return -EINVAL;
	return copy_to_user(val, what, n) || put_user(n, len) ? -EFAULT : 0;
}

/* Through the stack: hardened kernels refuse to copy out of a socket itself. */
static int get_part(struct afktls_sock *ks, int dir, int what, char __user *val, int __user *len)
{
	struct afktls_parts parts = ks->parts[dir];
	int err = -ENOKEY;
	__be64 next;

	if (!(parts.have & what) || !ks->alg)
		goto out;
	switch (what) {
	case AFKTLS_HAVE_IV:
		next = cpu_to_be64(afktls_next(ks, dir));
		err = give(&next, sizeof(next), val, len);
		break;
	case AFKTLS_HAVE_KEY:
		err = give(parts.key, ks->alg->key, val, len);
		break;
	default:
		err = give(parts.salt, ks->alg->salt, val, len);
	}
out:
	memzero_explicit(&parts, sizeof(parts));
	return err;
}

static int get_info(struct afktls_sock *ks, int dir, char __user *val, int __user *len)
{
	u8 info[AFKTLS_MAX_INFO] __aligned(2);
	int err;
	u32 n;

	if (!afktls_has_key(ks, dir))
		return -ENOKEY;
	n = afktls_put_info(info, ks->version, ks->alg, &ks->parts[dir], afktls_next(ks, dir));
	err = give(info, n, val, len);
	memzero_explicit(info, sizeof(info));
	return err;
}

static int get_info_tcp(struct afktls_sock *ks, int dir, char __user *val, int __user *len)
{
	if (!ks->low)
		return -ENOTCONN;
	return READ_ONCE(ks->low->ops)->getsockopt(ks->low, SOL_TLS, dir == AFKTLS_TX_DIR ? TLS_TX : TLS_RX, val, len);
}

static int get_mtu(struct afktls_sock *ks, char __user *val, int __user *len)
{
	int room;
	u32 small;
	u64 large;

	if (!ks->attached)
		return -ENOTCONN;
	if (get_user(room, len))
		return -EFAULT;
	large = small = ks->sk.sk_type == SOCK_STREAM ? DTLS_MAX_PLAIN : afktls_room(ks);
	return room < (int)sizeof(large) ? give(&small, sizeof(small), val, len) : give(&large, sizeof(large), val, len);
}

/* Newer programs may ask for more than there is, older ones for less. */
static int get_stats(struct afktls_sock *ks, char __user *val, int __user *len)
{
	u64 stats[AFKTLS_STATS];
	int room;

	if (ks->sk.sk_type != SOCK_DGRAM)
		return -EOPNOTSUPP;
	if (get_user(room, len))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	for (int i = 0; i < AFKTLS_STATS; i++)
		stats[i] = atomic64_read(&ks->stats[i]);
	return give(stats, min_t(int, room, sizeof(stats)), val, len);
}

static int get_own(struct afktls_sock *ks, int name, char __user *val, int __user *len)
{
	bool tcp = ks->sk.sk_type == SOCK_STREAM;

	switch (name) {
	case KTLS_GET_IV_RECV:
		return get_part(ks, AFKTLS_RX_DIR, AFKTLS_HAVE_IV, val, len);
	case KTLS_GET_KEY_RECV:
		return get_part(ks, AFKTLS_RX_DIR, AFKTLS_HAVE_KEY, val, len);
	case KTLS_GET_SALT_RECV:
		return get_part(ks, AFKTLS_RX_DIR, AFKTLS_HAVE_SALT, val, len);
	case KTLS_GET_IV_SEND:
		return get_part(ks, AFKTLS_TX_DIR, AFKTLS_HAVE_IV, val, len);
	case KTLS_GET_KEY_SEND:
		return get_part(ks, AFKTLS_TX_DIR, AFKTLS_HAVE_KEY, val, len);
	case KTLS_GET_SALT_SEND:
		return get_part(ks, AFKTLS_TX_DIR, AFKTLS_HAVE_SALT, val, len);
	case KTLS_TX:
	case KTLS_RX:
		return (tcp ? get_info_tcp : get_info)(ks, name == KTLS_TX ? AFKTLS_TX_DIR : AFKTLS_RX_DIR, val, len);
	case KTLS_GET_MTU:
		return get_mtu(ks, val, len);
	case KTLS_STATS:
		return get_stats(ks, val, len);
	}
	return -ENOPROTOOPT;
}

int afktls_getsockopt(struct socket *sock, int level, int name, char __user *val, int __user *len)
{
	struct afktls_sock *ks = afktls_sk(sock->sk);
	int err = -ENOTCONN;

	if (down_read_killable(&ks->gate))
		return -EINTR;
	if (is_own_level(ks, level)) {
		mutex_lock(&ks->lock);
		err = get_own(ks, name, val, len);
		mutex_unlock(&ks->lock);
	} else if (ks->attached) {
		err = READ_ONCE(ks->low->ops)->getsockopt(ks->low, level, name, val, len);
	}
	up_read(&ks->gate);
	return err;
}
