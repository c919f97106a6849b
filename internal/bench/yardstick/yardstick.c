// SPDX-License-Identifier: Apache-2.0
/*
 * Yardstick sends streams by kernel TLS with as little as a program can do: blocking sockets, a
 * thread at each end, and keys made up on the spot. It does what `ktlstop bench` does with its
 * streams (internal/bench), so that what the Go library and its runtime add shows by comparison.
 *
 *	yardstick MAX_BYTES MAX_MS REPEAT SIZE...
 *
 * prints {"cells": [...]} with the cells of internal/bench/result.go: for each size the ways
 * "C write" and "C sendfile", the median of REPEAT measurements over a connection each.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#ifndef TCP_ULP
#define TCP_ULP 31
#endif

/* As in internal/bench: the file, the sender's and the receiver's buffer, and the first stream. */
#define FILE_SIZE (4 << 20)
#define SEND_BUFFER (32 << 10)
#define RECEIVE_BUFFER (64 << 10)
#define WARM_UP (1 << 20)

#define APPLICATION_DATA 23

struct usage {
	int64_t wall, user, system; /* nanoseconds */
	uint64_t switches, syscalls;
};

struct cell {
	long streams;
	int64_t bytes;
	struct usage usage;
};

static int file;
static int counter; /* of system calls: a perf event of this process and its threads */

static void die(const char *what)
{
	fprintf(stderr, "yardstick: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int64_t nanoseconds(struct timeval tv)
{
	return tv.tv_sec * 1000000000LL + tv.tv_usec * 1000LL;
}

/* open_counter counts the tracepoint at the entry of each system call, threads to come included. */
static int open_counter(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .inherit = 1 };
	FILE *f = fopen("/sys/kernel/tracing/events/raw_syscalls/sys_enter/id", "r");
	unsigned long long id;
	int fd;

	if (!f || fscanf(f, "%llu", &id) != 1)
		die("read the tracepoint's number (mount -t tracefs tracefs /sys/kernel/tracing, and be root)");
	fclose(f);
	attr.config = id;
	fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
	if (fd < 0)
		die("perf_event_open");
	return fd;
}

static struct usage used(void)
{
	struct usage u;
	struct rusage r;

	if (read(counter, &u.syscalls, sizeof(u.syscalls)) != sizeof(u.syscalls))
		die("read the counter");
	getrusage(RUSAGE_SELF, &r);
	u.user = nanoseconds(r.ru_utime);
	u.system = nanoseconds(r.ru_stime);
	u.switches = r.ru_nvcsw + r.ru_nivcsw;
	u.wall = now();
	return u;
}

static struct usage between(struct usage a, struct usage b)
{
	return (struct usage){ b.wall - a.wall, b.user - a.user, b.system - a.system,
			       b.switches - a.switches, b.syscalls - a.syscalls };
}

/* A connection over loopback, with one key from the sender to the receiver. */
struct connection {
	int sender, receiver;
	int by_sendfile;
	sem_t wanted, received;
	int64_t want; /* bytes for the receiver to take; -1 ends it */
	pthread_t thread;
};

static void set_keys(int fd, int direction)
{
	struct tls12_crypto_info_aes_gcm_128 info = {
		.info = { .version = TLS_1_3_VERSION, .cipher_type = TLS_CIPHER_AES_GCM_128 },
	};

	memset(info.key, 1, sizeof(info.key));
	memset(info.salt, 2, sizeof(info.salt));
	memset(info.iv, 3, sizeof(info.iv));
	if (setsockopt(fd, SOL_TCP, TCP_ULP, "tls", sizeof("tls")))
		die("set TCP_ULP (modprobe tls)");
	if (setsockopt(fd, SOL_TLS, direction, &info, sizeof(info)))
		die("set keys");
}

static void tcp_pair(struct connection *c)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(addr);
	int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);

	c->receiver = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (void *)&addr, sizeof(addr)) || listen(listener, 1) ||
	    getsockname(listener, (void *)&addr, &length) || connect(c->receiver, (void *)&addr, sizeof(addr)))
		die("connect");
	c->sender = accept(listener, NULL, NULL);
	if (c->sender < 0)
		die("accept");
	close(listener);
	/* As Go does. */
	setsockopt(c->sender, SOL_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(c->receiver, SOL_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* receive_some reads once, with the record's type, without which a program cannot tell data from alerts. */
static ssize_t receive_some(int fd, char *buf, size_t size)
{
	char control[CMSG_SPACE(1)];
	struct iovec iov = { buf, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &msg, 0);
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	if (n <= 0)
		die("receive");
	if (!cmsg || cmsg->cmsg_type != TLS_GET_RECORD_TYPE || *CMSG_DATA(cmsg) != APPLICATION_DATA) {
		errno = EPROTO;
		die("receive application data");
	}
	return n;
}

static void *receive(void *arg)
{
	static char buf[RECEIVE_BUFFER];
	struct connection *c = arg;

	for (;;) {
		int64_t n;

		sem_wait(&c->wanted);
		if (c->want < 0)
			return NULL;
		for (n = c->want; n > 0;)
			n -= receive_some(c->receiver, buf, n < RECEIVE_BUFFER ? n : RECEIVE_BUFFER);
		sem_post(&c->received);
	}
}

static void open_connection(struct connection *c, int by_sendfile)
{
	tcp_pair(c);
	set_keys(c->sender, TLS_TX);
	set_keys(c->receiver, TLS_RX);
	c->by_sendfile = by_sendfile;
	sem_init(&c->wanted, 0, 0);
	sem_init(&c->received, 0, 0);
	errno = pthread_create(&c->thread, NULL, receive, c);
	if (errno)
		die("start the receiver");
}

static void close_connection(struct connection *c)
{
	c->want = -1;
	sem_post(&c->wanted);
	pthread_join(c->thread, NULL);
	close(c->sender);
	close(c->receiver);
}

static void write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = write(fd, p, n);

		if (sent < 0)
			die("write");
		p += sent;
		n -= sent;
	}
}

