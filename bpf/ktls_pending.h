/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Pending records: sealed, but not yet handed to TCP. */
#ifndef KTLS_PENDING_H
#define KTLS_PENDING_H

#include "ktls_control.h"

/*
 * Pending records are sealed and wait for TCP while later records begin. TCP takes them in
 * order, so a connection numbers them from head to tail. A number without an entry found
 * no room in the map.
 */
struct pending_key { u64 conn, number; };

struct pending_record {
	struct event e;
	u64 rec; /* its tls_rec */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct pending_key);
	__type(value, struct pending_record);
} pending SEC(".maps");

/* The record in c->tx is sealed and waits for TCP, and another one begins: add it to "pending". */
static __always_inline void add_pending(struct conn *c)
{
	struct pending_key key = { c->tx.conn, c->tail++ };

	_Static_assert(__builtin_offsetof(struct conn, tx_rec) == __builtin_offsetof(struct pending_record, rec), "c begins with a struct waiting");
	if (!bpf_map_update_elem(&pending, &key, c, BPF_ANY))
		return;
	if (c->tx.flags & FLAG_HIDDEN)
		__sync_fetch_and_add(&c->tx.rec.hidden, 1);
	else
		count_lost(LOST_PENDING_MAP_FULL, DIR_TX);
}

/* Whether sealed records wait before the one in c->tx, in "pending" or without an entry there. */
static __always_inline bool has_pending(const struct conn *c) { return c->head != c->tail; }

static __always_inline struct pending_record *first_pending(const struct conn *c)
{
	struct pending_key key = { c->tx.conn, c->head };

	return bpf_map_lookup_elem(&pending, &key);
}

struct pending_search {
	u64 conn, rec;
	u32 from, found; /* from: the first number; found: 1 + the records before it, 0: not found */
};

static long find_step(u32 i, struct pending_search *f)
{
	struct pending_key key = { f->conn, f->from + i };
	struct pending_record *w = bpf_map_lookup_elem(&pending, &key);

	if (!w || w->rec != f->rec)
		return 0;
	f->found = i + 1;
	return 1;
}

/* The position of a record among the pending ones: 1 for the first, 0 if it is not pending. */
static __always_inline u32 pending_index(const struct conn *c, u64 rec)
{
	struct pending_search f = { c->tx.conn, rec, c->head, 0 };

	bpf_loop(c->tail - c->head, find_step, &f, 0);
	return f.found;
}

struct pending_report {
	struct conn *c;
	u64 now;    /* when TCP took the last one; the hooks of the earlier ones were skipped */
	u32 last, flags;
};

static long report_step(u32 i, struct pending_report *t)
{
	struct conn *c = t->c;
	struct pending_key key = { c->tx.conn, c->head++ };
	struct pending_record *w = bpf_map_lookup_elem(&pending, &key);

	if (!w)
		return 0;
	if (t->now && i == t->last)
		w->e.rec.stamp[3] = t->now;
	else
		w->e.flags |= t->flags;
	emit_record(&w->e, &c->tx.rec.hidden, &c->sampler[DIR_TX]);
	bpf_map_delete_elem(&pending, &key);
	return 0;
}

/*
 * Report the first n pending records. flags, FLAG_PUSHED or 0, are set in those without an
 * end time. A global function, see emit_socket.
 */
__noinline int report_pending(struct conn *c, u32 n, u64 now, u32 flags)
{
	struct pending_report t = { c, now, n - 1, flags };

	if (c)
		bpf_loop(n, report_step, &t, 0);
	return 0;
}

/* The head of the kernel's list of sealed records, which TCP gets next. */
static __always_inline u64 head_record(const struct tls_sw_context_tx *priv)
{
	return (u64)BPF_CORE_READ(priv, tx_list.next);
}

static __always_inline bool all_pushed(const struct tls_sw_context_tx *priv)
{
	return head_record(priv) == (u64)priv + bpf_core_field_offset(struct tls_sw_context_tx, tx_list);
}

struct sealed_count { u64 rec, end, n; };

static long count_step(u32 i, struct sealed_count *k)
{
	if (k->rec == k->end)
		return 1;
	k->rec = read_word(k->rec); /* list.next */
	k->n++;
	return 0;
}

#define LIST_MAX 65536

/* How many sealed records wait for TCP. A global function, see emit_socket. */
__noinline u32 count_sealed(struct conn *c)
{
	struct sealed_count k = {};

	if (!c || !c->priv_tx)
		return 0;
	k.end = c->priv_tx + bpf_core_field_offset(struct tls_sw_context_tx, tx_list);
	k.rec = read_word(k.end);
	bpf_loop(LIST_MAX, count_step, &k, 0);
	return k.n;
}

/* Whether several records are in the list, because TCP or asynchronous crypto lags. */
static __always_inline bool has_several_sealed(const struct tls_sw_context_tx *priv)
{
	return head_record(priv) != (u64)BPF_CORE_READ(priv, tx_list.prev);
}

/* Another record begins before the last one was reported. */
static __always_inline void defer_record(struct conn *c)
{
	if (!all_pushed((void *)c->priv_tx)) {
		add_pending(c);
		return;
	}
	/* TCP has all of them; the hooks that report this were skipped. */
	report_pending(c, c->tail - c->head, 0, FLAG_PUSHED);
	c->tx.flags |= FLAG_PUSHED;
	emit_record(&c->tx, &c->tx.rec.hidden, &c->sampler[DIR_TX]);
}

/* Mark a sealed record that TCP will not get. */
static __always_inline void set_unsent(struct event *e, struct conn *c)
{
	if (is_close_notify(e))
		c->notified[DIR_TX] = NOTIFIED_NO;
	e->rec.unsent = 1;
	e->rec.err = c->tx_err;
}

#endif
