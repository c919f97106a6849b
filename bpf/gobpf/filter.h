/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The process behind a call, and the filters. */
#ifndef GOBPF_FILTER_H
#define GOBPF_FILTER_H

#include "settings.h"
#include "../ktls_event.h"

struct name { char comm[16]; } __attribute__((aligned(8)));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, u8);
} want_pid SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct name);
	__type(value, u8);
} want_name SEC(".maps");

/* Up to 6.1 a global function can only look up keys on its own stack. */
static __always_inline bool process_wanted(const struct event *e)
{
	struct name name;
	u32 pid = e->pid;

	if (want_pids && !bpf_map_lookup_elem(&want_pid, &pid))
		return false;
	if (want_comm) {
		__builtin_memcpy(name.comm, e->comm, sizeof(name.comm));
		if (!bpf_map_lookup_elem(&want_name, &name))
			return false;
	}
	if (want_uid_set && e->uid != want_uid)
		return false;
	return true;
}

static __always_inline bool current_cgroup_wanted(void)
{
	return !want_cgroup || bpf_get_current_ancestor_cgroup_id(want_cgroup_level) == want_cgroup;
}

static __always_inline bool conn_wanted(const struct event *e)
{
	if (want_netns && e->netns != want_netns)
		return false;
	if (want_port && e->lport != want_port && e->rport != want_port)
		return false;
	return true;
}

static __always_inline void read_process(struct event *e)
{
	const struct task_struct *t = (void *)bpf_get_current_task();
	u64 id = bpf_get_current_pid_tgid();

	e->pid = id >> 32;
	e->tid = id;
	e->uid = bpf_get_current_uid_gid();
	e->cgroup = bpf_get_current_cgroup_id();
	/* 6.1 does not clear the bytes after the name's end, and comm is a key of want_name. */
	__builtin_memset(e->comm, 0, sizeof(e->comm));
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	if (GIVEN(t, flags) & PF_KTHREAD)
		e->flags |= FLAG_KTHREAD;
}

/*
 * Set the process to the current task, and FLAG_HIDDEN if the filters exclude it. A global
 * function: from 6.2 on, the verifier searches the types of the whole kernel at each step
 * from one structure to the next, and it checks a global function only once.
 */
__noinline int set_process(struct event *e)
{
	if (!e)
		return 0;
	read_process(e);
	if (!process_wanted(e) || !current_cgroup_wanted() || !conn_wanted(e) || (want_dir && want_dir != 1U + e->dir))
		e->flags |= FLAG_HIDDEN;
	return 0;
}

static __always_inline bool is_current(const struct event *e)
{
	u64 id = bpf_get_current_pid_tgid();

	return e->pid == (u32)(id >> 32) && e->tid == (u32)id;
}

#endif
