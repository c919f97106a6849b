/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The process behind a call, and the filters. */
#ifndef KTLS_FILTER_H
#define KTLS_FILTER_H

#include "ktls_stages.h"

/* Set by the loader before the programs are loaded. */
const volatile u32 want_pids = 0, want_comm = 0, want_uid_set = 0, want_uid = 0, want_netns = 0, want_port = 0;
const volatile u32 want_cgroup_level = 0, want_dir = 0; /* want_dir: 1 + enum dir */
const volatile u64 want_cgroup = 0;

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

/* Reads the task directly: the helpers that do the same cost three times as much. */
static __always_inline void read_process(struct event *e)
{
	const struct task_struct *t = bpf_get_current_task_btf();

	e->pid = t->tgid;
	e->tid = t->pid;
	e->uid = t->cred->uid.val;
	e->cgroup = t->cgroups->dfl_cgrp->kn->id;
	set_comm((u64 *)e->comm, t);
	if (t->flags & PF_KTHREAD)
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

/*
 * Identifies a task and everything about it that events contain. A task can change its
 * name, and gets new credential and cgroup objects when it changes those.
 */
struct caller {
	u64 task, cred, cgroups;
	u64 comm[2];
	u32 tid, pad;
};

static __always_inline bool is_same_caller(const struct caller *m, const struct task_struct *t)
{
	const u64 *comm = (const void *)&t->comm;

	return m->task == (u64)t && m->tid == t->pid && m->cred == (u64)t->cred && m->cgroups == (u64)t->cgroups &&
	       m->comm[0] == comm[0] && m->comm[1] == comm[1];
}

static __always_inline void save_caller(struct caller *m, const struct task_struct *t)
{
	m->task = (u64)t;
	m->tid = t->pid;
	m->cred = (u64)t->cred;
	m->cgroups = (u64)t->cgroups;
	set_comm(m->comm, t);
}

/*
 * Set the process of a record's event. m identifies the process that e already has.
 * Returns true if the caller is another one.
 */
static __always_inline bool check_caller(struct event *e, struct caller *m)
{
	const struct task_struct *t = bpf_get_current_task_btf();

	if (is_same_caller(m, t)) {
		e->flags &= FLAG_KTHREAD | FLAG_HIDDEN;
		return false;
	}
	e->flags = 0;
	set_process(e);
	save_caller(m, t);
	return true;
}

#endif
