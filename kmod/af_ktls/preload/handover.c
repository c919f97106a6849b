// SPDX-License-Identifier: GPL-2.0-only
/* The record layer of a session goes to the module and back, with keys and sequences. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <netinet/in.h>
#include <unistd.h>
#include <linux/tls.h>
#include "af_ktls.h"
#include "preload.h"

/* Where a cipher's struct of linux/tls.h has its parts; salt_size 0: the whole nonce is its iv. */
static const struct layout {
	gnutls_cipher_algorithm_t cipher;
	int number;
	size_t size, iv, iv_size, key, key_size, salt, salt_size, seq;
} layouts[] = {
#define LAYOUT(gnutls, number, type, saltsize)						\
	{ gnutls, number, sizeof(struct type), offsetof(struct type, iv), sizeof(((struct type *)0)->iv),	\
	  offsetof(struct type, key), sizeof(((struct type *)0)->key),			\
	  offsetof(struct type, salt), saltsize, offsetof(struct type, rec_seq) }
	LAYOUT(GNUTLS_CIPHER_AES_128_GCM, KTLS_CIPHER_AES_GCM_128, tls12_crypto_info_aes_gcm_128, 4),
	LAYOUT(GNUTLS_CIPHER_AES_256_GCM, KTLS_CIPHER_AES_GCM_256, tls12_crypto_info_aes_gcm_256, 4),
	LAYOUT(GNUTLS_CIPHER_CHACHA20_POLY1305, KTLS_CIPHER_CHACHA20_POLY1305, tls12_crypto_info_chacha20_poly1305, 0),
};

union crypto {
	struct tls_crypto_info info;
	struct tls12_crypto_info_aes_gcm_256 largest;
	unsigned char bytes[sizeof(struct tls12_crypto_info_aes_gcm_256)];
};

void say(const struct session *s, const char *what, const char *why)
{
	if (!getenv("AFKTLS_PRELOAD_VERBOSE"))
		return;
	fprintf(stderr, "afktls-preload: %s %s: %s%s%s\n",
		next(gnutls_protocol_get_name)(next(gnutls_protocol_get_version)(s->gnutls)),
		next(gnutls_cipher_get_name)(next(gnutls_cipher_get)(s->gnutls)), what, why ? ": " : "", why ? why : "");
}

