/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The kernel subsystem that uses a socket (NVMe/TCP, NFS), identified by the function that
 * is called when data arrives.
 */
#ifndef KTLS_USER_H
#define KTLS_USER_H

#include "ktls_keys.h"

#define USERS 64 /* systems have few */

/* Events carry the index, and user space reads the entry. */
struct user {
	u64 func;
	char symbol[64]; /* as the kernel prints it: nvme_tcp_data_ready [nvme_tcp] */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USERS);
	__type(key, u32);
	__type(value, struct user);
} users SEC(".maps");

#define NAMING 1 /* instead of a function: the entry is taken, and its name not set yet */

/*
 * Set the name before the function, so that nobody finds an entry without one. Fails if
 * the kernel has no free buffer for the name.
 */
static __always_inline bool name_user(struct user *u, u64 func)
{
	static const char format[] = "%ps";
	bool named = bpf_snprintf(u->symbol, sizeof(u->symbol), format, &func, sizeof(func)) > 0;

	__sync_lock_test_and_set(&u->func, named ? func : 0); /* a full barrier, see conn_publish */
	return named;
}

/*
 * The entry of a kernel function, with its name; 0 if there is none, or no room. The name
 * is read once: bpf_snprintf can cause preemption in the middle of a program, and the
 * kernel then skips others. A concurrent hook uses another entry; two entries with one
 * name do no harm. again: the name could not be read now, but may be later.
 */
static __always_inline struct user *user_of(u64 func, u32 *place, bool *again)
{
	u32 first = (func >> 4) * 0x9e3779b1U >> 26, i, key;
	struct user *u;
	u64 was, order;

	if (!func)
		return 0;
	for (i = 0; i < 4; i++) {
		key = (first + i) & (USERS - 1);
		u = bpf_map_lookup_elem(&users, &key);
		if (!u)
			return 0;
		was = __sync_val_compare_and_swap(&u->func, 0, NAMING);
		order = order_of(was);
		if (was && was != func)
			continue;
		if (!was && !name_user(u, func)) {
			*again = true;
			return 0;
		}
		*place = key + 1;
		return after(order, u);
	}
	return 0;
}

/* Whether it is a function of kernel TLS, which calls the function that it replaced. */
static __always_inline bool is_tls_own(const struct user *u)
{
	return u->symbol[0] == 't' && u->symbol[1] == 'l' && u->symbol[2] == 's' && u->symbol[3] == '_';
}

/*
 * Find the subsystem that uses the socket. Sockets of programs have the kernel's common
 * functions, which user space knows. NVMe/TCP sets its function behind that of TLS when
 * the handshake is done; if its function was there first, TLS has saved it. The subsystem
 * may be another one whenever another task uses the connection. Returns false if the
 * lookup has to be repeated. A global function, see emit_socket.
 */
__noinline int find_user(struct conn *c)
{
	bool again = false;
	const struct tls_sw_context_rx *rx;
	const struct sock *sk;
	struct user *u;
	u32 place = 0;

	if (!c || !c->sk)
		return 1;
	sk = (void *)c->sk;
	rx = (void *)c->priv_rx;
	u = user_of((u64)BPF_CORE_READ(sk, sk_data_ready), &place, &again);
	if (u && is_tls_own(u) && rx)
		user_of((u64)BPF_CORE_READ(rx, saved_data_ready), &place, &again);
	if (again)
		return 0;
	if (aggregate && place != c->tx.datagram_or_user)
		update_sums_user(c->tx.conn, place);
	c->tx.datagram_or_user = c->rx.datagram_or_user = place;
	return 1;
}

/* Set the caller of a record of dir and the subsystem, if the caller is not the previous one. */
static __always_inline void update_caller(struct conn *c, struct event *e, u32 dir)
{
	if (check_caller(e, &c->caller[dir]) && !find_user(c))
		c->caller[dir].task = 0; /* repeat with the next record */
}

/* Set the caller of a record of dir, if anything needs it. */
static __always_inline void set_caller(struct conn *c, struct event *e, u32 dir)
{
	if (!is_measured(e) && plain_only)
		e->flags &= FLAG_KTHREAD | FLAG_HIDDEN;
	else
		update_caller(c, e, dir);
}

#endif
