/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dtlscat: a DTLS 1.2 handshake with a pre-shared key by GnuTLS, after which the records are AF_KTLS's: each line of
 * standard input leaves as a record, what comes is printed. It ends with standard input, by a close_notify, or with the
 * peer's. It uses the socket options of 2016 only, as a program of then would.
 *
 *	dtlscat [-u|-b] client|server PORT AES-128-GCM|AES-256-GCM|CHACHA20-POLY1305
 *
 * -u leaves the records to GnuTLS: the peer that AF_KTLS is held against. -b does so too, and goes into the background,
 * as a daemon does: another process talks than the one that made the handshake, which ends the session on its part, says
 * "left", and then only waits. A server says "ready" on standard error.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <gnutls/gnutls.h>
#include <gnutls/dtls.h>
#include "../../../kmod/af_ktls/af_ktls.h"

#define SOL_TLS 282
#define TLS_SET_RECORD_TYPE 1
#define TLS_GET_RECORD_TYPE 2
#define ALERT 21

static const char secret[] = "1a2b3c4d5e6f";

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "dtlscat: %s: %s\n", what, why);
	exit(1);
}

static void must(int result, const char *what)
{
	if (result < 0)
		fail(what, strerror(errno));
}

static void must_gnutls(int result, const char *what)
{
	if (result < 0)
		fail(what, gnutls_strerror(result));
}

/* A UDP socket with a peer: a server's is whoever sends first. */
static int connect_udp(int server, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char c;

	must(fd, "socket");
	if (server) {
		must(bind(fd, (void *)&a, sizeof(a)), "bind");
		fprintf(stderr, "ready\n");
		must(recvfrom(fd, &c, 1, MSG_PEEK, (void *)&a, &n), "recvfrom");
	}
	must(connect(fd, (void *)&a, sizeof(a)), "connect");
	return fd;
}

static int give_key(gnutls_session_t session, const char *name, gnutls_datum_t *key)
{
	unsigned char bytes[sizeof(secret) / 2];
	size_t n = sizeof(bytes);
	gnutls_datum_t hex = { (void *)secret, sizeof(secret) - 1 };

	(void)session, (void)name;
	if (gnutls_hex_decode(&hex, bytes, &n))
		return -1;
	key->data = gnutls_malloc(n);
	memcpy(key->data, bytes, n);
	key->size = n;
	return 0;
}

static void set_credentials(gnutls_session_t s, int server)
{
	gnutls_datum_t key = { (void *)secret, sizeof(secret) - 1 };
	gnutls_psk_client_credentials_t client;
	gnutls_psk_server_credentials_t servers;

	if (server) {
		must_gnutls(gnutls_psk_allocate_server_credentials(&servers), "credentials");
		gnutls_psk_set_server_credentials_function(servers, give_key);
		must_gnutls(gnutls_credentials_set(s, GNUTLS_CRD_PSK, servers), "credentials");
		return;
	}
	must_gnutls(gnutls_psk_allocate_client_credentials(&client), "credentials");
	must_gnutls(gnutls_psk_set_client_credentials(client, "dtlscat", &key, GNUTLS_PSK_KEY_HEX), "credentials");
	must_gnutls(gnutls_credentials_set(s, GNUTLS_CRD_PSK, client), "credentials");
}

