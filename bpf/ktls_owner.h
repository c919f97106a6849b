/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The owner of a socket: the current task, or one that has its file. */
#ifndef KTLS_OWNER_H
#define KTLS_OWNER_H

#include "ktls_filter.h"

/* The owner of a socket that no call of the owner reports. */
struct owner {
	u64 cgroup;
	u32 pid, tid, uid, pad;
	u64 comm[2];
};

/* The socket of a file, 0 if the file is none. */
static __always_inline struct socket *socket_of_file(struct file *file) { return file ? bpf_sock_from_file(file) : 0; }

static __always_inline void owner_of_task(struct owner *who, struct task_struct *task)
{
	who->pid = BPF_CORE_READ(task, tgid);
	who->tid = BPF_CORE_READ(task, pid);
	who->uid = BPF_CORE_READ(task, cred, uid.val);
	who->cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	bpf_core_read(who->comm, sizeof(who->comm), &task->comm);
}

/*
 * Set the owner in an event about a socket: who, or the current task if who is 0. Returns
 * whether the filters want that owner.
 */
static __always_inline bool set_socket_owner(struct event *e, const struct owner *who)
{
	e->flags = 0;
	if (!who) {
		set_process(e);
		e->flags &= FLAG_KTHREAD;
		return process_wanted(e) && current_cgroup_wanted();
	}
	e->pid = who->pid;
	e->tid = who->tid;
	e->uid = who->uid;
	e->cgroup = who->cgroup;
	__builtin_memcpy(e->comm, who->comm, sizeof(e->comm));
	return process_wanted(e) && (!want_cgroup || who->cgroup == want_cgroup);
}

#endif
