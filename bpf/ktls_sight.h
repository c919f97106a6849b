/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What ktlstop doctor --watch is told. */
#ifndef KTLS_SIGHT_H
#define KTLS_SIGHT_H

#include "ktls_kernel.h"

#define HELLO_BYTES 512

enum sight_kind { SIGHT_ASKED = 1, SIGHT_HELLO };
enum sight_flag { SIGHT_SENT = 1, SIGHT_MPTCP = 2, SIGHT_DEVICE = 4 };

struct sight {
	u64 time, cookie;
	u32 pid, uid, netns;
	u16 option, err; /* SIGHT_ASKED: what for, and the answer, positive; 0: yes */
	u16 version, cipher; /* of a key */
	u16 lport, rport;
	u8 laddr[16], raddr[16];
	u8 comm[16];
	u8 family, kind, flags, pad;
	u32 len; /* SIGHT_HELLO: of the bytes */
	u8 bytes[HELLO_BYTES];
};
_Static_assert(sizeof(struct sight) == 96 + HELLO_BYTES, "pkg/loader/internal/wire knows this size");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} sights SEC(".maps");

const struct sight *like_this __attribute__((unused)); /* names the type for Go */

volatile u64 unseen = 0; /* sights that found no room */

/* Reserves a sight of a socket, in the call of a process; 0 where there is no room. */
static __always_inline struct sight *sight_of(const struct sock *sk, u8 kind)
{
	struct sight *s = bpf_ringbuf_reserve(&sights, sizeof(*s), 0);
	const struct task_struct *t = bpf_get_current_task_btf();

	if (!s) {
		__sync_fetch_and_add(&unseen, 1);
		return 0;
	}
	__builtin_memset(s, 0, sizeof(*s));
	s->time = bpf_ktime_get_ns();
	s->kind = kind;
	s->pid = bpf_get_current_pid_tgid() >> 32;
	s->uid = bpf_get_current_uid_gid();
	set_comm((u64 *)s->comm, t);
	SET_ADDRESSES(s, sk);
	return s;
}

#endif
