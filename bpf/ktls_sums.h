/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Dashboard mode: the kernel sums records per connection and direction, and user space
 * reads the sums. Only control records, slow records and the records of one chosen
 * connection become events.
 */
#ifndef KTLS_SUMS_H
#define KTLS_SUMS_H

#include "ktls_event.h"

/* log2[k] counts times from 2^k to 2^(k+1) ns; the last bucket also counts all longer ones, from 34 s on. */
#define BUCKETS 36

/*
 * One direction. Index 0 to 2 of sum, max, last and log2 are the stages (queue, encrypt,
 * push; or wait, decrypt, deliver), 3 is the total.
 */
struct side {
	/*
	 * These come first: a reader that copies forward must not see sums that are newer
	 * than the buckets.
	 */
	u64 records, bytes, zerocopy;
	u64 mono;    /* when the last record completed */
	u64 next;    /* the sequence after it */
	u64 cgroup;  /* the last caller, as in struct event */
	u64 sum[4], max[4];
	u32 pid, tid, uid, gen;
	u16 version, cipher;
	u8 mode, flags;
	u8 pad[2];
	u32 last[4]; /* the bucket of the last value of each: the next value is often in the same one */
	u8 comm[16];
	u32 log2[4][BUCKETS];
};

struct sums {
	u64 conn;    /* 0 until the identity below is complete */
	u64 cookie;
	u32 netns;
	u16 lport, rport;
	u8 family;
	u8 closed;   /* final: user space reads it once more and deletes it */
	u16 user;    /* see struct event */
	u8 pad[4];
	u8 laddr[16], raddr[16];
	struct side side[2];
};
_Static_assert(sizeof(struct sums) == 1552, "a multiple of 8, without padding");

/*
 * A connection with a slot in "hot" has its sums at the same index here, which is part of
 * its id: indexing an array costs a seventh of a hash lookup. User space maps this array.
 * It clears a closed entry after reading it, the id last. A connection that gets the slot
 * in "hot" before that uses the other map.
 */
#define HOT_BITS 13
#define SLOT_BITS 14 /* bits of an id: 1 + the slot in "hot", 0: none */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << HOT_BITS);
	__type(key, u32);
	__type(value, struct sums);
} hot_stats SEC(".maps");

/*
 * The sums of the other connections, until they are closed and read. The key is the
 * connection's id, which is never reused.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, u64);
	__type(value, struct sums);
} stats SEC(".maps");

/* A template: a struct sums is too big for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct sums);
} blank_stats SEC(".maps");

static __always_inline void set_identity(struct sums *s, const struct event *e)
{
	s->cookie = e->cookie;
	s->netns = e->netns;
	s->lport = e->lport;
	s->rport = e->rport;
	s->family = e->family;
	s->user = e->datagram_or_user;
	__builtin_memcpy(s->laddr, e->laddr, sizeof(s->laddr));
	__builtin_memcpy(s->raddr, e->raddr, sizeof(s->raddr));
	__sync_lock_test_and_set(&s->conn, e->conn); /* the id comes last, with a full barrier, see conn_publish */
}

static __always_inline struct sums *hot_stats_of(u64 conn)
{
	u32 slot = (conn & ((1 << SLOT_BITS) - 1)) - 1;

	return bpf_map_lookup_elem(&hot_stats, &slot); /* slot 0 becomes an index beyond the end */
}

/*
 * A connection gets its entry with its first record and keeps it. An array entry that is
 * cleared later is not for a connection that began in the hash map.
 */
static __always_inline struct sums *stats_of(const struct event *e)
{
	struct sums *s = hot_stats_of(e->conn), *other;
	u64 key = e->conn;
	u32 zero = 0;

	if (s && s->conn == key)
		return s;
	other = bpf_map_lookup_elem(&stats, &key);
	if (other)
		return other;
	if (s && !s->conn) {
		set_identity(s, e);
		return s;
	}
	s = bpf_map_lookup_elem(&blank_stats, &zero);
	if (!s)
		return 0;
	bpf_map_update_elem(&stats, &key, s, BPF_NOEXIST);
	s = bpf_map_lookup_elem(&stats, &key);
	if (s && !s->conn) /* the other direction may write the same values */
		set_identity(s, e);
	return s;
}

/* Update the kernel subsystem in a connection's entry, if it has one. */
static __always_inline void update_sums_user(u64 conn, u16 user)
{
	struct sums *s = hot_stats_of(conn);

	if (s && s->conn == conn)
		s->user = user;
	s = bpf_map_lookup_elem(&stats, &conn);
	if (s)
		s->user = user;
}

/*
 * Close an entry. The id keeps its value; the exchange is the barrier that makes all
 * counts visible before the flag.
 */
static __always_inline void mark_closed(struct sums *s, u64 conn)
{
	__sync_lock_test_and_set(&s->conn, conn);
	s->closed = 1;
}

/* The connection ended: its entry is final. */
static __always_inline void close_stats(u64 conn)
{
	struct sums *s = hot_stats_of(conn);

	if (s && s->conn == conn)
		mark_closed(s, conn);
	s = bpf_map_lookup_elem(&stats, &conn); /* in both maps, if two directions began at once */
	if (s)
		mark_closed(s, conn);
}

#endif
