/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * AF_KTLS: a socket family whose sockets are the record layer of another socket. This is its user API.
 *
 *	int k = socket(AF_KTLS, SOCK_DGRAM, 0);			DTLS 1.2 over a connected UDP socket
 *	int k = socket(AF_KTLS, SOCK_STREAM, 0);		kernel TLS ("tls" ULP) of a connected TCP socket
 *	struct sockaddr_ktls a = { .sa_socket = udp };
 *	bind(k, (struct sockaddr *)&a, sizeof(a));
 *	setsockopt(k, SOL_KTLS, KTLS_RX, &rx, sizeof(rx));	keys of the handshake, done in user space
 *	setsockopt(k, SOL_KTLS, KTLS_TX, &tx, sizeof(tx));
 *	send(k, ...), recv(k, ...), sendfile(k, ...), splice(...), poll
 *
 * The numbers up to 17 and their meanings are those of the module of 2016. Additions are marked "new".
 *
 * ============================================================================================================
 *  DANGER: TWO COUNTERS FOR ONE KEY
 *  AES-GCM and ChaCha20-Poly1305 lose all secrecy and all authenticity when two records are sealed with the same
 *  key and the same sequence number. From KTLS_TX on, the kernel counts. A TLS library that still holds the key
 *  MUST NOT SEND ANYTHING BY ITSELF: no close_notify, no alert, no heartbeat, no handshake record. Send such a
 *  record through this socket (cmsg TLS_SET_RECORD_TYPE), or detach first (KTLS_UNATTACH), read the sequence back
 *  (KTLS_GET_IV_SEND or KTLS_TX) and give it to the library before it sends (gnutls_record_set_state).
 *  The module does its part: a number is never used twice, and a counter never goes backwards on a socket, not even
 *  with a new key (EINVAL), until the socket is detached and bound again, which clears the earlier state.
 *  It cannot see what a library does with a key of its own.
 * ============================================================================================================
 */
#ifndef AF_KTLS_H
#define AF_KTLS_H
#include <linux/types.h>

#ifndef AF_KTLS
#define AF_KTLS 12			/* the module's parameter `family` changes it */
#endif
#define SOL_KTLS AF_KTLS		/* level of the options below */

/*
 * bind(2), exactly these 6 bytes. Errors: EAFNOSUPPORT not a TCP socket (SOCK_STREAM) or UDP socket (SOCK_DGRAM),
 * ENOTCONN it is not connected, EXDEV (new) it is in another network namespace than this socket, EBUSY its user data or
 * encapsulation is taken (another AF_KTLS socket, a tunnel, sockmap), EISCONN this socket is attached already, ENOENT
 * unknown cipher or version, or the kernel's tls is not loaded and the caller may not load it (CAP_NET_ADMIN), EBADMSG
 * wrong length.
 * The socket below stays open as long as it is attached, also when its own descriptor is closed.
 */
struct sockaddr_ktls {
	__u16 sa_cipher;		/* KTLS_CIPHER_*, or 0 (new): the cipher of the first KTLS_TX or KTLS_RX */
	__u16 sa_socket;		/* descriptor of the connected TCP or UDP socket */
	__u16 sa_version;		/* KTLS_VERSION_* */
};

#define KTLS_VERSION_LATEST 0		/* both are TLS 1.2 and DTLS 1.2 */
#define KTLS_VERSION_1_2 1
#define KTLS_CIPHER_AES_GCM_128 51	/* TLS_CIPHER_* of linux/tls.h */
#define KTLS_CIPHER_AES_GCM_256 52	/* new */
#define KTLS_CIPHER_CHACHA20_POLY1305 54 /* new; its salt has 12 bytes, those of AES-GCM have 4 */

enum {
	/*
	 * The three parts of a direction's key, one by one. The key is complete with the third part. iv: 8 bytes, the
	 * sequence of the next record; DTLS: epoch(2) | sequence(6), big endian. Once the key is complete, each
	 * further part takes effect at once, with the other two unchanged: set the next key with KTLS_TX and KTLS_RX.
	 */
	KTLS_SET_IV_RECV = 1,
	KTLS_SET_KEY_RECV,
	KTLS_SET_SALT_RECV,
	KTLS_SET_IV_SEND,
	KTLS_SET_KEY_SEND,
	KTLS_SET_SALT_SEND,
	KTLS_SET_MTU,			/* size_t or __u32: most bytes of a datagram (UDP payload); 0: the path's */
	KTLS_UNATTACH,			/* no value. The keys stay readable until the socket is bound again or closed */
	KTLS_GET_IV_RECV = 11,		/* the next expected sequence, after the highest one opened */
	KTLS_GET_KEY_RECV,
	KTLS_GET_SALT_RECV,
	KTLS_GET_IV_SEND,		/* the sequence of the next record */
	KTLS_GET_KEY_SEND,
	KTLS_GET_SALT_SEND,
	KTLS_GET_MTU,			/* size_t or __u32: most bytes of plaintext in one record */
	/*
	 * New: a direction's key in one call, set and get. struct tls12_crypto_info_{aes_gcm_128,aes_gcm_256,
	 * chacha20_poly1305} of linux/tls.h. DTLS: version KTLS_DTLS_1_2_VERSION, rec_seq = epoch(2) | sequence(6),
	 * iv of AES-GCM is ignored (the explicit nonce is the sequence). Stream sockets take whatever TLS_TX and
	 * TLS_RX take. Get returns the current sequence. A new key (the next epoch) may follow at any time.
	 */
	KTLS_TX = 21,
	KTLS_RX,
	KTLS_STATS = 23,		/* new: get, struct ktls_stats; SOCK_DGRAM */
};
#define KTLS_DTLS_1_2_VERSION 0xfefd

/*
 * Control records: sendmsg and recvmsg with a cmsg of level SOL_TLS (282), TLS_SET_RECORD_TYPE 1 and
 * TLS_GET_RECORD_TYPE 2, one byte, as in net/tls. SOCK_DGRAM receives alerts of its epoch in this way; a read without
 * room for the cmsg gets EIO, and the alert stays in the queue. All other records stay with the UDP socket.
 *
 * send(2) on SOCK_DGRAM: one call, one record, one datagram. EMSGSIZE: it does not fit (KTLS_GET_MTU). MSG_MORE
 * collects data into one record, and more data than fits is EMSGSIZE too; sendfile and splice fill records and go on.
 * EKEYEXPIRED: 2^48 records were sent, a new key is due. ENOKEY: the direction has none yet. ENOTCONN: not attached.
 */

struct ktls_stats {
	__u64 tx_records, tx_bytes;	/* bytes of plaintext */
	__u64 rx_records, rx_bytes;	/* those that entered the receive queue */
	__u64 replays;			/* seen before, or left of the window */
	__u64 bad_tags;
	__u64 other_epochs;		/* left to user space */
	__u64 full;			/* no room in the receive buffer, or no memory */
	__u64 malformed;
	__u64 filtered;			/* a socket filter said no */
	__u64 to_user_space;		/* not application data or alert: left to user space */
};
#endif
