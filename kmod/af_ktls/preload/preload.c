// SPDX-License-Identifier: GPL-2.0-only
/*
 * The functions of GnuTLS that this library stands before. Data of a session in the
 * kernel is sent and received by its socket; everything else that can send or read
 * takes the session back first.
 */
#pragma GCC visibility push(default) /* the rest of the library is hidden (see the Makefile) */
#include <gnutls/gnutls.h>
#pragma GCC visibility pop
#include <errno.h>
#include <sys/socket.h>
#include <linux/tls.h>
#include "preload.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
enum { ALERT = 21, APPLICATION_DATA = 23 }; /* RFC 5246 section 6.2.1 */

int gnutls_init(gnutls_session_t *gnutls, unsigned flags)
{
	int err = next(gnutls_init)(gnutls, flags);

	if (!err && (flags & GNUTLS_DATAGRAM) && (flags & GNUTLS_CLIENT))
		session_add(*gnutls); /* without memory for it, GnuTLS keeps it */
	return err;
}

/*
 * After a fork(2), one process ends the session while the other goes on with it, as a program
 * does that puts itself into the background: then its descriptors are closed here, and the
 * module gives the UDP socket back when nobody has them any more.
 */
void gnutls_deinit(gnutls_session_t gnutls)
{
	struct session *s = session_find(gnutls);

	if (s) {
		if (!shared(s))
			take_back(s);
		forget(s);
		session_remove(s);
	}
	next(gnutls_deinit)(gnutls);
}

/*
 * A handshake is GnuTLS's, in the epoch that is and then in the next. Who speaks last
 * in it (the client, where a session is resumed) may have to say that again: then the
 * module gets the session once a record shows that the server has heard.
 */
int gnutls_handshake(gnutls_session_t gnutls)
{
	struct session *s = session_find(gnutls);
	int err;

	if (!s)
		return next(gnutls_handshake)(gnutls);
	if (!take_back(s))
		return GNUTLS_E_PUSH_ERROR;
	s->shaken = false;
	err = next(gnutls_handshake)(gnutls);
	s->shaken = !err;
	if (!err && !next(gnutls_session_is_resumed)(gnutls))
		hand_over(s);
	return err;
}

/* error_of is what GnuTLS makes of errno (errno_to_gerr in its lib/buffers.c). */
static ssize_t error_of(int other)
{
	switch (errno) {
	case EAGAIN:
		return GNUTLS_E_AGAIN;
	case EINTR:
		return GNUTLS_E_INTERRUPTED;
	case EMSGSIZE:
		return GNUTLS_E_LARGE_PACKET;
	case ECONNRESET:
		return GNUTLS_E_PREMATURE_TERMINATION;
	default:
		return other;
	}
}

ssize_t gnutls_record_send(gnutls_session_t gnutls, const void *data, size_t size)
{
	struct session *s = session_find(gnutls);
	bool by_gnutls;
	ssize_t n = 0;

	if (!s)
		return next(gnutls_record_send)(gnutls, data, size);
	pthread_mutex_lock(&s->sending); /* nobody hands the session over as long as its sequence is being used */
	by_gnutls = s->owner == USER || s->owner == LEFT;
	if (by_gnutls)
		n = next(gnutls_record_send)(gnutls, data, size);
	pthread_mutex_unlock(&s->sending);
	if (by_gnutls)
		return n;
	if (s->owner == LOST)
		return GNUTLS_E_PUSH_ERROR;
	n = send(s->ktls, data, size, MSG_NOSIGNAL);
	return n < 0 ? error_of(GNUTLS_E_PUSH_ERROR) : n;
}

/* record_type is what a control message says of a record; without one it is application data. */
static unsigned char record_type(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);

	if (c && c->cmsg_level == SOL_TLS && c->cmsg_type == TLS_GET_RECORD_TYPE)
		return *CMSG_DATA(c);
	return APPLICATION_DATA;
}

/* heard_alert is what GnuTLS returns for an alert (RFC 5246 section 7.2): 0 for close_notify. */
static ssize_t heard_alert(const unsigned char *alert, ssize_t n)
{
	if (n != 2)
		return GNUTLS_E_UNEXPECTED_PACKET_LENGTH;
	if (alert[1] == GNUTLS_A_CLOSE_NOTIFY)
		return 0;
	return alert[0] == GNUTLS_AL_FATAL ? GNUTLS_E_FATAL_ALERT_RECEIVED : GNUTLS_E_WARNING_ALERT_RECEIVED;
}