static gnutls_session_t shake_hands(int fd, int server, const char *cipher)
{
	gnutls_session_t s;
	char priority[200];
	int err;

	snprintf(priority, sizeof(priority), "NONE:+VERS-DTLS1.2:+MAC-ALL:+PSK:+DHE-PSK:+ECDHE-PSK:+GROUP-ALL:+SIGN-ALL:+COMP-NULL:+%s", cipher);
	must_gnutls(gnutls_init(&s, (server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_DATAGRAM), "session");
	must_gnutls(gnutls_priority_set_direct(s, priority, NULL), priority);
	set_credentials(s, server);
	gnutls_transport_set_int(s, fd);
	gnutls_dtls_set_mtu(s, 1400);
	gnutls_handshake_set_timeout(s, 60000);
	do {
		err = gnutls_handshake(s);
	} while (err < 0 && !gnutls_error_is_fatal(err));
	must_gnutls(err, "handshake");
	fprintf(stderr, "%s\n", gnutls_session_get_desc(s));
	return s;
}

static void set(int k, int option, const void *value, size_t n)
{
	must(setsockopt(k, SOL_KTLS, option, value, n), "setsockopt");
}

/* From here on GnuTLS must not send: the kernel counts (af_ktls.h, DANGER). */
static int hand_over(gnutls_session_t s, int fd)
{
	gnutls_cipher_algorithm_t c = gnutls_cipher_get(s);
	struct sockaddr_ktls a = { KTLS_CIPHER_AES_GCM_128, fd, KTLS_VERSION_LATEST };
	int k = socket(AF_KTLS, SOCK_DGRAM, 0), salt = 4;
	gnutls_datum_t mac, iv, key;
	unsigned char sequence[8];

	must(k, "socket(AF_KTLS)");
	if (c == GNUTLS_CIPHER_AES_256_GCM)
		a.sa_cipher = KTLS_CIPHER_AES_GCM_256;
	if (c == GNUTLS_CIPHER_CHACHA20_POLY1305)
		a.sa_cipher = KTLS_CIPHER_CHACHA20_POLY1305, salt = 12;
	must(bind(k, (void *)&a, sizeof(a)), "bind(AF_KTLS)");
	must_gnutls(gnutls_record_get_state(s, 0, &mac, &iv, &key, sequence), "state");
	set(k, KTLS_SET_IV_SEND, sequence, 8);
	set(k, KTLS_SET_KEY_SEND, key.data, key.size);
	set(k, KTLS_SET_SALT_SEND, iv.data, salt);
	must_gnutls(gnutls_record_get_state(s, 1, &mac, &iv, &key, sequence), "state");
	set(k, KTLS_SET_IV_RECV, sequence, 8);
	set(k, KTLS_SET_KEY_RECV, key.data, key.size);
	set(k, KTLS_SET_SALT_RECV, iv.data, salt);
	return k;
}

/* Where records go: an AF_KTLS socket, or GnuTLS. */
struct records {
	gnutls_session_t s;
	int k, udp;
};

static void send_record(struct records *r, const char *data, size_t n)
{
	if (r->k < 0)
		must_gnutls(gnutls_record_send(r->s, data, n), "send");
	else
		must(send(r->k, data, n, 0), "send");
}

static void send_close(struct records *r)
{
	char room[CMSG_SPACE(1)] = { 0 }, close_notify[2] = { 1, 0 };
	struct iovec v = { close_notify, sizeof(close_notify) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	if (r->k < 0) {
		gnutls_bye(r->s, GNUTLS_SHUT_WR);
		return;
	}
	c->cmsg_level = SOL_TLS;
	c->cmsg_type = TLS_SET_RECORD_TYPE;
	c->cmsg_len = CMSG_LEN(1);
	*CMSG_DATA(c) = ALERT;
	must(sendmsg(r->k, &m, 0), "send close_notify");
}

/* 0: the peer has said its last. */
static int print_kernel_record(int k)
{
	char data[20000], room[64];
	struct iovec v = { data, sizeof(data) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room) };
	ssize_t n = recvmsg(k, &m, MSG_DONTWAIT);
	struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&m);

	if (n < 0 && (errno == EAGAIN || errno == ECONNREFUSED))
		return 1;
	must(n, "recvmsg");
	if (c && c->cmsg_level == SOL_TLS && c->cmsg_type == TLS_GET_RECORD_TYPE && *CMSG_DATA(c) == ALERT) {
		fprintf(stderr, "alert %d\n", data[1]);
		return 0;
	}
	must(write(1, data, n), "write");
	return 1;
}

static int print_user_record(gnutls_session_t s)
{
	char data[20000];
	ssize_t n = gnutls_record_recv(s, data, sizeof(data));

	if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
		return 1;
	must_gnutls(n, "receive");
	if (n == 0)
		fprintf(stderr, "alert 0\n");
	must(write(1, data, n), "write");
	return n > 0;
}

static void talk(struct records *r)
{
	struct pollfd p[2] = { { .fd = 0, .events = POLLIN }, { .fd = r->k < 0 ? r->udp : r->k, .events = POLLIN } };
	char line[20000];

	for (;;) {
		must(poll(p, 2, -1), "poll");
		if (p[1].revents && !(r->k < 0 ? print_user_record(r->s) : print_kernel_record(r->k)))
			return;
		if (!p[0].revents)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			break;
		send_record(r, line, strlen(line));
	}
	send_close(r);
}

/* Returns in the process that stays. */
static void into_background(gnutls_session_t s)
{
	pid_t pid = fork();
	int status;

	must(pid, "fork");
	if (!pid)
		return;
	gnutls_deinit(s);
	fprintf(stderr, "left\n");
	must(waitpid(pid, &status, 0), "waitpid");
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

int main(int argc, char **argv)
{
	int background = argc == 5 && !strcmp(argv[1], "-b");
	int user = background || (argc == 5 && !strcmp(argv[1], "-u")), server;
	struct records r;

	argv += user;
	if (argc - user != 4 || (strcmp(argv[1], "client") && strcmp(argv[1], "server"))) {
		fprintf(stderr, "usage: dtlscat [-u|-b] client|server PORT AES-128-GCM|AES-256-GCM|CHACHA20-POLY1305\n");
		return 2;
	}
	server = !strcmp(argv[1], "server");
	setvbuf(stdin, NULL, _IONBF, 0); /* poll must know of every line */
	r.udp = connect_udp(server, atoi(argv[2]));
	r.s = shake_hands(r.udp, server, argv[3]);
	r.k = user ? -1 : hand_over(r.s, r.udp);
	if (background)
		into_background(r.s);
	fprintf(stderr, "talking\n");
	talk(&r);
	return 0;
}