static const struct layout *layout_of(const struct session *s)
{
	gnutls_cipher_algorithm_t cipher = next(gnutls_cipher_get)(s->gnutls);
	size_t i;

	if (next(gnutls_protocol_get_version)(s->gnutls) != GNUTLS_DTLS1_2)
		return NULL;
	for (i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (layouts[i].cipher == cipher)
			return &layouts[i];
	return NULL;
}

/* set_keys gives the module one direction's key, nonce and next sequence. */
static bool set_keys(const struct session *s, const struct layout *l, int k, int option)
{
	gnutls_datum_t mac, iv, key;
	union crypto c = { 0 };
	unsigned char seq[8];
	int err;

	if (next(gnutls_record_get_state)(s->gnutls, option == KTLS_RX, &mac, &iv, &key, seq) ||
	    key.size != l->key_size || iv.size < (l->salt_size ? l->salt_size : l->iv_size)) {
		errno = EINVAL;
		return false;
	}
	c.info.version = KTLS_DTLS_1_2_VERSION;
	c.info.cipher_type = l->number;
	memcpy(c.bytes + l->key, key.data, l->key_size);
	memcpy(c.bytes + l->seq, seq, sizeof(seq));
	if (l->salt_size) {
		/* GnuTLS's explicit nonces are sequences, and so are the module's. */
		memcpy(c.bytes + l->salt, iv.data, l->salt_size);
		memcpy(c.bytes + l->iv, seq, l->iv_size);
	} else {
		memcpy(c.bytes + l->iv, iv.data, l->iv_size);
	}
	err = setsockopt(k, SOL_KTLS, option, &c, l->size);
	explicit_bzero(&c, sizeof(c));
	return !err;
}

/* udp_of returns the descriptor of a session's connected UDP socket, or -1. */
static int udp_of(const struct session *s)
{
	struct sockaddr_storage peer;
	int in, out, protocol;
	socklen_t n = sizeof(protocol), m = sizeof(peer);

	next(gnutls_transport_get_int2)(s->gnutls, &in, &out);
	if (in != out || getsockopt(in, SOL_SOCKET, SO_PROTOCOL, &protocol, &n) || protocol != IPPROTO_UDP ||
	    getpeername(in, (struct sockaddr *)&peer, &m))
		return -1;
	return in;
}

static bool attach(struct session *s, const struct layout *l)
{
	struct sockaddr_ktls at = { l->number, s->udp, KTLS_VERSION_1_2 };
	int flags = fcntl(s->udp, F_GETFL);

	return !bind(s->ktls, (struct sockaddr *)&at, sizeof(at)) &&
	       set_keys(s, l, s->ktls, KTLS_RX) && set_keys(s, l, s->ktls, KTLS_TX) &&
	       flags >= 0 && !fcntl(s->ktls, F_SETFL, flags & O_NONBLOCK) &&
	       replace(s->fd, s->ktls);
}

static void close_own(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void forget(struct session *s)
{
	close_own(&s->ktls);
	close_own(&s->udp);
	close_own(&s->life[0]);
	close_own(&s->life[1]);
}

bool shared(struct session *s)
{
	struct pollfd p = { .fd = s->life[0] };

	close_own(&s->life[1]); /* ours */
	return poll(&p, 1, 0) >= 0 && p.fd >= 0 && !(p.revents & POLLHUP);
}

static void leave(struct session *s, const char *why)
{
	s->owner = LEFT;
	say(s, "stays with GnuTLS", why);
}

static void hand_over_locked(struct session *s)
{
	const struct layout *l = layout_of(s);

	if (s->owner != USER || !s->shaken)
		return;
	if (!l)
		return leave(s, "the module has DTLS 1.2 with AES-GCM and ChaCha20-Poly1305");
	s->fd = udp_of(s);
	if (s->fd < 0)
		return leave(s, "its transport is no connected UDP socket");
	forget(s); /* of the handshake before */
	s->ktls = socket(AF_KTLS, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->ktls < 0)
		return leave(s, "no AF_KTLS socket: is the module af_ktls loaded?");
	/* bind(2) has 16 bits for a descriptor. */
	s->udp = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
	if (s->udp < 0 || s->udp > UINT16_MAX || pipe2(s->life, O_CLOEXEC) || !attach(s, l)) {
		const char *why = strerror(errno);

		/* Nothing was sent: GnuTLS's sequence is still the next. */
		forget(s);
		return leave(s, why);
	}
	s->owner = KERNEL;
	s->pending = true;
	say(s, "in the kernel", NULL);
}

void hand_over(struct session *s)
{
	/* A sender may wait for long, and this may be the thread that it waits for: the next record is another occasion. */
	pthread_mutex_lock(&session_lock);
	if (!pthread_mutex_trylock(&s->sending)) {
		hand_over_locked(s);
		pthread_mutex_unlock(&s->sending);
	}
	pthread_mutex_unlock(&session_lock);
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return !fstat(a, &x) && !fstat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* drain drops what the module left in the UDP socket: retransmissions of a handshake that is over. */
static void drain(int udp)
{
	char byte;
	int i;

	for (i = 0; i < 64 && recv(udp, &byte, 1, MSG_DONTWAIT) >= 0; i++)
		;
}

/* tell_stats says what the module counted. */
static void tell_stats(const struct session *s)
{
	struct ktls_stats n = { 0 };
	socklen_t size = sizeof(n);
	char text[128];

	if (getsockopt(s->ktls, SOL_KTLS, KTLS_STATS, &n, &size))
		return;
	snprintf(text, sizeof(text), "%llu records sent, %llu received", (unsigned long long)n.tx_records, (unsigned long long)n.rx_records);
	say(s, "out of the kernel", text);
}

/*
 * sequences reads both next sequences. From a detached socket: nothing can be sent by
 * the module any more, so that these stay the next ones.
 */
static bool sequences(const struct session *s, unsigned char tx[8], unsigned char rx[8])
{
	socklen_t n = 8, m = 8;

	return !getsockopt(s->ktls, SOL_KTLS, KTLS_GET_IV_SEND, tx, &n) && n == 8 &&
	       !getsockopt(s->ktls, SOL_KTLS, KTLS_GET_IV_RECV, rx, &m) && m == 8;
}

static bool take_back_locked(struct session *s)
{
	const char *lost = "the module did not give the record layer back";
	unsigned char tx[8], rx[8];
	bool ok;

	if (s->owner != KERNEL)
		return s->owner != LOST;
	tell_stats(s);
	drain(s->udp);
	ok = !setsockopt(s->ktls, SOL_KTLS, KTLS_UNATTACH, NULL, 0) && sequences(s, tx, rx) &&
	     !next(gnutls_record_set_state)(s->gnutls, 0, tx) && !next(gnutls_record_set_state)(s->gnutls, 1, rx);
	if (same_file(s->fd, s->ktls)) {
		ok = replace(s->fd, s->udp) && ok;
	} else { /* and may have another file of that number */
		lost = "the program has closed its descriptor";
		ok = false;
	}
	/*
	 * The AF_KTLS socket stays open, detached: another thread may be about to send by
	 * it, and must not meet a file that has its number since.
	 */
	close_own(&s->udp);
	s->owner = ok ? USER : LOST;
	if (!ok)
		say(s, "lost", lost);
	return ok;
}

bool take_back(struct session *s)
{
	bool ok;

	pthread_mutex_lock(&session_lock);
	ok = take_back_locked(s);
	pthread_mutex_unlock(&session_lock);
	return ok;
}