static ssize_t receive(struct session *s, void *data, size_t size)
{
	char control[CMSG_SPACE(1)];
	struct iovec to = { data, size };
	struct msghdr msg = { .msg_iov = &to, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(s->ktls, &msg, 0);
	unsigned char type;

	if (n < 0)
		return error_of(GNUTLS_E_PULL_ERROR);
	type = record_type(&msg);
	if (type == ALERT)
		return heard_alert(data, n);
	/* An empty record is no end of the session, which 0 would mean. */
	return type == APPLICATION_DATA && n > 0 ? n : GNUTLS_E_AGAIN;
}

ssize_t gnutls_record_recv(gnutls_session_t gnutls, void *data, size_t size)
{
	struct session *s = session_find(gnutls);
	ssize_t n;

	if (s && s->owner == LOST)
		return GNUTLS_E_PULL_ERROR;
	if (s && s->owner == KERNEL && s->pending)
		s->pending = next(gnutls_record_check_pending)(gnutls) > 0;
	if (s && s->owner == KERNEL && !s->pending)
		return receive(s, data, size);
	n = next(gnutls_record_recv)(gnutls, data, size);
	if (s && n > 0)
		hand_over(s);
	return n;
}

/*
 * keep leaves a session to GnuTLS for good, and is false if there is nothing to leave.
 * Sessions that GnuTLS has may become the module's later: GnuTLS calls some of these
 * functions itself.
 */
static bool keep(gnutls_session_t gnutls, const char *function)
{
	struct session *s = session_find(gnutls);

	if (s && s->owner == KERNEL && take_back(s)) {
		s->owner = LEFT;
		say(s, "stays with GnuTLS from now on: the program called", function);
	}
	return !s || s->owner != LOST;
}

/* Functions that read records by GnuTLS, and with its sequences. */
#define KEEPS(type, name, parameters, arguments)	\
	type name parameters				\
	{						\
		if (!keep(session, #name))		\
			return GNUTLS_E_PUSH_ERROR;	\
		return next(name) arguments;		\
	}

/* SENDS is KEEPS for what sends: no hand-over comes between the sequence that GnuTLS takes and its use. */
#define SENDS(type, name, parameters, arguments)			\
	type name parameters						\
	{								\
		struct session *s = session_find(session);		\
		type n = GNUTLS_E_PUSH_ERROR;				\
									\
		if (!s)							\
			return next(name) arguments;			\
		pthread_mutex_lock(&s->sending);			\
		if (keep(session, #name))				\
			n = next(name) arguments;			\
		pthread_mutex_unlock(&s->sending);			\
		return n;						\
	}

SENDS(int, gnutls_bye, (gnutls_session_t session, gnutls_close_request_t how), (session, how))
SENDS(int, gnutls_alert_send,
      (gnutls_session_t session, gnutls_alert_level_t level, gnutls_alert_description_t desc), (session, level, desc))
SENDS(int, gnutls_alert_send_appropriate, (gnutls_session_t session, int err), (session, err))
SENDS(int, gnutls_heartbeat_ping,
      (gnutls_session_t session, size_t size, unsigned int tries, unsigned int flags), (session, size, tries, flags))
SENDS(int, gnutls_heartbeat_pong, (gnutls_session_t session, unsigned int flags), (session, flags))
SENDS(int, gnutls_record_uncork, (gnutls_session_t session, unsigned int flags), (session, flags))
SENDS(ssize_t, gnutls_record_send2,
      (gnutls_session_t session, const void *data, size_t size, size_t pad, unsigned flags), (session, data, size, pad, flags))
SENDS(ssize_t, gnutls_record_send_range,
      (gnutls_session_t session, const void *data, size_t size, const gnutls_range_st *range), (session, data, size, range))
SENDS(ssize_t, gnutls_record_send_file,
      (gnutls_session_t session, int fd, off_t *offset, size_t count), (session, fd, offset, count))
KEEPS(ssize_t, gnutls_record_recv_packet, (gnutls_session_t session, gnutls_packet_t *packet), (session, packet))
KEEPS(ssize_t, gnutls_record_recv_seq,
      (gnutls_session_t session, void *data, size_t size, unsigned char *seq), (session, data, size, seq))
KEEPS(int, gnutls_record_get_state,
      (gnutls_session_t session, unsigned read, gnutls_datum_t *mac, gnutls_datum_t *iv, gnutls_datum_t *key,
       unsigned char seq[8]), (session, read, mac, iv, key, seq))
KEEPS(int, gnutls_record_set_state,
      (gnutls_session_t session, unsigned read, const unsigned char seq[8]), (session, read, seq))

/* A program that corks, or moves bytes by functions of its own, needs GnuTLS to call them. */
#define TRANSPORT(name, parameters, arguments)				\
	void name parameters						\
	{								\
		struct session *s = session_find(session);		\
									\
		if (s && take_back(s))					\
			s->owner = LEFT;				\
		next(name) arguments;					\
	}

TRANSPORT(gnutls_record_cork, (gnutls_session_t session), (session))
TRANSPORT(gnutls_transport_set_push_function, (gnutls_session_t session, gnutls_push_func push), (session, push))
TRANSPORT(gnutls_transport_set_vec_push_function, (gnutls_session_t session, gnutls_vec_push_func push), (session, push))
TRANSPORT(gnutls_transport_set_pull_function, (gnutls_session_t session, gnutls_pull_func pull), (session, pull))

/* One that gives a session another descriptor means what is sent from then on. */
#define MOVES(name, parameters, arguments)				\
	void name parameters						\
	{								\
		keep(session, #name);					\
		next(name) arguments;					\
	}

MOVES(gnutls_transport_set_int2, (gnutls_session_t session, int in, int out), (session, in, out))
MOVES(gnutls_transport_set_ptr, (gnutls_session_t session, gnutls_transport_ptr_t ptr), (session, ptr))
MOVES(gnutls_transport_set_ptr2,
      (gnutls_session_t session, gnutls_transport_ptr_t in, gnutls_transport_ptr_t out), (session, in, out))
