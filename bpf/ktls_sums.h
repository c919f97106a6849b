/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Dashboard mode: records are added up in the kernel, per connection and direction,
 * and user space reads the sums. Only control records and the records of one
 * chosen connection become events.
 */
#ifndef KTLS_SUMS_H
#define KTLS_SUMS_H

#include "ktls_event.h"

/* log2[k] counts times of 2^k to 2^(k+1) ns; the last one also what is longer, from 34 s on. */
#define BUCKETS 36

/* One direction. stage 0 to 2 are queue, encrypt, push or wait, decrypt, deliver; 3 is the total. */
struct side {
	/* A reader that copies forward must not find sums that are newer than the buckets. */
	u64 records, bytes, zerocopy;
	u64 mono;    /* when the last record was complete */
	u64 next;    /* the sequence after it */
	u64 cgroup;  /* who made the last call, as in struct event */
	u64 sum[4], max[4];
	u32 pid, tid, uid, gen;
	u16 version, cipher;
	u8 mode, flags;
	u8 pad[2];
	u32 last[4]; /* the bucket of the last one of each: the next is often there too */
	u8 comm[16];
	u32 log2[4][BUCKETS];
};

struct sums {
	u64 conn;    /* 0 until the identity below is there */
	u64 cookie;
	u32 netns;
	u16 lport, rport;
	u8 family;
	u8 closed;   /* nothing will be added any more: user space reads it once more and deletes it */
	u16 user;    /* see struct event */
	u8 pad[4];
	u8 laddr[16], raddr[16];
	struct side side[2];
};
_Static_assert(sizeof(struct sums) == 1552, "a multiple of 8, without padding");

/*
 * The sums of a connection that has a place in "hot" lie at the same place here,
 * which its id names: a look into an array costs a seventh of one into a hash. User
 * space has this map as memory, and blanks what is closed when it has read it, its
 * id last; who gets the place in "hot" before that uses the other map.
 */
#define HOT_BITS 13
#define SLOT_BITS 14 /* of an id: 1 + the place in "hot", 0 for none */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << HOT_BITS);
	__type(key, u32);
	__type(value, struct sums);
} hot_stats SEC(".maps");

/* Those of other connections, until they are closed and have been read. Keyed by the connection's id, which is never used twice. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, u64);
	__type(value, struct sums);
} stats SEC(".maps");

/* What is too big for the stack starts as a copy of these. */
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
	__sync_lock_test_and_set(&s->conn, e->conn); /* the id comes last: a full barrier, see conn_publish */
}

static __always_inline struct sums *hot_stats_of(u64 conn)
{
	u32 slot = (conn & ((1 << SLOT_BITS) - 1)) - 1;

	return bpf_map_lookup_elem(&hot_stats, &slot); /* 0 is beyond the end then */
}

/*
 * A connection gets its entry with its first record, and keeps it: a place that is
 * blanked later is not for one that has begun in the other map.
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
	if (s && !s->conn) /* the other direction may be at it too, with the same words */
		set_identity(s, e);
	return s;
}

/* Another has the socket than when the entry was made, if there is one. */
static __always_inline void update_sums_user(u64 conn, u16 user)
{
	struct sums *s = hot_stats_of(conn);

	if (s && s->conn == conn)
		s->user = user;
	s = bpf_map_lookup_elem(&stats, &conn);
	if (s)
		s->user = user;
}

/* The id stays what it is: the exchange is the barrier that lets user space see all counts before the mark. */
static __always_inline void mark_closed(struct sums *s, u64 conn)
{
	__sync_lock_test_and_set(&s->conn, conn);
	s->closed = 1;
}

/* The connection is gone: what its entry holds is final. */
static __always_inline void close_stats(u64 conn)
{
	struct sums *s = hot_stats_of(conn);

	if (s && s->conn == conn)
		mark_closed(s, conn);
	s = bpf_map_lookup_elem(&stats, &conn); /* both, where two directions began at once */
	if (s)
		mark_closed(s, conn);
}

#endif
