/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which part of the kernel has a socket (NVMe/TCP, NFS): whose function is called when data comes. */
#ifndef KTLS_USER_H
#define KTLS_USER_H

#include "ktls_keys.h"

#define USERS 64 /* there are few */

/* An event has the place, and user space looks here. */
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

#define NAMING 1 /* instead of a function: the place is taken, and its name is not there yet */

/* Who is here is named before anybody finds it by its function, and not at all where the kernel has no buffer free. */
static __always_inline bool name_user(struct user *u, u64 func)
{
	static const char format[] = "%ps";
	bool named = bpf_snprintf(u->symbol, sizeof(u->symbol), format, &func, sizeof(func)) > 0;

	__sync_lock_test_and_set(&u->func, named ? func : 0); /* a full barrier, see conn_publish */
	return named;
}

/*
 * The place of a function of the kernel, with its name; 0 where there is none, or no room.
 * The name is asked for once: bpf_snprintf lets the kernel take the task off the processor
 * in the middle of a program, which skips others. Who comes meanwhile goes to another place:
 * two of one name are no harm. again: there was no name now, and there may be one later.
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

/* Whether a function is kernel TLS's own, which calls the one that it has taken the place of. */
static __always_inline bool is_tls_own(const struct user *u)
{
	return u->symbol[0] == 't' && u->symbol[1] == 'l' && u->symbol[2] == 's' && u->symbol[3] == '_';
}

/*
 * Note who has the socket. Programs have the kernel's common functions, which
 * user space knows to be nobody's. NVMe/TCP sets its own behind those of TLS, when
 * the handshake is done; where it was there first, TLS has kept it. Another may be
 * there each time that somebody else uses the connection. False: it has to be looked
 * once more. A global function, see emit_socket.
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

/* Who makes a record of dir, and whose socket it is, if it is not whom e has already. */
static __always_inline void update_caller(struct conn *c, struct event *e, u32 dir)
{
	if (check_caller(e, &c->caller[dir]) && !find_user(c))
		c->caller[dir].task = 0; /* with the next record */
}

/* Who makes a record of dir, where somebody asks. */
static __always_inline void set_caller(struct conn *c, struct event *e, u32 dir)
{
	if (!is_measured(e) && plain_only)
		e->flags &= FLAG_KTHREAD | FLAG_HIDDEN;
	else
		update_caller(c, e, dir);
}

#endif
