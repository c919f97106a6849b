/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * afktls-preload.so: the record layer of a program's DTLS 1.2 client sessions,
 * made by GnuTLS, goes into the kernel module af_ktls. The program is not changed:
 *
 *	LD_PRELOAD=.../afktls-preload.so openconnect ...
 *
 * preload.c	the functions of GnuTLS that are replaced
 * session.c	which sessions there are, and who has the record layer of each
 * handover.c	how it goes to the module, and back
 * watch.c	how the program's epoll goes on seeing the session's descriptor
 *
 * ONE KEY, ONE COUNTER. While the module has the record layer, GnuTLS must send
 * nothing: a nonce of its own count would be the module's too, and two records
 * with one nonce give the key away. Hence whatever sends or reads by GnuTLS first
 * takes the record layer back, with the module's sequences. Should GnuTLS send all
 * the same, by a function that is not known here, its record is plaintext to the
 * module, which seals it with a nonce of its own count.
 */
#ifndef AFKTLS_PRELOAD_H
#define AFKTLS_PRELOAD_H
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <gnutls/gnutls.h>

/* next is the function of that name which this library's stands before. */
#define next(name) ((__typeof__(&name))afktls_next(#name))
void *afktls_next(const char *name);

struct session {
	struct session *next;
	gnutls_session_t gnutls;
	enum {
		USER,		/* GnuTLS has the record layer; the module may get it */
		KERNEL,		/* the module has it */
		LEFT,		/* GnuTLS keeps it */
		LOST,		/* nobody has it: nothing can be sent or received any more */
	} owner;
	bool shaken;		/* the handshake is done, and none has begun since */
	bool pending;		/* KERNEL: GnuTLS may hold records that it opened before */
	int life[2];		/* KERNEL: a pipe; each process that has the session keeps its end for writing open */
	pthread_mutex_t sending; /* held by who sends by GnuTLS; recursive, since GnuTLS calls its own functions */
	int fd;			/* the program's descriptor; KERNEL: an AF_KTLS socket */
	int ktls, udp;		/* KERNEL: descriptors of our own of that socket, and of the one below */
};

struct session *session_add(gnutls_session_t gnutls);
struct session *session_find(gnutls_session_t gnutls);	/* NULL: not a DTLS client */
void session_remove(struct session *s);

/*
 * A session's descriptors change under this lock; the data path has own copies that stay. Senders through GnuTLS take
 * it after the session's own lock.
 */
extern pthread_mutex_t session_lock;

/*
 * hand_over gives the module a session whose handshake is done, unless another thread sends
 * by GnuTLS just now: the sequence that the module would get is that record's. What cannot
 * be handed over is LEFT.
 */
void hand_over(struct session *s);
/* take_back gives it back to GnuTLS, as USER. False: it is LOST. */
bool take_back(struct session *s);
/* shared says whether another process has the session as well: one that was forked, and runs no other program since. */
bool shared(struct session *s);
/* forget closes what descriptors of our own are left. */
void forget(struct session *s);
/* say reports on standard error what became of a session, if AFKTLS_PRELOAD_VERBOSE is set. */
void say(const struct session *s, const char *what, const char *why);

/*
 * replace lets a descriptor's number mean another file, and repeats its registrations
 * with epoll, which go by file. False with errno, and nothing is changed, where it
 * cannot know them.
 */
bool replace(int fd, int by);
#endif
