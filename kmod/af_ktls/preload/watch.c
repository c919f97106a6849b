// SPDX-License-Identifier: GPL-2.0-only
/*
 * epoll(7) watches files, not numbers: when a number means another file, its registrations still mean the old one.
 * proc(5) lists them, in fdinfo of each epoll descriptor, so that no call to epoll_ctl(2) needs to be watched for.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "preload.h"

#define WATCHES 16	/* more registrations of one descriptor are refused */

struct watch {
	int epoll;
	struct epoll_event event;
};

static bool is_epoll(int fd)
{
	char path[64], name[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof(name));
	return n == strlen("anon_inode:[eventpoll]") && !memcmp(name, "anon_inode:[eventpoll]", n);
}

/* watch_of looks fd up in what an epoll descriptor watches. 1: found, 0: not there, -1: not known. */
static int watch_of(int epoll, int fd, struct watch *w)
{
	char path[64], line[256];
	unsigned long long data;
	int watched, found = 0;
	unsigned events;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", epoll);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (!found && fgets(line, sizeof(line), f))
		if (sscanf(line, "tfd: %d events: %x data: %llx", &watched, &events, &data) == 3 && watched == fd)
			found = 1;
	fclose(f);
	*w = (struct watch){ epoll, { events, { .u64 = data } } };
	return found;
}

/* watches_of returns how many registrations fd has, or -1 with errno. */
static int watches_of(int fd, struct watch *w)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	int n = 0;

	if (!dir)
		return -1;
	while (n >= 0 && (e = readdir(dir))) {
		int epoll = atoi(e->d_name), found; /* "." and ".." are 0, and harmless */

		if (!is_epoll(epoll))
			continue;
		found = n < WATCHES ? watch_of(epoll, fd, &w[n]) : -1;
		n = found < 0 ? -1 : n + found;
	}
	closedir(dir);
	if (n < 0)
		errno = EMFILE;
	return n;
}

bool replace(int fd, int by)
{
	int flags = fcntl(fd, F_GETFD), n, i;
	struct watch w[WATCHES];

	n = watches_of(fd, w);
	if (n < 0 || flags < 0)
		return false;
	for (i = 0; i < n; i++)
		epoll_ctl(w[i].epoll, EPOLL_CTL_DEL, fd, NULL);
	if (dup3(by, fd, flags & FD_CLOEXEC ? O_CLOEXEC : 0) < 0)
		by = -1; /* the old file is still there: it is watched again */
	for (i = 0; i < n; i++)
		epoll_ctl(w[i].epoll, EPOLL_CTL_ADD, fd, &w[i].event);
	return by >= 0;
}
