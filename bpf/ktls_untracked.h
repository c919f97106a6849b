/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Counting the records of connections that found no room in the table. Both backends
 * include this where their connections are known.
 */
#ifndef KTLS_UNTRACKED_H
#define KTLS_UNTRACKED_H

/* Whether records that a network card seals are reported. bpf/gobpf defines a macro of this name. */
#ifndef reports_cards
#define reports_cards true
#endif

/*
 * One direction of a socket that found no room. The kernel's sequence advances with each
 * record, however many hooks see it. The longest idle entries are evicted.
 */
struct untracked {
	u64 cookie; /* distinguishes the socket from a later one at its address; may be 0 */
	u64 next;   /* lower sequences are counted */
	u64 hidden; /* the filters exclude the record that began last */
};

struct untracked_key { u64 sk, dir; };

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct untracked_key);
	__type(value, struct untracked);
} untracked SEC(".maps");

static __always_inline bool filters_hide(u64 sk, u32 dir)
{
	struct event e = {};

	SET_ADDRESSES(&e, (void *)sk);
	e.dir = dir;
	set_process(&e);
	return e.flags & FLAG_HIDDEN;
}

/*
 * A record begins or ends on an untracked connection: count the records sealed or opened
 * since the last time.
 */
static __noinline void count_untracked(u64 sk, u32 dir, bool begins)
{
	const struct tls_context *ctx = tls_ctx_of((void *)sk);
	const struct sock *s = (void *)sk;
	struct untracked_key key = { sk, dir };
	struct untracked now = {};
	struct untracked *was;

	if (!live || !ctx || (!reports_cards && dir == DIR_TX && BPF_CORE_READ_BITFIELD_PROBED(ctx, tx_conf) == TLS_HW))
		return;
	now.cookie = BPF_CORE_READ(s, __sk_common.skc_cookie.counter);
	now.next = read_seq(dir == DIR_TX ? seq_addr(&ctx->tx) : seq_addr(&ctx->rx));
	was = bpf_map_lookup_elem(&untracked, &key);
	if (was && was->cookie != now.cookie)
		was = 0;
	if (was && !was->hidden && now.next > was->next)
		add_lost(lost_as(LOST_CONN_MAP_FULL, dir), now.next - was->next);
	if (begins)
		now.hidden = filters_hide(sk, dir);
	else if (was)
		now.hidden = was->hidden;
	bpf_map_update_elem(&untracked, &key, &now, BPF_ANY);
}

#endif
