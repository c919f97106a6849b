/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The events of "ktlstop doctor --watch". */
#ifndef KTLS_WATCH_H
#define KTLS_WATCH_H

#include "ktls_kernel.h"

#define HELLO_BYTES 512

enum watch_kind { WATCH_RESULT = 1, WATCH_HELLO };
enum watch_flag { WATCH_SENT = 1, WATCH_MPTCP = 2, WATCH_DEVICE = 4 };

struct watch_event {
	u64 time, cookie;
	u32 pid, uid, netns;
	u16 option, err; /* WATCH_RESULT: the option and the positive errno, 0: success */
	u16 version, cipher; /* of a key */
	u16 lport, rport;
	u8 laddr[16], raddr[16];
	u8 comm[16];
	u8 family, kind, flags, pad;
	u32 len; /* WATCH_HELLO: valid bytes */
	u8 bytes[HELLO_BYTES];
};
_Static_assert(sizeof(struct watch_event) == 96 + HELLO_BYTES, "pkg/loader/internal/wire knows this size");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} watch_events SEC(".maps");

const struct watch_event *export_type __attribute__((unused)); /* exports the type to Go */

volatile u64 watch_lost = 0; /* events that found no room */

/* Reserve an event about a socket in the current task's call; 0 if there is no room. */
static __always_inline struct watch_event *watch_reserve(const struct sock *sk, u8 kind)
{
	struct watch_event *s = bpf_ringbuf_reserve(&watch_events, sizeof(*s), 0);
	const struct task_struct *t = bpf_get_current_task_btf();

	if (!s) {
		__sync_fetch_and_add(&watch_lost, 1);
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
