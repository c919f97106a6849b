/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Programs that user space runs by a bpf(2) call. */
#ifndef KTLS_SYSCALL_H
#define KTLS_SYSCALL_H

#include "ktls_option.h"
#include "ktls_plaintext.h"

struct variable {
	char name[32]; /* ends with 0 */
	u64 value;
};

/* Read a kernel variable by name, before the hooks are loaded. Returns 0 or a negative error. */
static __always_inline int get_variable(struct variable *arg)
{
	struct variable a = *arg; /* 6.1 requires it on the stack */
	u64 addr = 0, v = 0;
	long err = bpf_kallsyms_lookup_name(a.name, sizeof(a.name), 0, &addr);

	if (!err)
		err = bpf_probe_read_kernel(&v, sizeof(v), (void *)addr);
	arg->value = v;
	return err;
}

struct held_arg {
	u64 conn;  /* the id */
	u32 found; /* the connection exists */
	u32 holds; /* it holds something back */
	struct held held;
};

static __always_inline void fill_held(struct held_arg *arg, struct conn *c)
{
	struct held h = {}; /* 6.1 requires it on the stack */

	arg->holds = set_held(c, &h);
	arg->held = h;
	arg->found = c->alive == arg->conn;
}

static long fill_if_conn(void *map, const u64 *sk, struct conn *c, struct held_arg *arg)
{
	if (c->alive != arg->conn)
		return 0;
	fill_held(arg, c);
	return 1;
}

/* What a connection holds back now. */
static __always_inline int get_held(struct held_arg *arg)
{
	struct held_arg a = { .conn = arg->conn };
	u32 place = a.conn & ((1 << SLOT_BITS) - 1);

	if (place && place <= 1 << HOT_BITS)
		fill_held(&a, &hot[place - 1]);
	else
		bpf_for_each_map_elem(&conns, fill_if_conn, &a, 0);
	*arg = a;
	return 0;
}

struct suppressed_arg {
	u64 until; /* CLOCK_MONOTONIC: only what was last reported before that */
};

static long report_hot(u32 i, struct suppressed_arg *arg)
{
	struct conn *c = &hot[i & ((1 << HOT_BITS) - 1)];

	if (c->alive)
		report_suppressed(c, arg->until);
	return 0;
}

static long report_conn(void *map, const u64 *sk, struct conn *c, struct suppressed_arg *arg)
{
	if (c->alive)
		report_suppressed(c, arg->until);
	return 0;
}

static long report_refusals(void *map, const struct refusal *r, struct event *last, struct suppressed_arg *arg)
{
	struct event e;
	u32 n;

	if (!last->failure.more)
		return 0;
	if (last->failure.time > arg->until) {
		suppressed = 1;
		return 0;
	}
	n = __sync_lock_test_and_set(&last->failure.more, 0);
	if (!n)
		return 0;
	e = *last;
	e.failure.time = last->failure.time = bpf_ktime_get_ns();
	e.failure.more = n - 1;
	emit(&e);
	return 0;
}

/* Report suppressed failures, of connections and of sockets without one, and card changes. */
static __always_inline int report_all_suppressed(struct suppressed_arg *arg)
{
	struct suppressed_arg a = *arg; /* 6.1 requires it on the stack */

	suppressed = 0;
	bpf_loop(1 << HOT_BITS, report_hot, &a, 0);
	bpf_for_each_map_elem(&conns, report_conn, &a, 0);
	bpf_for_each_map_elem(&refusals, report_refusals, &a, 0);
	return 0;
}

struct match_arg {
	struct event e;
	u64 plaintext; /* address in the caller's memory */
	u32 before;    /* result before the plaintext is copied */
	u32 done;      /* result when the event is complete */
};

static __always_inline int match_event_once(struct match_arg *arg)
{
	struct source s = { .kind = SRC_UBUF, .base = arg->plaintext };
	struct event e = arg->e;

	arg->before = may_match(&e, &s);
	arg->done = match_event(&e, MATCH_DONE);
	arg->e.rec.hits = e.rec.hits;
	return 0;
}

#endif
