/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The inventory of open sockets. The first iterator finds the sockets that tasks hold as
 * files, in all network namespaces. The second finds the connected sockets of a namespace,
 * whoever holds them: the kernel's own sockets are in nobody's file table.
 */
#ifndef KTLS_INVENTORY_H
#define KTLS_INVENTORY_H

#include "ktls_resync.h"

/*
 * The number of the current inventory pass, from 1 on. User space sets it, and each pass
 * counts its sockets anew.
 */
volatile u32 inventory_pass = 0;

/* How many directions with a key a pass found in a network namespace, comparable with /proc/net/tls_stat. */
struct netns_count {
	u32 sw[2], card[2]; /* tx, rx */
	u32 pid, fd;        /* one of its sockets, through which user space enters a namespace that only sockets keep alive; pid 0: none */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, u32); /* inode number of the namespace */
	__type(value, struct netns_count);
} open_sockets SEC(".maps");

static __always_inline struct netns_count *netns_count_of(u32 netns)
{
	struct netns_count none = {};

	bpf_map_update_elem(&open_sockets, &netns, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&open_sockets, &netns);
}

/* conf is the kernel's own value, which stays TLS_HW after the card was removed. */
static __always_inline void count_direction(struct conn *c, struct netns_count *m, u32 dir, u8 conf)
{
	if (c->counted_dirs & (1 << dir) || (conf != TLS_SW && conf != TLS_HW))
		return;
	c->counted_dirs |= 1 << dir;
	__sync_fetch_and_add(conf == TLS_SW ? &m->sw[dir] : &m->card[dir], 1);
}

static __always_inline void count_socket(struct conn *c, u32 pid, u32 fd)
{
	const struct tls_context *ctx = (void *)c->ctx;
	u8 none = inventory_pass << 2;
	struct netns_count *m;

	if ((c->counted_dirs & ~3) != none)
		c->counted_dirs = none;
	m = (c->counted_dirs & 3) == 3 ? 0 : netns_count_of(c->tx.netns);
	if (!m)
		return;
	if (pid && !m->pid) {
		m->fd = fd;
		m->pid = pid;
	}
	count_direction(c, m, DIR_TX, BPF_CORE_READ_BITFIELD_PROBED(ctx, tx_conf));
	count_direction(c, m, DIR_RX, BPF_CORE_READ_BITFIELD_PROBED(ctx, rx_conf));
}

/* The connection of a socket that the inventory finds; 0 if user space knows it already. */
static __always_inline struct conn *inventory_conn(u64 sk, u32 pid, u32 fd)
{
	bool racing = false;
	struct conn *c = conn_find(sk);

	if (!c)
		c = conn_new(sk, tls_ctx_of((void *)sk), NO_RECORD, &racing);
	if (!c)
		return 0;
	count_socket(c, pid, fd);
	return c->reported ? 0 : c; /* a shared socket is reported with its first owner that the filters want */
}

static __always_inline void report_found(struct conn *c, struct owner *who)
{
	find_user(c);
	emit_socket(c, STATE_FOUND, 0, who);
	if (c->card & CARD_GONE)
		emit_card(c);
}

static __always_inline int inventory_file(struct bpf_iter__task_file *ctx)
{
	struct socket *sock = socket_of_file(ctx->file);
	struct task_struct *task = ctx->task;
	struct owner who = {};
	struct conn *c;

	if (!task || !sock || !sock->sk || !is_tls((void *)sock->sk))
		return 0;
	bpf_get_socket_cookie((void *)sock->sk);
	c = inventory_conn((u64)sock->sk, BPF_CORE_READ(task, tgid), ctx->fd);
	if (!c)
		return 0;
	owner_of_task(&who, task);
	report_found(c, &who);
	return 0;
}

/* A connected socket of a namespace; the iterator holds its lock. Its event names no process. */
static __always_inline int inventory_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;
	struct owner nobody = {};
	struct conn *c;

	if (!sk || sk->skc_state == TCP_LISTEN || sk->skc_state == TCP_TIME_WAIT || sk->skc_state == TCP_NEW_SYN_RECV ||
	    !is_tls((void *)sk))
		return 0;
	bpf_get_socket_cookie((void *)sk);
	c = inventory_conn((u64)sk, 0, 0);
	if (c)
		report_found(c, &nobody);
	return 0;
}

#endif
