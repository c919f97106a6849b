// SPDX-License-Identifier: GPL-2.0-only
/* The DTLS client sessions of this process: a list, since there are one or two. */
#include <stdlib.h>
#include "preload.h"

pthread_mutex_t session_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct session *sessions;

void *afktls_next(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);

	if (!f)
		abort(); /* the program calls it, and its own GnuTLS has no such function */
	return f;
}

static void init_sending(struct session *s)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&s->sending, &attr);
	pthread_mutexattr_destroy(&attr);
}

struct session *session_add(gnutls_session_t gnutls)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	init_sending(s);
	s->gnutls = gnutls;
	s->fd = s->ktls = s->udp = s->life[0] = s->life[1] = -1;
	pthread_mutex_lock(&list_lock);
	s->next = sessions;
	sessions = s;
	pthread_mutex_unlock(&list_lock);
	return s;
}

struct session *session_find(gnutls_session_t gnutls)
{
	struct session *s;

	pthread_mutex_lock(&list_lock);
	for (s = sessions; s && s->gnutls != gnutls; s = s->next)
		;
	pthread_mutex_unlock(&list_lock);
	return s;
}

void session_remove(struct session *s)
{
	struct session **at;

	pthread_mutex_lock(&list_lock);
	for (at = &sessions; *at != s; at = &(*at)->next)
		;
	*at = s->next;
	pthread_mutex_unlock(&list_lock);
	pthread_mutex_destroy(&s->sending);
	free(s);
}
