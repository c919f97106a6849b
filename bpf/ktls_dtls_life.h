/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* AF_KTLS sockets: keys, close, inventory and drops. */
#ifndef KTLS_DTLS_LIFE_H
#define KTLS_DTLS_LIFE_H

#include "ktls_dtls_receive.h"
#include "ktls_dtls_send.h"

#define SECOND 1000000000ULL

/*
 * Report the records that were dropped for one reason, with the last of them. A global
 * function: the verifier checks it once.
 */
__noinline int dtls_report_dropped(struct dtls_conn *c, u32 reason)
{
	struct dropped *d;
	struct event e;

	if (!c || reason >= AFKTLS_REASONS)
		return 0;
	d = &c->dropped[reason];
	e = c->rx;
	/* No call is responsible: the filters judge the connection's owner. */
	if ((e.flags & FLAG_HIDDEN) || !conn_wanted(&e) || (want_dir && want_dir != 1U + DIR_RX))
		return 0;
	e.flags &= FLAG_KTHREAD;
	e.kind = KIND_DROP;
	e.type = d->type;
	e.epoch = d->epoch;
	e.datagram_or_user = d->datagram;
	__builtin_memset(&e.drop, 0, sizeof(e.drop));
	e.drop.count = __sync_lock_test_and_set(&d->unreported, 0);
	if (!e.drop.count)
		return 0;
	e.drop.time = bpf_ktime_get_ns();
	e.drop.seq = d->seq;
	e.drop.len = d->len;
	e.drop.reason = reason;
	if (!emit(&e)) /* the next report counts these too */
		__sync_fetch_and_add(&d->unreported, e.drop.count);
	return 0;
}

/* afktls_drop(ks, rec) */
static __always_inline int dtls_drops(u64 *ctx)
{
	const struct afktls_record *rec = (void *)ctx[1];
	struct opened_key key = opened_key(ctx[0], rec);
	u64 now = bpf_ktime_get_ns(), reported;
	u32 reason = GIVEN(rec, reason);
	struct dtls_conn *c = dtls_get(ctx[0], FOUND_IN_SOFTIRQ, reason == AFKTLS_UNREAD, 0);
	struct dropped *d;

	/* A replayed record has the number of a record that may be queued, opened and not read yet. */
	if (reason != AFKTLS_REPLAY && reason != AFKTLS_TOO_OLD)
		bpf_map_delete_elem(&dtls_opened, &key);
	if (!c)
		return 0;
	asm volatile("" : "+r"(reason)); /* the verifier follows the mask but not the comparison that the compiler derives */
	reason &= AFKTLS_REASONS - 1;
	if (reason == AFKTLS_UNREAD)
		__sync_fetch_and_add(&c->read, 1);
	d = &c->dropped[reason];
	d->seq = GIVEN(rec, seq);
	d->epoch = GIVEN(rec, epoch);
	d->type = GIVEN(rec, type);
	d->len = GIVEN(rec, len);
	d->datagram = GIVEN(rec, datagram);
	__sync_fetch_and_add(&d->unreported, 1);
	reported = d->reported_at;
	if ((!reported || now - reported >= SECOND) && __sync_val_compare_and_swap(&d->reported_at, reported, now) == reported)
		dtls_report_dropped(c, reason);
	return 0;
}

/* afktls_key(ks, tx, epoch, seq) */
static __always_inline int dtls_key_set(u64 *ctx)
{
	u32 dir = ctx[1] ? DIR_TX : DIR_RX, state;
	struct dtls_conn *c = dtls_find(ctx[0]);
	struct event *e;

	if (!live)
		return 0;
	if (!c)
		c = dtls_new(ctx[0], 0);
	if (!c)
		return 0; /* its records report it */
	c->tx.cipher = c->rx.cipher = BPF_CORE_READ((struct afktls_sock *)ctx[0], cipher); /* the first key may have set it */
	e = dir == DIR_TX ? &c->tx : &c->rx;
	state = c->keyed[dir] ? STATE_REKEY : STATE_OPEN;
	e->gen += c->keyed[dir];
	e->epoch = ctx[2];
	e->rec.start = dir == DIR_TX ? ctx[3] : 0;
	c->keyed[dir] = 1;
	if (dir == DIR_TX) {
		c->next = ctx[3];
		c->epoch_known = 1;
	}
	dtls_report(c, state, dir, 0);
	return 0;
}

static long dtls_report_last(void *map, const u64 *key, struct event *e, struct dtls_conn **of)
{
	struct dtls_conn *c = *of;

	if (!c || e->conn != c->tx.conn)
		return 0;
	dtls_report_unpushed(e, &c->tx.rec.hidden);
	bpf_map_delete_elem(map, key);
	return 0;
}

/* afktls_detach(ks) */
static __always_inline int dtls_detaches(u64 *ctx)
{
	struct dtls_conn *c = dtls_find(ctx[0]);
	u64 ks = ctx[0], gone;
	u32 reason;

	if (!c || __sync_val_compare_and_swap(&c->alive, c->tx.conn, 0) != c->tx.conn)
		return 0;
	gone = dtls_queued(ks) - c->queued - c->read; /* negative if a later socket at this address has begun its count */
	if ((__s64)gone > 0) /* hooks were skipped */
		add_lost(lost_as(LOST_SKIPPED, DIR_RX), gone);
	bpf_for_each_map_elem(&dtls_sending, dtls_report_last, &c, 0);
	for (reason = 0; reason < AFKTLS_REASONS; reason++)
		dtls_report_dropped(c, reason);
	dtls_report(c, STATE_CLOSE, 0, 0);
	bpf_map_delete_elem(&dtls_conns, &ks);
	return 0;
}

/*
 * afktls_attach(ks): a connection known at this address belongs to an earlier socket whose
 * close no hook saw.
 */
static __always_inline int dtls_attaches(u64 *ctx) { return dtls_detaches(ctx); }

static __always_inline bool is_afktls(const struct sock *sk)
{
	const struct proto___kernel *prot = BPF_CORE_READ(sk, __sk_common.skc_prot);
	char name[5] = {};

	bpf_core_read(name, sizeof(name), &prot->name);
	return name[0] == 'K' && name[1] == 'T' && name[2] == 'L' && name[3] == 'S' && !name[4] && BPF_CORE_READ(sk, sk_type) == SOCK_DGRAM;
}

static __always_inline int dtls_inventory_file(struct bpf_iter__task_file *ctx)
{
	struct socket *sock = socket_of_file(ctx->file);
	struct task_struct *task = ctx->task;
	const struct afktls_sock *s;
	struct owner who = {};
	struct dtls_conn *c;
	u64 ks;

	if (!task || !sock || !sock->sk)
		return 0;
	ks = (u64)sock->sk;
	s = (void *)ks;
	if (!is_afktls((void *)ks) || !BPF_CORE_READ(s, udp))
		return 0;
	c = dtls_find(ks);
	if (!c)
		c = dtls_new(ks, 0);
	if (!c || c->reported)
		return 0;
	owner_of_task(&who, task);
	dtls_report(c, STATE_FOUND, 0, &who);
	return 0;
}

#endif