/* part sends n bytes of the file, and waits until they have been read. */
static void part(struct connection *c, int64_t n)
{
	static char buf[SEND_BUFFER];

	if (lseek(file, 0, SEEK_SET) < 0)
		die("seek");
	c->want = n;
	sem_post(&c->wanted);
	while (n > 0) {
		ssize_t sent;

		if (c->by_sendfile) {
			sent = sendfile(c->sender, file, NULL, n);
		} else {
			sent = read(file, buf, n < SEND_BUFFER ? n : SEND_BUFFER);
			if (sent > 0)
				write_all(c->sender, buf, sent);
		}
		if (sent <= 0)
			die("send");
		n -= sent;
	}
	sem_wait(&c->received);
}

/* stream sends size bytes, or what goes until the deadline, and returns how many they were. */
static int64_t stream(struct connection *c, int64_t size, int64_t deadline)
{
	int64_t sent = 0;

	while (sent < size) {
		int64_t n = size - sent < FILE_SIZE ? size - sent : FILE_SIZE;

		part(c, n);
		sent += n;
		if (now() > deadline)
			break;
	}
	return sent;
}

static struct cell measure(int by_sendfile, int64_t size, int64_t max_bytes, int64_t max_time)
{
	struct connection c;
	struct cell cell = { 0 };
	struct usage before;
	int64_t deadline;

	open_connection(&c, by_sendfile);
	stream(&c, size < WARM_UP ? size : WARM_UP, now() + max_time);
	before = used();
	deadline = now() + max_time;
	do {
		cell.bytes += stream(&c, size, deadline);
		cell.streams++;
	} while (cell.bytes + size <= (max_bytes > size ? max_bytes : size) && now() <= deadline);
	cell.usage = between(before, used());
	close_connection(&c);
	return cell;
}

static double cost(const struct cell *c)
{
	return (double)c->usage.wall / c->bytes;
}

static int cheaper(const void *a, const void *b)
{
	double d = cost(a) - cost(b);

	return d < 0 ? -1 : d > 0;
}

static void print(const char *way, int64_t size, const struct cell *cells, int n)
{
	const struct cell *c = &cells[n / 2];

	printf("{\"way\":\"%s\",\"size\":%lld,\"version\":\"TLS 1.3\",\"cipher\":\"TLS_AES_128_GCM_SHA256\",\"streams\":%ld,"
	       "\"bytes\":%lld,\"spread\":%.6f,\"wall_ns\":%lld,\"user_ns\":%lld,\"system_ns\":%lld,"
	       "\"context_switches\":%llu,\"syscalls\":%llu,\"instructions\":null}",
	       way, (long long)size, c->streams, (long long)c->bytes, (cost(&cells[n - 1]) - cost(&cells[0])) / cost(c),
	       (long long)c->usage.wall, (long long)c->usage.user, (long long)c->usage.system,
	       (unsigned long long)c->usage.switches, (unsigned long long)c->usage.syscalls);
}

/* fill_file makes the file to send, which is without a name and in the page cache. */
static void fill_file(void)
{
	static const char zeros[SEND_BUFFER];

	file = memfd_create("yardstick", 0);
	if (file < 0)
		die("make the file to send");
	for (int n = 0; n < FILE_SIZE; n += sizeof(zeros))
		write_all(file, zeros, sizeof(zeros));
}

int main(int argc, char **argv)
{
	static const char *const ways[] = { "C write", "C sendfile" };
	int repeat = argc > 4 ? atoi(argv[3]) : 0;

	if (repeat < 1 || repeat > 99) {
		fprintf(stderr, "usage: yardstick MAX_BYTES MAX_MS REPEAT SIZE...\n");
		return 2;
	}
	fill_file();
	counter = open_counter();
	printf("{\"cells\":[");
	for (int i = 4; i < argc; i++) {
		for (int by_sendfile = 0; by_sendfile < 2; by_sendfile++) {
			struct cell cells[99];

			for (int j = 0; j < repeat; j++)
				cells[j] = measure(by_sendfile, atoll(argv[i]), atoll(argv[1]), atoll(argv[2]) * 1000000);
			qsort(cells, repeat, sizeof(cells[0]), cheaper);
			printf("%s", i > 4 || by_sendfile ? "," : "");
			print(ways[by_sendfile], atoll(argv[i]), cells, repeat);
		}
	}
	printf("]}\n");
	return 0;
}
